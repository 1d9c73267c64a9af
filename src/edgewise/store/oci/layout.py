"""A folder in the OCI image layout: `oci-layout`, `index.json`, blobs by digest. On any file system, a USB stick too.

Needs no links and no permissions of the file system. Every file is written whole or not at all (`atomic.py`); blobs
come first, then the documents that name them, and `index.json` last, so that a name never stands for something that
is not there. `index.json` carries a digest of itself, so that a flipped bit in it can be found.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from edgewise.errors import BadManifest, NotFound, StoreCorrupt, StoreUnusable
from edgewise.store import atomic, lock
from edgewise.store.blobs import CHUNK_BYTES, Blobs, digest_of
from edgewise.store.oci import documents, partial, place
from edgewise.store.oci.documents import INDEX, REF_NAME, Descriptor, Index, Json
from edgewise.store.oci.reference import check_name, is_digest

MARKER = "oci-layout"
MARK = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"
SELF_DIGEST = "io.edgewise.index.digest"
USED, CHANGED = ".edgewise-used", ".edgewise-changed"
"""Locks: shared by whoever adds blobs and names, alone for who collects; and alone for who writes index.json."""
POLL_SECONDS = 0.02


class Layout:
    """The images in `folder`, which is made on first writing. Several processes and threads may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def exists(self) -> bool:
        """Whether there is an image layout."""
        return (self.folder / MARKER).is_file()

    def entries(self) -> tuple[Descriptor, ...]:
        """Everything that index.json names, with and without a tag; none where there is no layout.

        Raises:
            BadManifest: oci-layout or index.json is damaged.
        """
        return self.index().manifests

    def index(self) -> Index:
        """What index.json holds; nothing where it is not there."""
        content = self.read_file(MARKER)
        if content is None:
            return Index(manifests=())
        version = documents.load(content, MARKER).get("imageLayoutVersion")
        if version != "1.0.0":
            raise BadManifest(f"{self.folder} is an image layout of version {version!r}", hint="1.0.0 is read")
        found = documents.read(self.read_file(INDEX_FILE) or b'{"schemaVersion":2,"manifests":[]}', INDEX)
        assert isinstance(found, Index)
        return found

    def references(self) -> dict[str, Descriptor]:
        """What every name stands for, in the order of index.json."""
        return {one.annotations[REF_NAME]: one for one in self.entries() if REF_NAME in one.annotations}

    def resolve(self, name: str) -> Descriptor:
        """See `Place`. "" is the only image that is there."""
        if is_digest(name):
            return self._by_digest(name)
        named = self.references()
        if name in named:
            return _without_name(named[name])
        if not self.exists():
            raise NotFound(f"there is no OCI image layout in {self.folder}", hint="check the folder's name")
        if name == "" and len(self.entries()) == 1:
            return _without_name(self.entries()[0])
        shown = ", ".join(sorted(named)[:5]) + (", …" if len(named) > 5 else "")
        if name == "":
            raise NotFound(
                f"{self.folder} holds {len(self.entries())} images", hint=f"name one: {shown or 'by digest'}"
            )
        close = get_close_matches(name, named, n=1)
        hint = f"did you mean {close[0]}?" if close else (f"there are {shown}" if named else "it holds no named image")
        raise NotFound(f"there is no {name!r} in {self.folder}", hint=hint)

    def has(self, blob: Descriptor) -> bool:
        """See `Place`."""
        return partial.is_whole(self.blobs.path(blob.digest), blob)

    def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
        """See `Place`.

        Raises:
            StoreCorrupt: it is missing or damaged. It stays as it is: the folder may be another's.
        """

        def wrong(found: str) -> StoreCorrupt:
            return StoreCorrupt(
                f"the blob {blob.digest} in {self.folder} is damaged: {found}",
                hint=f"see what else is: edgewise store check {self.folder}",
            )

        pieces = self._pieces(blob, start)
        return pieces if start else place.checked(pieces, blob, wrong)

    def push(self, blob: Descriptor, chunks: place.Chunks, moved: place.Moved = place.unmoved) -> place.How:
        """See `Place`. A manifest with a subject is entered in index.json, so that it can be found from there."""
        self._prepare()
        partial.receive(self.folder, self.blobs.path(blob.digest), blob, chunks, moved)
        if blob.is_document:
            self.enter(blob)
        return place.How.COPIED

    def tag(self, name: str, document: Descriptor) -> None:
        """See `Place`.

        Raises:
            BadReference: layouts cannot have such a name.
            StoreCorrupt: `document` is not there.
        """
        check_name(name)
        if not self.has(document):
            raise StoreCorrupt(f"{document.digest} is not in {self.folder}", hint="copy it there first")
        self._prepare()
        entry = replace(document, annotations={**document.annotations, REF_NAME: name}, data=None)
        with self._changing() as entries:
            entries[:] = [one for one in entries if one.annotations.get(REF_NAME) != name and not _bare(one, document)]
            entries.append(entry)

    def enter(self, document: Descriptor) -> None:
        """List `document`, which is here, without a name if it has a subject: `referrers` and `gc` find it there.

        Raises:
            StoreCorrupt, BadManifest: it is not here, or damaged.
        """
        found = place.document(self, document)
        if found.subject is None:
            return
        self._prepare()
        kind = found.artifact_type or ("" if isinstance(found, Index) else found.config.media_type)
        entry = replace(document, artifact_type=kind, annotations=found.annotations, data=None)
        with self._changing() as entries:
            if entry.digest not in {one.digest for one in entries}:
                entries.append(entry)

    def untag(self, name: str) -> None:
        """Forget `name`. What it stood for stays until `gc`.

        Raises:
            NotFound: there is no such name.
        """
        self.resolve(name)
        with self._changing() as entries:
            entries[:] = [one for one in entries if one.annotations.get(REF_NAME) != name]

    def keep_only(self, wanted: Sequence[Descriptor]) -> None:
        """Forget all entries but `wanted`; for `gc`, which holds the layout alone."""
        with self._changing() as entries:
            entries[:] = [one for one in entries if one in wanted]

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Place`."""
        found: dict[str, Descriptor] = {}
        for entry in self.entries():
            if entry.is_document and self.has(entry):
                subject = place.document(self, entry).subject
                if subject and subject.digest == digest:
                    found.setdefault(entry.digest, _without_name(entry))
        return tuple(found.values())

    def held(self) -> contextlib.AbstractContextManager[None]:
        """See `Place`."""
        return lock.together(self.folder, USED, poll_s=POLL_SECONDS)

    def _by_digest(self, digest: str) -> Descriptor:
        for entry in self.entries():
            if entry.digest == digest:
                return _without_name(entry)
        path = self.blobs.path(digest)
        try:
            size = path.stat().st_size
        except OSError:
            raise NotFound(f"there is no {digest} in {self.folder}", hint="check the digest") from None
        blob = Descriptor(media_type="application/json", digest=digest, size_bytes=size)
        data = documents.load(place.read(self, blob), "manifest")
        guessed = documents.INDEX if "manifests" in data else documents.MANIFEST
        return replace(blob, media_type=str(data.get("mediaType", guessed)))

    def _pieces(self, blob: Descriptor, start: int) -> Iterator[bytes]:
        path = self.blobs.path(blob.digest)
        try:
            with path.open("rb") as file:
                file.seek(start)
                while piece := file.read(CHUNK_BYTES):
                    yield piece
        except FileNotFoundError:
            raise StoreCorrupt(
                f"the blob {blob.digest} is missing in {self.folder}", hint="copy the image there once more"
            ) from None
        except OSError as error:
            raise atomic.explain(error, path) from error

    def read_file(self, name: str) -> bytes | None:
        """Content of `oci-layout` or `index.json`, cut where it is too long; None where it is not there."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                return file.read(documents.MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise atomic.explain(error, path) from error

    def _prepare(self) -> None:
        if not self.exists():
            if (self.folder / INDEX_FILE).exists():
                raise StoreUnusable(f"{self.folder} has an index.json and no oci-layout", hint="choose another folder")
            atomic.write(self.folder / MARKER, MARK)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Descriptor]]:
        """The entries of index.json, to be changed in place; written when the block ends."""
        with lock.alone(self.folder, CHANGED, wait=True, poll_s=POLL_SECONDS):
            index = self.index()
            entries = list(index.manifests)
            yield entries
            if tuple(entries) != index.manifests or not (self.folder / INDEX_FILE).exists():
                content = signed(replace(index, manifests=tuple(entries)))
                documents.load(content, INDEX_FILE)  # too many names are said before they are written
                atomic.write(self.folder / INDEX_FILE, content)


def signed(index: Index) -> bytes:
    """index.json as it is written: `index` with a digest of itself, which comes first."""
    plain = replace(index, annotations={k: v for k, v in index.annotations.items() if k != SELF_DIGEST})
    digest = digest_of(documents.canonical(plain.document()))
    return documents.canonical(replace(plain, annotations={**plain.annotations, SELF_DIGEST: digest}).document())


def is_foreign(content: bytes) -> bool:
    """Whether another tool wrote this index.json last: skopeo and umoci, which keep the digest, begin otherwise.

    One flipped bit does not turn our first key, "annotations", into one of theirs.
    """
    return next(iter(documents.load(content, INDEX_FILE)), "") in ("schemaVersion", "mediaType", "manifests")


def is_unchanged(content: bytes) -> bool:
    """Whether index.json, which one of us wrote, is as it was written."""
    data = documents.load(content, INDEX_FILE)
    annotations: Json = data.get("annotations")
    found = annotations.pop(SELF_DIGEST, None) if isinstance(annotations, dict) else None
    if not annotations:
        data.pop("annotations", None)
    return bool(found == digest_of(documents.canonical(data)))


def _bare(one: Descriptor, document: Descriptor) -> bool:
    return one.digest == document.digest and REF_NAME not in one.annotations


def _without_name(entry: Descriptor) -> Descriptor:
    return replace(entry, annotations={k: v for k, v in entry.annotations.items() if k != REF_NAME})
