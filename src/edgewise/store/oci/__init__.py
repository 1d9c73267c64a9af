"""OCI images and artifacts: a folder, a registry and a USB stick are the same thing at different distances.

`reference.py` reads names, `documents.py` reads and writes manifests, `place.py` says what every place can do,
`layout.py` and `registry.py` are the places, `copy.py` goes between any two. `reach.py` is what `gc.py` keeps and
`check.py` looks at.
"""
