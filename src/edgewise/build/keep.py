"""Documents into the store, as canonical JSON: equal values are equal bytes."""

from collections.abc import Mapping
from datetime import UTC, datetime

from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import Descriptor, Json, Platform, canonical, descriptor_of


def keep(
    document: Mapping[str, Json],
    media_type: str,
    blobs: Blobs,
    *,
    platform: Platform | None = None,
    artifact_type: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Write `document` into the store; its descriptor."""
    content = canonical(document)
    blobs.put(content)
    return descriptor_of(content, media_type, platform=platform, artifact_type=artifact_type, annotations=annotations)


def keep_bytes(content: bytes, media_type: str, blobs: Blobs) -> Descriptor:
    """Write `content` into the store as it is; its descriptor."""
    blobs.put(content)
    return descriptor_of(content, media_type)


def moment(seconds: int) -> str:
    """RFC 3339, UTC, without fractions."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
