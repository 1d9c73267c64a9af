"""`edgewise agent --bench`: this device measures models for a plan that is made elsewhere.

`bench.py` is what it does, `lease.py` for whom, `files.py` with what; `server.py` and `routes.py` are the HTTP
around it.
"""
