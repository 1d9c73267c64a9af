"""A base that another made: an image by digest, out of a folder of blobs, its config and labels kept.

Documents are checked as they are read, and every document against its digest. Docker's media types are taken for
the OCI ones that have the same bytes.
"""

import re
from collections.abc import Mapping, Sequence

from edgewise.build.base import GLIBC_LABEL, KIND_LABEL, PYTHON_LABEL, Base
from edgewise.build.pack import LAYER_MEDIA_TYPE, Packed
from edgewise.build.platforms import Platform
from edgewise.errors import BadImage
from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import (
    INDEX,
    MANIFEST,
    MAX_BYTES,
    Descriptor,
    Index,
    Manifest,
    load,
    read,
    read_config,
)

SAME_BYTES = {"application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER_MEDIA_TYPE}+gzip"}
LAYERS = (LAYER_MEDIA_TYPE, f"{LAYER_MEDIA_TYPE}+gzip", f"{LAYER_MEDIA_TYPE}+zstd")
OLDEST_GLIBC = 28
"""Taken for a base that does not say: that of Debian 10 and RHEL 8, which today's wheels begin at."""


def base(
    digest: str,
    platform: Platform,
    blobs: Blobs,
    *,
    name: str = "",
    python: tuple[int, int] | None = None,
    glibc: int | None = None,
) -> Base:
    """The image `digest` (of a manifest, or of an index over several) for `platform`.

    Args:
        name: its reference, for the annotation of what is built on it.
        python: version of its interpreter, where neither our label nor PYTHON_VERSION in its environment says it.
        glibc: minor version of its glibc 2, likewise.

    Raises:
        BadImage: it has not this architecture, says nothing of its Python, or is no image.
        BadManifest: one of its documents is malformed.
        StoreCorrupt: one of its documents is missing or damaged.
    """
    called = name or digest
    chosen, manifest = _chosen(digest, platform, blobs, called)
    content = _bounded(manifest.config.digest, blobs)
    config = read_config(content)
    if not config.platform.answers(str(platform)):
        raise BadImage(f"{called} is for {config.platform}, not for {platform}", hint="choose another base")
    if len(config.diff_ids) != len(manifest.layers):
        raise BadImage(f"{called} has {len(manifest.layers)} layers and names {len(config.diff_ids)}")
    labels: Mapping[str, str] = config.settings.get("Labels") or {}
    return Base(
        platform=platform,
        layers=tuple(map(_packed, manifest.layers, config.diff_ids)),
        python=python or _python(labels, config.settings.get("Env") or (), called),
        glibc=glibc or _glibc(labels),
        config=load(content, "config"),
        kind=labels.get(KIND_LABEL, ""),
        name=name,
        digest=chosen,
    )


def _chosen(digest: str, platform: Platform, blobs: Blobs, called: str) -> tuple[str, Manifest]:
    """The manifest for `platform` and its digest, which may be `digest` itself."""
    found = _document(digest, blobs)
    if isinstance(found, Manifest):
        return digest, found
    offered = [one for one in found.manifests if one.platform]
    chosen = next((one for one in offered if one.platform and one.platform.answers(str(platform))), None)
    if chosen is None:
        names = ", ".join(sorted({str(one.platform) for one in offered})) or "none that it names"
        raise BadImage(f"{called} has no {platform}: it has {names}", hint="another base, or without this platform")
    inner = _document(chosen.digest, blobs)
    if not isinstance(inner, Manifest):
        raise BadImage(f"{called} is an index of indexes", hint="name the inner one by its digest")
    return chosen.digest, inner


def _document(digest: str, blobs: Blobs) -> Manifest | Index:
    content = _bounded(digest, blobs)
    document = load(content, "manifest")
    return read(content, document.get("mediaType") or (INDEX if "manifests" in document else MANIFEST))


def _bounded(digest: str, blobs: Blobs) -> bytes:
    if digest in blobs and blobs.path(digest).stat().st_size > MAX_BYTES:
        raise BadImage(f"{digest} is too large for a manifest", hint="the digest of a manifest or an index")
    return blobs.get(digest)


def _packed(layer: Descriptor, diff_id: str) -> Packed:
    media_type = SAME_BYTES.get(layer.media_type, layer.media_type)
    if media_type not in LAYERS:
        raise BadImage(f"a layer of the base is {layer.media_type}, which is not for all to have")
    return Packed(diff_id=diff_id, digest=layer.digest, size_bytes=layer.size_bytes, tar_bytes=0, media_type=media_type)


def _python(labels: Mapping[str, str], environment: Sequence[str], name: str) -> tuple[int, int]:
    said = labels.get(PYTHON_LABEL) or dict(pair.partition("=")[::2] for pair in environment).get("PYTHON_VERSION", "")
    match = re.match(r"(\d+)\.(\d+)", said)
    if match is None:
        raise BadImage(f"{name} does not say which Python it has", hint="name it: 3.11, or use edgewise base debian")
    return int(match[1]), int(match[2])


def _glibc(labels: Mapping[str, str]) -> int:
    match = re.fullmatch(r"2\.(\d+)", labels.get(GLIBC_LABEL, ""))
    return int(match[1]) if match else OLDEST_GLIBC
