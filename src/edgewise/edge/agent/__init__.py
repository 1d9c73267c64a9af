"""The agent: follows the signed releases of a site, proves each here before it serves, and goes back by itself.

`machine.py` decides and does nothing; everything else here does what it says. The agent's own process imports only the
standard library and what is small of ours: what needs the network or numpy runs in a child that ends when it is done.
"""
