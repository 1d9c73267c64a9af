"""Whether a layout is whole: every blob is hashed, every name followed to its end. Changes nothing.

A single flipped bit anywhere in `oci-layout`, `index.json`, a blob or the record of a step is found. Only in an
index.json that another tool wrote last a name may change unseen: it carries no digest then that would hold, and the
check says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import BadManifest, EdgewiseError, StoreCorrupt
from edgewise.store import atomic
from edgewise.store.blobs import digest_of_file
from edgewise.store.oci import layout as layouts
from edgewise.store.oci import place
from edgewise.store.oci.documents import REF_NAME, Descriptor, Index, Manifest
from edgewise.store.oci.layout import INDEX_FILE, MARKER, Layout
from edgewise.store.oci.reach import reach
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong: where, and what."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check saw.

    Attributes:
        blobs: number of blobs that were hashed.
        size_bytes: of all of them.
        notes: what could not be looked at, in sentences.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    names: int
    blobs: int
    size_bytes: int


def check(layout: Layout, *, hashed: Callable[[Path], None] = lambda _: None) -> Checked:
    """Look at everything in `layout`, which may share its folder with a store of steps.

    Args:
        hashed: told of every blob when it was read.

    Raises:
        StoreUnusable: the folder or a file cannot be read.
    """
    findings: list[Finding] = []
    sizes: list[int] = []
    damaged: set[str] = set()
    for path in _blobs(layout):
        try:
            sizes.append(path.stat().st_size)
            found = digest_of_file(path)
        except FileNotFoundError:  # collected meanwhile
            continue
        except OSError as error:
            raise atomic.explain(error, path) from error
        if found != f"sha256:{path.name}":
            damaged.add(f"sha256:{path.name}")
            findings.append(Finding(where=_inside(layout, path), problem=f"damaged: its bytes are {found}"))
        hashed(path)
    entries, notes = _index(layout, findings)
    findings += _names(layout, entries, damaged)
    findings += _steps(layout)
    named = sum(REF_NAME in one.annotations for one in entries)
    return Checked(findings=tuple(findings), notes=tuple(notes), names=named, blobs=len(sizes), size_bytes=sum(sizes))


def damaged_blobs(checked: Checked) -> list[str]:
    """Digests of the blobs that were found damaged."""
    places = (Path(one.where) for one in checked.findings)
    return [f"sha256:{path.name}" for path in places if path.parent.name == "sha256"]


def _blobs(layout: Layout) -> list[Path]:
    found = (layout.folder / "blobs" / "sha256").glob("*")
    return sorted(path for path in found if not path.name.startswith(atomic.TEMPORARY_PREFIX) and path.is_file())


def _index(layout: Layout, findings: list[Finding]) -> tuple[tuple[Descriptor, ...], list[str]]:
    """What index.json names, as far as it can be read, and notes."""
    marker, content = layout.read_file(MARKER), layout.read_file(INDEX_FILE)
    if marker is None:
        if content is not None:
            findings.append(Finding(where=MARKER, problem="missing"))
        return (), []
    notes = []
    try:
        entries = layout.entries()
        if content is not None and layouts.is_foreign(content):
            notes.append("index.json was last written by another tool: a flipped bit in a name of it cannot be seen")
        elif content is not None and not layouts.is_unchanged(content):
            findings.append(Finding(where=INDEX_FILE, problem="damaged: its own digest does not hold"))
    except BadManifest as error:
        findings.append(Finding(where=f"{MARKER}, {INDEX_FILE}", problem=error.message))
        return (), notes
    return entries, notes


def _names(layout: Layout, entries: tuple[Descriptor, ...], damaged: set[str]) -> Iterator[Finding]:
    """What is not there of all that the names reach; damaged blobs were said already."""
    problems: list[Finding] = []

    def document(blob: Descriptor, _: Descriptor | None) -> Manifest | Index | None:
        if blob.digest in damaged or not layout.has(blob):
            return None
        try:
            return place.document(layout, blob)
        except (BadManifest, StoreCorrupt) as error:
            problems.append(Finding(where=blob.digest, problem=error.message))
            return None

    for entry in entries:
        name = entry.annotations.get(REF_NAME, entry.digest)
        try:
            for blob, parent in reach([entry], document):
                if not layout.has(blob) and blob.digest not in damaged:
                    needs = f"needed by {parent.digest}" if parent else "which it stands for"
                    problems.append(Finding(where=name, problem=f"{blob.digest} is missing or cut off, {needs}"))
        except EdgewiseError as error:
            problems.append(Finding(where=name, problem=error.message))
    yield from dict.fromkeys(problems)


def _steps(layout: Layout) -> Iterator[Finding]:
    for step, digests in Store(layout.folder).records():
        if digests is None:
            yield Finding(where=f"steps/{step}.json", problem="damaged: its own digest does not hold")


def _inside(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.folder))
