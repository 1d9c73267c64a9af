"""The REST skin: Open Inference Protocol v2 over HTTP/1.1, on uvloop and httptools.

`connection.py` is one client's connection, `site.py` what all of them share, `routes.py` says what a target means,
`reading.py` and `writing.py` turn bodies into requests and responses into bodies.
"""
