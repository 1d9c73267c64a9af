"""A layer as a value: what stands at which path, and nothing of the machine that it was made on.

Pure. Every entry belongs to 0:0 and carries one time, that of the layer. Entries are in the order of their paths'
bytes, which puts a folder before what is in it. Parents that nobody described are added as folders of mode 0755.
A path that climbs out of the layer, that stands below a file or a link, or that comes twice, is refused: what
unpacks the layer elsewhere must not have to be cleverer than we are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from edgewise.build.content import Content, Inline
from edgewise.errors import BadImage

FOLDER_MODE, FILE_MODE, PROGRAM_MODE = 0o755, 0o644, 0o755
STICKY = 0o1000
WHITEOUT = ".wh."
"""What a name that removes begins with, by the OCI image specification (layer.md, Whiteouts)."""
OPAQUE = ".wh..wh..opq"
NOTHING = Inline(b"")


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    WHITEOUT = "whiteout"
    """A file without content whose name says what of the layers below is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands at one path.

    Attributes:
        path: relative to the root, "/" between names, none at the ends.
        mode: permission bits; 0o1000 (sticky) is allowed, set-user-id and set-group-id are not.
        content: of a file.
        target: of a symlink.
    """

    path: str
    kind: Kind
    mode: int = FILE_MODE
    content: Content = NOTHING
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Entries in order; made by `layer`, which checks them.

    Attributes:
        mtime: seconds since 1970 (UTC), of every entry.
    """

    entries: tuple[Entry, ...]
    mtime: int

    @property
    def content_bytes(self) -> int:
        """Bytes of all files together, without tar's headers."""
        return sum(entry.content.size_bytes for entry in self.entries)


def file(path: str, content: Content | bytes, *, mode: int = FILE_MODE) -> Entry:
    """A regular file."""
    held = Inline(content) if isinstance(content, bytes) else content
    return Entry(path=path, kind=Kind.FILE, mode=mode, content=held)


def folder(path: str, *, mode: int = FOLDER_MODE) -> Entry:
    """A folder."""
    return Entry(path=path, kind=Kind.FOLDER, mode=mode)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link to `target`, which stands in the image and need not be in this layer."""
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target)


def whiteout(path: str) -> Entry:
    """Removes what lower layers have at `path`."""
    parent, _, name = path.rpartition("/")
    return Entry(path=f"{parent}/{WHITEOUT}{name}".lstrip("/"), kind=Kind.WHITEOUT)


def opaque(path: str) -> Entry:
    """Removes all that lower layers have below the folder `path`."""
    return Entry(path=f"{path}/{OPAQUE}", kind=Kind.WHITEOUT)


def layer(entries: Iterable[Entry], *, mtime: int = 0) -> Layer:
    """The layer that holds `entries`, given in any order.

    Raises:
        BadImage: a path climbs out, comes twice or stands below what is no folder, or a mode or link is not allowed.
    """
    by_path: dict[str, Entry] = {}
    for entry in entries:
        _check(entry)
        before = by_path.setdefault(entry.path, entry)
        if before is not entry and not before.kind is entry.kind is Kind.FOLDER:
            raise BadImage(f"{entry.path!r} is twice in one layer", hint="two wheels may hold the same file")
    for path in list(by_path):
        for parent in _parents(path):
            above = by_path.setdefault(parent, folder(parent))
            if above.kind is not Kind.FOLDER:
                raise BadImage(f"{path!r} stands below {parent!r}, which is a {above.kind}")
    if not 0 <= mtime < 1 << 33:
        raise BadImage(f"{mtime} is no time for a layer", hint="SOURCE_DATE_EPOCH is in seconds since 1970")
    return Layer(entries=tuple(sorted(by_path.values(), key=lambda one: one.path.encode())), mtime=mtime)


def _check(entry: Entry) -> None:
    names = entry.path.split("/")
    if entry.path.startswith("/") or any(name in ("", ".", "..") for name in names):
        raise BadImage(f"the path {entry.path!r} climbs out of the layer", hint="paths are relative, without . and ..")
    if not _writable(entry.path) or not _writable(entry.target):
        raise BadImage(f"the path {entry.path!r} cannot be written in a layer")
    if any(name.startswith(WHITEOUT) for name in names) and entry.kind is not Kind.WHITEOUT:
        raise BadImage(f"{entry.path!r} would remove a file of the base", hint=f"names must not start with {WHITEOUT}")
    if entry.mode & ~(STICKY | 0o777):
        raise BadImage(f"{entry.path!r} has the mode {entry.mode:o}: set-user-id and set-group-id are not allowed")
    if entry.kind is Kind.SYMLINK and _climbs(entry):
        raise BadImage(f"the link {entry.path!r} points out of the image, to {entry.target!r}")


def _writable(path: str) -> bool:
    """True for text that UTF-8 has and that ends no string early."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path


def _climbs(link: Entry) -> bool:
    """True where the target is empty, or leads above the root on its way."""
    if link.target.startswith("/"):
        depth, steps = 0, link.target[1:].split("/")
    else:
        depth, steps = link.path.count("/"), link.target.split("/")
    for step in steps:
        if step == "..":
            depth -= 1
        elif step not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return not link.target


def _parents(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]
