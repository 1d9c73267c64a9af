"""The images and artifacts of releases, in a folder beside the mirror of their tree: an OCI image layout.

Every part is there under a name that is its digest, so that garbage collection knows what is still a release's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from edgewise.exchange.release import Part, Release
from edgewise.exchange.sources import IMAGES, nearest
from edgewise.store.oci import partial
from edgewise.store.oci.copy import Transfers, copy, needed
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.gc import Collected, collect
from edgewise.store.oci.layout import Layout


def layout_of(mirror: Path) -> Layout:
    """Where a mirror in the folder `mirror` keeps images."""
    return Layout(mirror / IMAGES)


def parts_of(releases: Iterable[Release]) -> list[Part]:
    """All parts, each once."""
    return list({part.digest: part for one in releases for part in one.parts}.values())


def missing(parts: Iterable[Part], base: str, layout: Layout) -> dict[str, Descriptor]:
    """What of `parts`, of releases of the tree at `base`, is not in `layout` yet, by digest.

    Raises:
        EdgewiseError: a part is nowhere, or damaged; see `nearest` and `copy`.
    """
    found: dict[str, Descriptor] = {}
    for part in parts:
        with nearest(part, base) as place:
            found |= {one.digest: one for one in needed(place, part.digest) if not layout.has(one)}
    return found


def left_bytes(blobs: Mapping[str, Descriptor], layout: Layout) -> list[int]:
    """How much of each blob has still to come."""
    return [one.size_bytes - partial.kept_bytes(layout.folder, one) for one in blobs.values()]


def bring(part: Part, base: str, layout: Layout, transfers: Transfers) -> None:
    """Copy `part` to `layout`: blobs, then documents, its name last."""
    with nearest(part, base) as place:
        copy(place, layout, part.digest, to=_name(part.digest), transfers=transfers)


def prune(parts: Iterable[Part], layout: Layout, *, dry_run: bool = False) -> Collected:
    """Remove what none of `parts` needs.

    Raises:
        Busy: somebody copies to it.
    """
    kept = {_name(part.digest) for part in parts}
    if not dry_run:
        for name in [one for one in layout.references() if one not in kept]:
            layout.untag(name)
    return collect(layout, grace_s=0, dry_run=dry_run)


def _name(digest: str) -> str:
    return digest.removeprefix("sha256:")
