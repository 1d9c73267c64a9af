"""A Debian package as values: its control fields, and entries of a layer.

The format is deb(5): an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*`. Maintainer scripts are not
run, here or later: nothing of another architecture is executed, and nothing of this machine leaks into the image.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message

import zstandard

from edgewise.build.layer import STICKY, Entry, file, folder, symlink
from edgewise.errors import BadImage

MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that are links below /usr since Debian 12 (merged /usr)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What one .deb file holds.

    Attributes:
        control: its fields, by deb-control(5).
        entries: files, folders and links, /usr merged, in the order of the archive.
    """

    control: Message
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """Of the binary package."""
        return str(self.control["Package"])


def read(content: bytes, *, name: str) -> Package:
    """The package in the .deb file `content`.

    Args:
        name: what messages call it.

    Raises:
        BadImage: it is no .deb file.
    """
    try:
        members = dict(_members(content))
        control = _tar(members, "control.tar")
        with control.extractfile("./control") or io.BytesIO() as opened:
            fields = message_from_string(opened.read().decode())
        entries = tuple(_entries(_tar(members, "data.tar")))
    except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
        raise BadImage(f"{name} is not a Debian package: {error}") from error
    return Package(control=fields, entries=entries)


def md5sums(entries: tuple[Entry, ...]) -> bytes:
    """What is installed, in lines as of the program md5sum, for who checks it by Debian's own means."""
    lines = []
    for entry in entries:
        if entry.kind == "file":
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in entry.content.chunks():
                digest.update(chunk)
            lines.append(f"{digest.hexdigest()}  {entry.path}\n")
    return "".join(lines).encode()


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin like an ar archive")
    at = len(MAGIC)
    while at + HEADER_BYTES <= len(content):
        header = content[at : at + HEADER_BYTES]
        size = int(header[48:58])
        at += HEADER_BYTES
        yield header[:16].decode().rstrip(" /"), content[at : at + size]
        at += size + size % 2


def _tar(members: dict[str, bytes], stem: str) -> tarfile.TarFile:
    name = next((name for name in members if name.startswith(stem)), None)
    if name is None:
        raise ValueError(f"it has no {stem}")
    content = members[name]
    if name.endswith(".zst"):
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return tarfile.open(fileobj=io.BytesIO(content))


def _entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    for info in archive:
        path = merged(info.name.removeprefix("./").strip("/"))
        if path in ("", "."):
            continue
        if info.isdir():
            yield folder(path, mode=info.mode & (STICKY | 0o777))
        elif info.issym():
            yield symlink(path, info.linkname)
        elif opened := archive.extractfile(info):  # a hard link yields the file that it is another name of
            yield file(path, opened.read(), mode=info.mode & 0o777)


def merged(path: str) -> str:
    """Where `path` stands once /bin, /sbin and /lib are links into /usr."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path
