"""A running inference server as a person watches it, from its /metrics alone: what it does now, not since it began.

`source.py` is the door, `page.py` reads what came through it, `figures.py` makes figures of two pages (both pure),
`beside.py` is a server that runs for as long as it is looked at.
"""
