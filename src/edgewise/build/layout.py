"""Images out of the store into a folder that podman, skopeo and umoci read: only what the named ones reach."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import Descriptor, read
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store


def write(
    target: Layout, named: Mapping[str, Descriptor], store: Store, *, referrers: Iterable[Descriptor] = ()
) -> None:
    """Put `named` and `referrers` into `target`; what else is there stays, a name that is there already moves."""
    source = Layout(store.folder)
    for root in (*named.values(), *referrers):
        for blob in _reached(root, store.blobs):
            if not target.has(blob) or blob.artifact_type:  # a referrer's name may be missing where its blob is there
                target.push(blob, partial(_from, source, blob))
    for name, descriptor in named.items():
        target.tag(name, descriptor)


def _reached(descriptor: Descriptor, blobs: Blobs) -> Iterator[Descriptor]:
    """What the blob needs, then the blob itself; a subject is another's."""
    if descriptor.is_document:
        for one in read(blobs.get(descriptor.digest), descriptor.media_type).needs:
            yield from _reached(one, blobs)
    yield descriptor


def _from(source: Layout, blob: Descriptor, start: int) -> Iterator[bytes]:
    return source.fetch(blob, start=start)
