"""Who refers to a manifest in a registry: by the referrers API, or by the tag scheme where a registry lacks it.

The tag scheme keeps an index at the tag `sha256-<hex>` of the subject. Registries cannot lock it, so an entry is read
back and written again where another writer was faster.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from edgewise.errors import NotFound, RegistryRefused
from edgewise.store.oci import documents, download, place, retry
from edgewise.store.oci.documents import INDEX, Descriptor, Index, Manifest

if TYPE_CHECKING:
    from edgewise.store.oci.registry import Registry


def of(registry: "Registry", digest: str) -> tuple[Descriptor, ...]:
    """Manifests whose subject is `digest`."""
    with registry.transport.open(
        "GET",
        f"/v2/{registry.repository}/referrers/{digest}",
        scope=registry.scope("pull"),
        what=f"referrers of {digest}",
        headers={"Accept": INDEX},
        accepted=(200, 404),
    ) as response:
        if response.status_code == 200 and response.headers.get("Content-Type", "").startswith(INDEX):
            found = documents.read(download.whole(registry.transport, response, "a list of referrers"), INDEX)
            return found.manifests if isinstance(found, Index) else ()
    return _tagged(registry, digest).manifests


def enter(registry: "Registry", subject: str, content: bytes, document: Manifest | Index) -> None:
    """Note in the tag scheme that `content`, pushed already, refers to `subject`.

    Raises:
        RegistryRefused: others write the same list again and again.
    """
    kind = document.artifact_type or ("" if isinstance(document, Index) else document.config.media_type)
    entry = documents.descriptor_of(content, document.media_type, annotations=document.annotations, artifact_type=kind)
    for failures in range(1, retry.TRIES + 1):
        index = _tagged(registry, subject)
        if entry.digest in {one.digest for one in index.manifests}:
            return
        added = replace(index, manifests=(*index.manifests, entry))
        registry.put_document(tag_of(subject), documents.canonical(added.document()), INDEX)
        if failures > 1:
            registry.transport.pause(failures - 1)
    if entry.digest not in {one.digest for one in _tagged(registry, subject).manifests}:
        raise RegistryRefused(f"{registry} does not keep what refers to {subject}", hint="run the same command again")


def tag_of(digest: str) -> str:
    """The tag that the tag scheme uses for `digest`."""
    return digest.replace(":", "-")


def _tagged(registry: "Registry", digest: str) -> Index:
    try:
        found = place.document(registry, registry.resolve(tag_of(digest)))
    except NotFound:
        return Index(manifests=())
    return found if isinstance(found, Index) else Index(manifests=())
