"""Garbage collection: what no name, no signature of a kept image and no result of a step reaches is removed.

When in doubt it stays: a young blob may be on its way into an image, and where a document that is reached cannot be
read, nothing is removed at all. Names go before blobs, so that being killed at any moment leaves garbage and never a
gap.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import EdgewiseError, StoreCorrupt
from edgewise.store import atomic, lock
from edgewise.store.oci import partial, place
from edgewise.store.oci.documents import MAX_BYTES, REF_NAME, Descriptor, Index, Manifest
from edgewise.store.oci.layout import USED, Layout
from edgewise.store.oci.reach import reach
from edgewise.store.steps import Store

GRACE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        digests: of the blobs, sorted.
        freed_bytes: of blobs and of the rests of broken downloads.
        kept: number of blobs that stay.
    """

    digests: tuple[str, ...]
    freed_bytes: int
    kept: int


def collect(
    layout: Layout, *, grace_s: float = GRACE_S, dry_run: bool = False, now: Callable[[], float] = time.time
) -> Collected:
    """Remove what nothing reaches from `layout`, which may share its folder with a store of steps.

    Args:
        grace_s: blobs and rests of downloads that are younger stay, in seconds.

    Raises:
        Busy: a copy or a plan is under way.
        StoreCorrupt, BadManifest: a document that is reached is missing or damaged; nothing was removed.
    """
    with contextlib.ExitStack() as alone:
        why = "it may need what would be removed"
        alone.enter_context(lock.alone(layout.folder, USED, why=why))
        if (layout.folder / "steps").is_dir():
            alone.enter_context(lock.alone(layout.folder, "plan", why=why))
        entries = layout.entries()
        kept_entries, kept = _kept(layout, entries)
        for _, digests in Store(layout.folder).records():
            kept |= (digests or set()) | _reached(layout, _images(layout, digests or ()))
        before = now() - grace_s
        garbage = [(path, size) for path, size, changed in _files(layout, kept) if changed < before]
        if not dry_run:
            if len(kept_entries) < len(entries):
                layout.keep_only(kept_entries)
            for path, _ in garbage:
                _remove(path)
    blobs = tuple(sorted(f"sha256:{path.name}" for path, _ in garbage if path.parent.name == "sha256" and _named(path)))
    stay = sum(1 for path in (layout.folder / "blobs" / "sha256").glob("*") if _named(path))
    return Collected(
        digests=blobs, freed_bytes=sum(size for _, size in garbage), kept=stay - (len(blobs) if dry_run else 0)
    )


def _kept(layout: Layout, entries: Sequence[Descriptor]) -> tuple[list[Descriptor], set[str]]:
    """The entries that stay, and the digests of all that they reach."""
    subjects = {one.digest: _subject(layout, one) for one in entries if REF_NAME not in one.annotations}
    stay = [one for one in entries if not subjects.get(one.digest)]
    waiting = [one for one in entries if subjects.get(one.digest)]
    kept = _reached(layout, stay)
    while more := [one for one in waiting if subjects[one.digest] in kept]:
        waiting = [one for one in waiting if one not in more]
        stay += more
        kept |= _reached(layout, more)
    return [one for one in entries if one in stay], kept


def _images(layout: Layout, digests: Iterable[str]) -> list[Descriptor]:
    """Those of the blobs of a step that are manifests or indexes: what they need is needed too."""
    found = []
    for digest in digests:
        path = layout.blobs.path(digest)
        with contextlib.suppress(OSError, EdgewiseError):
            with path.open("rb") as file:
                if file.read(1) != b"{" or path.stat().st_size > MAX_BYTES:
                    continue
            one = layout.resolve(digest)
            found += [one] if one.is_document and place.document(layout, one) else []
    return found


def _subject(layout: Layout, entry: Descriptor) -> str:
    if not (entry.is_document and layout.has(entry)):
        return ""
    subject = place.document(layout, entry).subject
    return subject.digest if subject else ""


def _reached(layout: Layout, roots: Sequence[Descriptor]) -> set[str]:
    def document(blob: Descriptor, parent: Descriptor | None) -> Manifest | Index | None:
        if parent is not None and not layout.has(blob):
            return None  # an index of which other tools left out platforms
        if not layout.has(blob):
            raise StoreCorrupt(
                f"{blob.digest}, which has a name, is missing or cut off, and what it needs is not known",
                hint=f"see what is wrong: edgewise store check {layout.folder}",
            )
        return place.document(layout, blob)

    return {blob.digest for blob, _ in reach(roots, document)}


def _files(layout: Layout, kept: set[str]) -> Iterator[tuple[Path, int, float]]:
    """What is neither kept nor another's: blobs, temporary files, rests of downloads; bytes, and when it changed."""
    for folder in (layout.folder / "blobs" / "sha256", layout.folder / partial.FOLDER):
        for path in sorted(folder.glob("*")):
            ours = _named(path) or path.name.startswith(atomic.TEMPORARY_PREFIX)
            blob = folder.name == "sha256" and f"sha256:{path.name}" in kept
            if ours and not blob:
                with contextlib.suppress(FileNotFoundError):  # a temporary file that got its name just now
                    found = path.stat()
                    yield path, found.st_size, found.st_mtime


def _named(path: Path) -> bool:
    return len(path.name) == 64 and set(path.name) <= set("0123456789abcdef")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise atomic.explain(error, path) from error
