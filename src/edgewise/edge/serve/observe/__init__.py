"""What is seen of the server from outside: metrics, traces, the access log, energy.

It is told of requests through `contract.Observer` and touches none of them. What it costs is counted: about a
microsecond a request for metrics, and nothing is imported for what is not switched on.
"""
