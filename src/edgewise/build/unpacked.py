"""How much a layer is once it is unpacked, where whoever made it did not say: counted once, and remembered."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

from edgewise.build.pack import Packed
from edgewise.errors import BadImage
from edgewise.store.steps import Store, key

CHUNK_BYTES = 1 << 20
LIMIT_BYTES = 64 << 30
"""Of one layer: what unpacks to more is an attack."""


def unpacked_bytes(packed: Packed, store: Store) -> int:
    """Bytes of the layer's tar.

    Raises:
        BadImage: it cannot be unpacked, or unpacks without end.
    """
    if packed.tar_bytes:
        return packed.tar_bytes
    step = key("unpacked", layer=packed.digest)
    if (known := store.recall(step)) is not None:
        return int(known)
    found = 0
    try:
        for piece in pieces(store.blobs.path(packed.digest), packed.media_type):
            found += len(piece)
            if found > LIMIT_BYTES:
                raise BadImage(f"the layer {packed.digest} unpacks to more than {LIMIT_BYTES} bytes")
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise BadImage(f"the layer {packed.digest} cannot be unpacked: {error}") from error
    store.record(step, found)
    return found


def pieces(path: Path, media_type: str) -> Iterator[bytes]:
    """The bytes of the layer's tar; raises what its compressor raises."""
    if media_type.endswith("zstd"):
        with zstandard.open(path, "rb") as opened:
            while piece := opened.read(CHUNK_BYTES):
                yield piece
    elif media_type.endswith("gzip"):
        with gzip.open(path, "rb") as unzipped:
            while piece := unzipped.read(CHUNK_BYTES):
                yield piece
    else:
        with path.open("rb") as plain:
            while piece := plain.read(CHUNK_BYTES):
                yield piece
