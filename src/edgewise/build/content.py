"""What the files of a layer hold: bytes at hand, a file on disk, or a member of a wheel, read when they are needed.

A model of many gigabytes passes through in pieces; nothing here holds a whole file but what was whole before.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20


class Content(Protocol):
    """Bytes whose number is known before they are read."""

    @property
    def size_bytes(self) -> int:
        """How many bytes `chunks` yields."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in pieces of any size. May be called again, and yields the same."""
        ...


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes at hand."""

    content: bytes

    @property
    def size_bytes(self) -> int:
        """Length of the bytes."""
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in one piece."""
        yield self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A file, read when it is packed. Its size is that of the moment when it was described."""

    path: Path
    size_bytes: int

    @classmethod
    def at(cls, path: Path) -> "OnDisk":
        """The file at `path` as it is now."""
        return cls(path=path, size_bytes=path.stat().st_size)

    def chunks(self) -> Iterator[bytes]:
        """The file, in pieces of at most `CHUNK_BYTES`."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class InZip:
    """A member of a zip file, as wheels are; unpacked while it is read, its CRC-32 checked by zipfile."""

    archive: Path
    member: str
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        """The member, in pieces of at most `CHUNK_BYTES`."""
        with zipfile.ZipFile(self.archive) as archive, archive.open(self.member) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def read(content: Content) -> bytes:
    """All bytes of `content` at once, for what is small."""
    return b"".join(content.chunks())
