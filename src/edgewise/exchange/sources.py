"""Where the parts of a release lie: nearest to the tree that it came from, else where the release says.

Where a tree lies on a disk or a stick, images may lie beside it, in the folder `images`: an OCI image layout, as
`edgewise mirror` makes it. So one folder is all that a device needs. Nothing here is trusted: a part is its digest.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgewise.errors import NotFound
from edgewise.exchange.release import Part
from edgewise.store.oci.place import Place
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import parse

IMAGES = "images"
"""Folder of images, beside the metadata of a tree."""


def references(part: Part, base: str) -> tuple[str, ...]:
    """Where `part` may lie, of a release whose tree is at the address `base`: nearest first."""
    kind, _, name = part.source.partition(":")
    if urlsplit(base).scheme != "file":
        return (f"{part.source}@{part.digest}",)
    folder = Path(unquote(urlsplit(base).path))
    there = f"oci:{folder / name}" if kind == "oci" and not name.startswith("/") else part.source
    return (f"oci:{folder / IMAGES}@{part.digest}", f"{there}@{part.digest}")


@contextlib.contextmanager
def nearest(part: Part, base: str) -> Iterator[Place]:
    """The nearest place that has `part`; its connections are closed when the block ends.

    Raises:
        NotFound, RegistryUnreachable, NotAllowed, BadReference: the last place has none, or cannot be asked.
    """
    *nearer, last = references(part, base)
    for one in nearer:
        with opened(parse(one)) as place:
            if _has(place, part.digest):
                yield place
                return
    with opened(parse(last)) as place:
        yield place


def _has(place: Place, digest: str) -> bool:
    try:
        place.resolve(digest)
    except NotFound:
        return False
    return True
