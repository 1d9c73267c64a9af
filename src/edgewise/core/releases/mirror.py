"""A mirror: what is in force in a tree, carried to where there is no network, for devices that follow it alone.

Only what TUF's client has verified from the pinned root on is carried, and only what is missing. Order of writing:
blobs of images, documents that name them, documents of releases, metadata, and last timestamp.json: whoever reads at
any instant, or pulls the stick, has the old or the new. Nothing that is in force gives way to something older.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from edgewise.core.releases import images, roles
from edgewise.core.releases.verified import Verified, verified
from edgewise.core.releases.web import Folder, Web, meanwhile
from edgewise.errors import ForeignTree, StoreFull
from edgewise.exchange import tree as paths
from edgewise.exchange.fetch import Fetch
from edgewise.store import atomic
from edgewise.store.oci.copy import SILENT, Transfers
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.layout import Layout

SPARE_BYTES = 1 << 20
"""Of folders, names and what is written beside a file before it takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What has to be carried.

    Attributes:
        files: of the tree, missing or damaged at the mirror, in the order of their writing; the timestamp is the last.
        blobs: of images, by digest.
        blob_bytes: of these, what earlier tries have not brought yet.
        needs_bytes: on the mirror's disk, by its file system's blocks.
        free_bytes: there; None where that cannot be known.
    """

    source: Verified
    files: Mapping[str, bytes]
    blobs: Mapping[str, Descriptor]
    blob_bytes: int
    needs_bytes: int
    free_bytes: int | None

    @property
    def file_bytes(self) -> int:
        """All of `files` together."""
        return sum(map(len, self.files.values()))


def survey(base: str, root: bytes, sites: Collection[str], mirror: Web, layout: Layout | None, *, fetch: Fetch) -> Load:
    """What is missing at `mirror` of the tree at `base`, verified; nothing is written.

    Args:
        root: bytes of the root that is trusted from the beginning.
        sites: those that are wanted, beside those that are there; none: all.
        layout: where images go; None: they stay where releases say that they are.

    Raises:
        ForeignTree: what lies at `mirror` is another's.
        MirrorAhead: it is newer than the tree.
        NotTrusted, MetadataExpired, TreeUnreachable, NotFound: see `verified`.
        EdgewiseError: an image is nowhere, or damaged; see `images.missing`.
    """
    _check_own(mirror, root)
    source = verified(base, root, sites, mirror, fetch)
    wanted = _ordered(source, mirror)
    files = {path: content for path, content in wanted.items() if mirror.read(path) != content}
    blobs: dict[str, Descriptor] = {}
    left: list[int] = []
    if layout is not None:
        blobs = images.missing(images.parts_of(source.releases.values()), source.base, layout)
        left = images.left_bytes(blobs, layout)
    free, block = _room(mirror)
    sizes = [*left, *map(len, files.values())]
    needs = sum(-(-size // block) * block for size in sizes) + (SPARE_BYTES if sizes else 0)
    return Load(source=source, files=files, blobs=blobs, blob_bytes=sum(left), needs_bytes=needs, free_bytes=free)


def carry(load: Load, mirror: Web, layout: Layout | None, *, transfers: Transfers = SILENT) -> None:
    """Bring `load` to `mirror`, which the caller holds.

    Raises:
        StoreFull: there is too little room; nothing was written. Or it was used up meanwhile; the old is in force.
        PublishedMeanwhile: somebody else writes there.
        EdgewiseError: trouble with a blob, see `copy`; what was in force still is.
    """
    if load.free_bytes is not None and load.free_bytes < load.needs_bytes:
        raise StoreFull(
            f"{mirror} has {load.free_bytes} bytes free, and {load.needs_bytes} are needed",
            hint="old and new must fit side by side: make room there, or take a larger stick",
        )
    if layout is not None:
        for part in images.parts_of(load.source.releases.values()):
            images.bring(part, load.source.base, layout, transfers)
    for path, content in load.files.items():
        _put(mirror, path, content)


def prune(source: Verified, mirror: Folder, layout: Layout | None, *, dry_run: bool = False) -> int:
    """Remove blobs and documents of releases that `source` does not offer; how many bytes that gave back."""
    freed = 0
    for site in source.carries:
        for path in sorted((mirror.folder / paths.TARGETS / site).glob("*.json")):
            if f"{paths.TARGETS}/{site}/{path.name}" not in source.others:
                freed += path.stat().st_size
                if not dry_run:
                    atomic.remove(path)
    if layout is not None and layout.exists():
        freed += images.prune(images.parts_of(source.releases.values()), layout, dry_run=dry_run).freed_bytes
    return freed


def _check_own(mirror: Web, root: bytes) -> None:
    """Make sure that what lies at `mirror`, if anything, descends from `root`."""
    version = Metadata[Root].from_bytes(root).signed.version
    there = mirror.read(paths.versioned(roles.ROOT, version))
    foreign = mirror.read(paths.TIMESTAMP) is not None if there is None else there != root and _reads(there)
    if foreign:
        raise ForeignTree(
            f"the tree at {mirror} does not begin with the root that is trusted here",
            hint="choose another folder, or give the root of that tree",
        )


def _ordered(source: Verified, mirror: Web) -> dict[str, bytes]:
    """All files of `source` in the order of their writing.

    A new root goes first, unless what is new can be followed by who has only the old one: then, as a publisher does
    it, last. Where keys have changed and all was signed anew since, nobody can follow between the two writes; what was
    known stays in force on devices.
    """
    roots = {paths.versioned(roles.ROOT, version): content for version, content in source.roots.items()}
    last = [path for path in roots if mirror.read(path) is not None]
    late = bool(last) and _follows(Metadata[Root].from_bytes(roots[last[-1]]).signed, source)
    seal = {paths.TIMESTAMP: source.timestamp}
    return {**source.others, **seal, **roots} if late else {**source.others, **roots, **seal}


def _follows(root: Root, source: Verified) -> bool:
    """Whether `root` alone lets one verify what is new."""
    by_role = {
        path.split(".")[1]: content for path, content in source.others.items() if path.startswith(paths.METADATA)
    }
    wanted = {
        roles.TIMESTAMP: source.timestamp,
        roles.SNAPSHOT: by_role[roles.SNAPSHOT],
        roles.TARGETS: by_role[roles.TARGETS],
    }
    try:
        for role, content in wanted.items():
            signed = Metadata.from_bytes(content)
            root.verify_delegate(role, signed.signed_bytes, signed.signatures)
    except RepositoryError:
        return False
    return True


def _put(mirror: Web, path: str, content: bytes) -> None:
    there = mirror.read(path)
    if there is None and mirror.create(path, content):
        return
    if there is None:
        raise meanwhile(mirror)
    mirror.swap(path, there, content)


def _reads(content: bytes) -> bool:
    """Whether it is a root: a stick that was pulled may hold files that are nothing."""
    try:
        return isinstance(Metadata.from_bytes(content).signed, Root)
    except (RepositoryError, DeserializationError, ValueError, KeyError):
        return False


def _room(mirror: Web) -> tuple[int | None, int]:
    """Free bytes, and bytes of a block."""
    if not isinstance(mirror, Folder):
        return None, 1
    folder: Path = mirror.folder
    while not folder.exists():
        folder = folder.parent
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise atomic.explain(error, folder) from error
    return found.f_bavail * found.f_frsize, max(1, found.f_frsize)
