"""Releases: signed static files that devices follow, written so that a crash at any instant leaves the old or the new.

`roles.py` says who signs what, `tree.py` reads and commits a whole tree, `change.py` holds the changes that can be made
(pure), `rotate.py` the change of keys; `keys.py` is the door to private keys, and `web.py` to where the tree lies.
"""
