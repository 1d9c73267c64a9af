"""What a folder and a registry have in common, so that `copy` need not know which is which.

A blob that streams is hashed on its way (`checked`): nobody gets to its end without knowing that it is the right one.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from edgewise.errors import BadManifest, EdgewiseError
from edgewise.store.oci.documents import MAX_BYTES, Descriptor, Index, Manifest
from edgewise.store.oci.documents import read as read_document

CHUNK_BYTES = 1 << 20
Chunks = Callable[[int], Iterator[bytes]]
"""A blob's bytes from the given byte on."""
Moved = Callable[[int], None]
"""Told how many bytes more have arrived where they go; less than zero where some must be sent again."""


class How(StrEnum):
    """How a blob came to where it is."""

    COPIED = "copied"
    MOUNTED = "mounted"
    """The registry had it in another repository."""
    THERE = "there already"


class Place(Protocol):
    """Where images are: `Layout` and `Registry`. Safe to use from several threads."""

    def resolve(self, name: str) -> Descriptor:
        """What the tag or digest `name` stands for now.

        Raises:
            NotFound: nothing.
        """

    def has(self, blob: Descriptor) -> bool:
        """Whether it is there in its full length."""

    def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
        """Its bytes from `start` on. From 0 on they are checked: the last piece comes only if all were right."""

    def push(self, blob: Descriptor, chunks: Chunks, moved: Moved) -> How:
        """Take it, whole or not at all. What was received of it is kept and not asked for again."""

    def tag(self, name: str, document: Descriptor) -> None:
        """Let `name` stand for `document`, which is there with all that it needs."""

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """The manifests whose subject is `digest`: signatures, bills of materials and the like."""

    def held(self) -> AbstractContextManager[None]:
        """As long as the block lasts, nothing is collected here."""


def read(place: Place, blob: Descriptor) -> bytes:
    """All bytes of `blob`, which is small.

    Raises:
        BadManifest: it is larger than `MAX_BYTES`; nothing was read.
    """
    if blob.size_bytes > MAX_BYTES:
        raise BadManifest(
            f"{blob.digest} is a document of {blob.size_bytes} bytes", hint=f"at most {MAX_BYTES} are read"
        )
    return blob.data if blob.data is not None else b"".join(place.fetch(blob))


def document(place: Place, blob: Descriptor) -> Manifest | Index:
    """The manifest or index that `blob` names."""
    return read_document(read(place, blob), blob.media_type)


def checked(pieces: Iterator[bytes], blob: Descriptor, wrong: Callable[[str], EdgewiseError]) -> Iterator[bytes]:
    """`pieces` as they come, but the last one only when all of them are `blob`.

    Args:
        wrong: makes the error out of what was found.
    """
    found, size, last = hashlib.sha256(), 0, b""
    for piece in pieces:
        found.update(piece)
        size += len(piece)
        if size > blob.size_bytes:
            raise wrong(f"more than {blob.size_bytes} bytes")
        if size < blob.size_bytes:
            yield piece
        else:
            last = last or piece
    if size < blob.size_bytes:
        raise wrong(f"{size} of {blob.size_bytes} bytes")
    if f"sha256:{found.hexdigest()}" != blob.digest:
        raise wrong(f"sha256:{found.hexdigest()}")
    if last:
        yield last


def unmoved(_: int) -> None:
    """Nobody wants to know."""
