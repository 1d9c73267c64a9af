"""Compressors whose bytes do not depend on the machine.

Deflate is a format, not a function: zlib, zlib-ng and ISA-L give different bytes for the same input, and Python's
own `zlib` is whichever of them the distribution links. So gzip is made by libdeflate and zstd by libzstd as they come
inside the wheels of `deflate` and `zstandard`, whose versions pyproject.toml fixes: one implementation everywhere,
one thread, pieces of a fixed size whatever the pieces that come in. `KNOWN` holds the digests of a known answer, and
`check` compares them before anything is packed with a library of another version (docs/adr/0013).
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from importlib import metadata

import deflate
import zstandard

from edgewise.errors import MissingDependency

ZSTD_LEVEL = 12
GZIP_LEVEL = 9
PIECE_BYTES = 4 << 20
"""Of input: a gzip member, or a write to zstd. A gzip file of several members is one file (RFC 1952, section 2.2)."""


class Compression(StrEnum):
    """How a layer is compressed; the value is the end of its media type."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = ""


KNOWN = {
    Compression.ZSTD: "a538eb68c580c8e43c0259d28fb7ae63795e6e5da959a67aa1f248b39b8a90cc",
    Compression.GZIP: "0463104d7e3c578913984c7b51be811eab0f31906d7896e3e027f6e189dcc7be",
}


def compressed(pieces: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """`pieces`, which may be of any size, compressed.

    Raises:
        MissingDependency: the compressor here gives other bytes than everywhere else.
    """
    if compression is Compression.NONE:
        return iter(pieces)
    check(compression)
    return _WAYS[compression](_even(pieces))


@cache
def check(compression: Compression) -> None:
    """Refuse a compressor whose answer to a known question is not the known one.

    Raises:
        MissingDependency: its version is not the one that pyproject.toml fixes.
    """
    answer = hashlib.sha256(b"".join(_WAYS[compression](iter([question()])))).hexdigest()
    if answer != KNOWN[compression]:
        name = {Compression.ZSTD: "zstandard", Compression.GZIP: "deflate"}[compression]
        raise MissingDependency(
            f"the {name} package here compresses to other bytes than the version that Edgewise is made for",
            hint="pip install 'edgewise[build]'",
        )


def versions() -> dict[str, str]:
    """Versions of the compressors, for the provenance."""
    return {"libzstd": ".".join(map(str, zstandard.ZSTD_VERSION)), "deflate": metadata.version("deflate")}


def question() -> bytes:
    """400 kB that compress by half: text and noise, made from SHA-256 alone."""
    noise = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(6000))
    return b"".join(noise[at : at + 100] + noise[at : at + 50].hex().encode() for at in range(0, 192_000, 100))


def _zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL, threads=0, write_checksum=True).compressobj()
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Members with an empty header (no name, time 0, system unknown), which zlib-made ones differ in by system too."""
    for piece in pieces:
        body = deflate.deflate_compress(piece, GZIP_LEVEL)
        trailer = zlib.crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little")
        yield b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + bytes(body) + trailer


_WAYS = {Compression.ZSTD: _zstd, Compression.GZIP: _gzip}


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of `PIECE_BYTES`, the last shorter: compressors may see where writes end."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)
