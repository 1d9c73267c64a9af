"""Artifacts about an image, attached to it: manifests whose `subject` is the image.

By the image specification 1.1 (manifest.md, "Guidelines for Artifact Usage"). Where they are listed, through the
referrers API or under the tag that stands in for it, is the business of whoever copies them.
"""

from collections.abc import Mapping

from edgewise.build.keep import keep, keep_bytes
from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import EMPTY, MANIFEST, Descriptor, Manifest


def attach(
    subject: Descriptor,
    content: bytes,
    media_type: str,
    blobs: Blobs,
    *,
    artifact_type: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Keep `content` and a manifest that ties it to `subject`; the manifest's descriptor.

    Args:
        media_type: of the content; the artifact's type too unless another is given.
        annotations: of the manifest, and of its descriptor in lists of referrers.
    """
    manifest = Manifest(
        config=keep_bytes(b"{}", EMPTY, blobs),
        layers=(keep_bytes(content, media_type, blobs),),
        artifact_type=artifact_type or media_type,
        subject=plain(subject),
        annotations=annotations or {},
    )
    return keep(manifest.document(), MANIFEST, blobs, artifact_type=manifest.artifact_type, annotations=annotations)


def plain(subject: Descriptor) -> Descriptor:
    """`subject` as others name it: by type, digest and size alone."""
    return Descriptor(media_type=subject.media_type, digest=subject.digest, size_bytes=subject.size_bytes)
