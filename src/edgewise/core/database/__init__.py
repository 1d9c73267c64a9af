"""The one database of the near edge: SQLite in a file by default, PostgreSQL where `EDGEWISE_DATABASE` says so.

Tables stand in `schema.py`, how they came to be in `migrations/`; `engine.py` is the only door.
"""
