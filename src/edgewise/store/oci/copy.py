"""From any place to any other: what is missing there, each blob checked on its way, and the name last.

The name is looked up once; from then on everything goes by digest, so a tag that moves meanwhile cannot mix two
images. Whatever breaks off, the destination's names stand for what they stood for before, and the next try finds what
was copied.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Protocol

from edgewise.errors import BadManifest, NotFound
from edgewise.store.oci import documents
from edgewise.store.oci.documents import INDEX, INDEXES, Descriptor, Index, Manifest
from edgewise.store.oci.place import How, Place, read
from edgewise.store.oci.reach import reach
from edgewise.store.oci.reference import is_digest

WORKERS = 4
MAX_DOCUMENT_BYTES = 64 << 20
"""Of all manifests of one copy together, which are held in memory."""
MAX_REFERRERS = 1000


class Transfers(Protocol):
    """Listener to a copy, layer by layer. Calls for different blobs come from different threads."""

    def found(self, blobs: Sequence[Descriptor]) -> None:
        """These are all the blobs that will come."""

    def moved(self, blob: Descriptor, amount: int) -> None:
        """`amount` bytes more of `blob` are there; less than zero where some must come again."""

    def ended(self, blob: Descriptor, how: How) -> None:
        """It is there, whole."""


class _Silent:
    def found(self, blobs: Sequence[Descriptor]) -> None:
        pass

    def moved(self, blob: Descriptor, amount: int) -> None:
        pass

    def ended(self, blob: Descriptor, how: How) -> None:
        pass


SILENT: Transfers = _Silent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy did.

    Attributes:
        document: what the name stands for at the destination now.
        moved_bytes: of the blobs and documents that had to be moved, in their full length.
        there_bytes: of those that were there already, or were mounted.
        referrers: number of signatures and the like that came along.
    """

    document: Descriptor
    moved_bytes: int
    there_bytes: int
    referrers: int


def copy(
    source: Place,
    destination: Place,
    name: str,
    *,
    to: str | None = None,
    platforms: Sequence[str] | None = None,
    with_referrers: bool = True,
    transfers: Transfers = SILENT,
    workers: int = WORKERS,
) -> Copied:
    """Copy what `name` stands for at `source`.

    Args:
        name: a tag, a digest, or "" for the only image of a folder.
        to: its name at `destination`; None: the same. A digest, or "", is not made a name.
        platforms: such as "linux/arm64": of an index, these only. One alone becomes what the name stands for; several
            become an index of their own. None: all, and the same digest.
        with_referrers: signatures and the like too.
        workers: blobs at once.

    Raises:
        NotFound: no such name, or no such platform.
        BadManifest, WrongBytes, StoreFull, StoreCorrupt, RegistryUnreachable: see `errors.py`.
    """
    with destination.held():
        tree = _Tree(source)
        root = tree.cut(source.resolve(name), platforms)
        wanted, extra = tree.whole(root, with_referrers)
        every = list({one.digest: one for one in [*wanted, *extra]}.values())
        blobs = [one for one in every if not one.is_document]
        try:
            there = _move(source, destination, blobs, transfers, workers)
        except NotFound as error:
            if not is_digest(name) and source.resolve(name).digest not in (root.digest, tree.original):
                raise NotFound(f"{name!r} was moved in {source} while it was copied", hint="run it again") from error
            raise
        for document in [one for one in every if one.is_document]:
            content = tree.contents[document.digest]
            if document not in extra and destination.has(document):
                there.add(document.digest)
                continue
            destination.push(document, _from(content), lambda _: None)
        new_name = name if to is None else to
        if new_name and not is_digest(new_name):
            destination.tag(new_name, root)
    there_bytes = sum(one.size_bytes for one in every if one.digest in there)
    moved_bytes = sum(one.size_bytes for one in every) - there_bytes
    count = sum(one.is_document for one in extra)
    return Copied(document=root, moved_bytes=moved_bytes, there_bytes=there_bytes, referrers=count)


def needed(source: Place, name: str, *, with_referrers: bool = True) -> tuple[Descriptor, ...]:
    """All that `copy` sees to, each once; of it, only documents are read. Raises as `copy`."""
    tree = _Tree(source)
    wanted, extra = tree.whole(source.resolve(name), with_referrers)
    return tuple({one.digest: one for one in [*wanted, *extra]}.values())


