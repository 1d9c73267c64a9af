"""Parts of bench/serve.py: models, servers, their cost, the load, the tables."""
