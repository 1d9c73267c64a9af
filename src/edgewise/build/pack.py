"""From a layer to blobs in the store: one pass computes diff_id, digest and size, and writes as it goes."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edgewise import __version__
from edgewise.build import compress, tar
from edgewise.build.compress import Compression
from edgewise.build.layer import Layer
from edgewise.store.steps import Json, Store, key

LAYER_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A layer in the store.

    Attributes:
        diff_id: digest of the tar bytes before compression; the image's config names it.
        digest: of the blob.
        size_bytes: of the blob.
        tar_bytes: before compression.
        title: what the layer is for, one line of the image's history.
    """

    diff_id: str
    digest: str
    size_bytes: int
    tar_bytes: int
    media_type: str
    title: str = ""


def once(
    name: str,
    make: Callable[[], Layer],
    store: Store,
    *,
    compression: Compression,
    title: str,
    **parts: Json,
) -> Packed:
    """The layer that `make` describes, packed; recalled where it was packed before.

    Args:
        parts: all that decides what `make` makes, in JSON's types.
    """
    step = key(name, edgewise=__version__, compression=compression, compressors=compress.versions(), **parts)
    if (record := store.recall(step)) is not None:
        return Packed(**record)
    packed = pack(make(), store, compression=compression, title=title)
    store.record(step, asdict(packed), blobs=(packed.digest,))
    return packed


def pack(layer: Layer, store: Store, *, compression: Compression = Compression.ZSTD, title: str = "") -> Packed:
    """Write `layer` into `store`; the same layer gives the same blob everywhere."""
    plain, packed = hashlib.sha256(), hashlib.sha256()
    sizes = [0, 0]

    def counted() -> Iterator[bytes]:
        for piece in tar.stream(layer):
            plain.update(piece)
            sizes[0] += len(piece)
            yield piece

    with store.scratch() as scratch:
        written = Path(scratch) / "layer"
        with written.open("xb") as file:
            for piece in compress.compressed(counted(), compression):
                packed.update(piece)
                sizes[1] += file.write(piece)
        digest = store.blobs.put_file(written)
    return Packed(
        diff_id=f"sha256:{plain.hexdigest()}",
        digest=digest,
        size_bytes=sizes[1],
        tar_bytes=sizes[0],
        media_type=LAYER_MEDIA_TYPE + (f"+{compression}" if compression else ""),
        title=title,
    )