class _Tree:
    """The documents that a copy needs, read once; `contents` holds their bytes by digest."""

    def __init__(self, source: Place) -> None:
        self._source = source
        self.contents: dict[str, bytes] = {}
        self.original = ""

    def cut(self, root: Descriptor, platforms: Sequence[str] | None) -> Descriptor:
        """What is left of `root` for `platforms`."""
        self.original = root.digest
        if platforms is None or root.media_type not in INDEXES:
            return root
        index = self._document(root, None)
        assert isinstance(index, Index)
        kept = tuple(one for one in index.manifests if one.platform and any(map(one.platform.answers, platforms)))
        missing = [
            wanted for wanted in platforms if not any(one.platform and one.platform.answers(wanted) for one in kept)
        ]
        if missing:
            there = ", ".join(sorted({str(one.platform) for one in index.manifests if one.platform})) or "none is named"
            raise NotFound(f"the image has nothing for {', '.join(missing)}", hint=f"there are {there}")
        if len(kept) == 1:
            return kept[0]
        content = documents.canonical(replace(index, manifests=kept, media_type=INDEX).document())
        cut = documents.descriptor_of(content, INDEX)
        self.contents[cut.digest] = content
        return cut

    def whole(self, root: Descriptor, with_referrers: bool) -> tuple[list[Descriptor], list[Descriptor]]:
        """`root` with all that it needs, and what refers to that where it is wanted."""
        wanted = list(self.all_of(root))
        return wanted, list(self.referrers(wanted)) if with_referrers else []

    def all_of(self, root: Descriptor) -> Iterator[Descriptor]:
        """`root` and all that it needs, each after what it needs itself."""
        for blob, _ in reach([root], self._document):
            yield blob

    def referrers(self, wanted: Sequence[Descriptor]) -> Iterator[Descriptor]:
        """What refers to documents among `wanted`, with all that it needs, and what refers to that."""
        pending = [one for one in wanted if one.is_document]
        seen = {one.digest for one in pending}
        while pending:
            for found in self._source.referrers(pending.pop().digest):
                if found.digest in seen or not found.is_document:
                    continue
                seen.add(found.digest)
                if len(seen) > MAX_REFERRERS:
                    raise BadManifest(
                        f"more than {MAX_REFERRERS} documents refer to one image", hint="is this an attack?"
                    )
                pending.append(found)
                yield from self.all_of(found)

    def _document(self, blob: Descriptor, _: Descriptor | None) -> Manifest | Index:
        content = self.contents.get(blob.digest)
        if content is None:
            content = self.contents[blob.digest] = read(self._source, blob)
            if sum(map(len, self.contents.values())) > MAX_DOCUMENT_BYTES:
                raise BadManifest(f"manifests of more than {MAX_DOCUMENT_BYTES} bytes", hint="is this an attack?")
        return documents.read(content, blob.media_type)


class _Stopped(Exception):
    """Another blob failed, so this one need not go on."""


def _move(
    source: Place, destination: Place, blobs: Sequence[Descriptor], transfers: Transfers, workers: int
) -> set[str]:
    """Move what is missing; the digests of what was there or mounted."""
    stop = threading.Event()
    transfers.found(blobs)

    def one(blob: Descriptor) -> How:
        def moved(amount: int) -> None:
            if stop.is_set():
                raise _Stopped
            transfers.moved(blob, amount)

        if stop.is_set():
            raise _Stopped
        if destination.has(blob):
            how = How.THERE
        else:
            try:
                how = destination.push(blob, lambda start: source.fetch(blob, start=start), moved)
            except BaseException:
                stop.set()  # at once: the next one must not even begin
                raise
        transfers.ended(blob, how)
        return how

    with ThreadPoolExecutor(max_workers=workers) as pool:
        running = {pool.submit(one, blob): blob for blob in blobs}
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            stop.set() if any(not future.done() or future.exception() for future in running) else None
    _raise_first(list(running))
    return {blob.digest for future, blob in running.items() if future.result() is not How.COPIED}


def _raise_first(running: Sequence["Future[How]"]) -> None:
    """The error that stopped the others, rather than theirs."""
    errors = [error for future in running if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, _Stopped)):
        raise error


def _from(content: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda start: iter([content[start:]])
