"""What a document reaches: all that must be there for it to be whole. Pure but for the reading of documents."""

from collections.abc import Callable, Iterable, Iterator

from edgewise.errors import BadManifest
from edgewise.store.oci.documents import Descriptor, Index, Manifest

MAX_DOCUMENTS = 10_000
Read = Callable[[Descriptor, Descriptor | None], Manifest | Index | None]
"""The document that a descriptor names, which its second argument needs; None where the walk shall not go on there."""


def reach(roots: Iterable[Descriptor], read: Read) -> Iterator[tuple[Descriptor, Descriptor | None]]:
    """Every blob that `roots` reach, themselves included, each once and after all that it needs.

    Yields:
        The blob, and the document that named it first; None for a root.

    Raises:
        BadManifest: more than `MAX_DOCUMENTS` documents hang together.
    """
    pending: list[tuple[Descriptor, Descriptor | None, bool]] = [(root, None, False) for root in reversed(list(roots))]
    seen: set[tuple[str, bool]] = set()
    documents = 0
    while pending:
        blob, parent, done = pending.pop()
        key = (blob.digest, blob.is_document)
        if done or (key not in seen and not blob.is_document):
            seen.add(key)
            yield blob, parent
        elif key not in seen:
            seen.add(key)
            documents += 1
            if documents > MAX_DOCUMENTS:
                raise BadManifest(f"more than {MAX_DOCUMENTS} documents hang together", hint="is this an attack?")
            found = read(blob, parent)
            pending.append((blob, parent, True))
            pending += [(needed, blob, False) for needed in reversed(found.needs if found else ())]
