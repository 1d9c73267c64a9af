"""What each kind of node runs, as values: one description of a workload, and three faces of it.

`description.py` is what all faces start from; `quadlet/`, `bare.py` and `kubernetes/` are the faces. Pure: nothing in
this room reads or writes. Documents are typed values, and become text in one place each.
"""
