"""Blobs by digest, in a folder laid out like an OCI image layout: `blobs/sha256/<hex>`.

A blob is written once and never changed; it is read-only on disk, for scratch folders link to it. Reading checks
the digest.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from edgewise.errors import StoreCorrupt
from edgewise.store import atomic

CHUNK_BYTES = 1 << 20


def digest_of(content: bytes) -> str:
    """`sha256:<hex>` of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """`sha256:<hex>` of the file at `path`, read in chunks."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


class Blobs:
    """The blobs below `folder`. Several processes may use one folder at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "blobs" / "sha256"

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise StoreCorrupt(f"{digest!r} is not a sha256 digest", hint="remove the store's folder and start again")
        return self._folder / name

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def put(self, content: bytes) -> str:
        """Keep `content`; its digest."""
        digest = digest_of(content)
        if digest not in self:
            atomic.write(self.path(digest), content, read_only=True)
        return digest

    def put_file(self, source: Path) -> str:
        """Keep a copy of the file at `source`; its digest.

        Raises:
            StoreCorrupt: someone wrote to `source` meanwhile.
        """
        digest = digest_of_file(source)
        if digest not in self:
            copied = hashlib.sha256()
            with source.open("rb") as reader, atomic.replacing(self.path(digest), read_only=True) as writer:
                while chunk := reader.read(CHUNK_BYTES):
                    copied.update(chunk)
                    writer.write(chunk)
                if f"sha256:{copied.hexdigest()}" != digest:
                    raise StoreCorrupt(f"{source} changed while it was read", hint="run the same command again")
        return digest

    def get(self, digest: str) -> bytes:
        """Content of the blob.

        Raises:
            StoreCorrupt: it is missing, or its bytes do not match; the bad file is removed.
        """
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise StoreCorrupt(f"the blob {digest} is missing", hint="run the same command again") from None
        except OSError as error:
            raise atomic.explain(error, path) from error
        if digest_of(content) != digest:
            with contextlib.suppress(OSError):
                path.unlink()
            raise StoreCorrupt(
                f"the blob {digest} was damaged on disk and has been removed",
                hint="run the same command again; check the disk if it happens twice",
            )
        return content

    def lay_out(self, digest: str, target: Path) -> None:
        """Put the blob at `target` as a file of its own name: a hard link where possible, else a copy."""
        content = self.get(digest)
        try:
            os.link(self.path(digest), target)
        except OSError:
            atomic.write(target, content)
