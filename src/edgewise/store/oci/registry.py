"""A repository of a registry, by the OCI distribution specification 1.1. The requests themselves are `transport.py`'s.

Downloads go on where they broke off (`download.py`), uploads are chunked and mounted across repositories where that
spares one (`upload.py`), and a registry without the referrers API gets the tag scheme (`referrers.py`).
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

import httpx

from edgewise.errors import BadManifest, NotFound, WrongBytes
from edgewise.store.blobs import digest_of
from edgewise.store.oci import auth, documents, download, place, referrers, upload
from edgewise.store.oci.documents import INDEXES, MANIFESTS, Descriptor
from edgewise.store.oci.reference import is_digest
from edgewise.store.oci.transport import Timing, Transport

ACCEPT = ", ".join((*MANIFESTS, *INDEXES))

COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""What cosign calls a signature; it finds one by the tag `sha256-<hex>.sig` of what is signed."""


class Registry:
    """The images in `repository` of the registry at `host`.

    Args:
        mount_from: other repositories of the same registry that may have what is pushed.
        plain_http: without TLS; None: only where the host is this machine.
        environment: where REGISTRY_AUTH_FILE and the like are looked up.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        *,
        mount_from: Sequence[str] = (),
        plain_http: bool | None = None,
        environment: Mapping[str, str] = os.environ,
        timing: Timing | None = None,
    ) -> None:
        if host == auth.DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        self.host, self.repository = host, repository
        self.mount_from = tuple(mount_from)
        self.transport = Transport(
            host,
            credentials=auth.credentials(host, repository, environment),
            plain_http=plain_http,
            timing=timing,
        )

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}"

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def resolve(self, name: str) -> Descriptor:
        """See `Place`. The digest is that of the bytes that came, whatever the registry calls it."""
        with self._open("GET", f"manifests/{name}", headers={"Accept": ACCEPT}) as response:
            content = download.whole(self.transport, response, f"{self}:{name}")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            promised = response.headers.get("Docker-Content-Digest", "")
        found = documents.descriptor_of(content, media_type)
        for wanted in (promised, name):
            if is_digest(wanted) and wanted != found.digest:
                raise WrongBytes(f"{self} serves {found.digest} as {wanted}", hint="tell whoever runs the registry")
        documents.read(content, media_type)
        return found

    def has(self, blob: Descriptor) -> bool:
        """See `Place`."""
        try:
            with self._open("HEAD", self._path(blob), headers=_accept(blob)):
                return True  # the registry checked its length when it was pushed
        except NotFound:
            return False

    def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
        """See `Place`. What breaks off goes on by a range.

        Raises:
            WrongBytes: it is not what its digest or size promises.
        """

        def wrong(found: str) -> WrongBytes:
            return WrongBytes(f"{self} serves {found} as {blob.digest}", hint="tell whoever runs the registry")

        path = f"/v2/{self.repository}/{self._path(blob)}"
        pieces = download.pieces(
            self.transport, path, blob, start=start, scope=self.scope("pull"), headers=_accept(blob), wrong=wrong
        )
        return pieces if start else place.checked(pieces, blob, wrong)

    def push(self, blob: Descriptor, chunks: place.Chunks, moved: place.Moved = place.unmoved) -> place.How:
        """See `Place`. A manifest with a subject is made known to those who ask for the subject's referrers."""
        if not blob.is_document:
            return upload.push(self.transport, self.repository, blob, chunks, moved, mount_from=self.mount_from)
        if blob.size_bytes > documents.MAX_BYTES:
            raise BadManifest(f"{blob.digest} is a document of {blob.size_bytes} bytes", hint="registries refuse it")
        content = b"".join(chunks(0))
        self.put_document(blob.digest, content, blob.media_type)
        self._tag_signature(content, blob.media_type)
        moved(len(content))
        return place.How.COPIED

    def tag(self, name: str, document: Descriptor) -> None:
        """See `Place`."""
        self.put_document(name, place.read(self, document), document.media_type)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Place`."""
        return referrers.of(self, digest)

    def held(self) -> contextlib.AbstractContextManager[None]:
        """See `Place`: a registry collects by rules of its own."""
        return contextlib.nullcontext()

    def put_document(self, name: str, content: bytes, media_type: str) -> None:
        """Put a manifest or index at a tag or at its digest."""
        found = documents.read(content, media_type)
        path = f"manifests/{name}"
        with self._open(
            "PUT", path, actions="pull,push", headers={"Content-Type": media_type}, content=content, accepted=(200, 201)
        ) as response:
            said = response.headers.get("Docker-Content-Digest", "")
            knows = response.headers.get("OCI-Subject")
        if is_digest(said) and said != digest_of(content):
            raise WrongBytes(f"{self} took {digest_of(content)} as {said}", hint="tell whoever runs the registry")
        if found.subject and not knows:
            referrers.enter(self, found.subject.digest, content, found)

    def _tag_signature(self, content: bytes, media_type: str) -> None:
        """Put a signature in cosign's form where cosign looks for it, unless another's is there already."""
        found = documents.read(content, media_type)
        if found.subject is None or found.artifact_type != COSIGN:
            return
        tag = f"{referrers.tag_of(found.subject.digest)}.sig"
        try:
            self.resolve(tag)
        except NotFound:
            self.put_document(tag, content, media_type)

    def scope(self, actions: str) -> str:
        """What a token must allow for `actions` on this repository."""
        return f"repository:{self.repository}:{actions}"

    def _open(
        self,
        method: str,
        path: str,
        *,
        actions: str = "pull",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accepted: tuple[int, ...] = (200,),
    ) -> contextlib.AbstractContextManager[httpx.Response]:
        return self.transport.open(
            method,
            f"/v2/{self.repository}/{path}",
            scope=self.scope(actions),
            what=f"{self.repository}/{path}",
            headers=headers,
            content=content,
            accepted=accepted,
        )

    def _path(self, blob: Descriptor) -> str:
        return f"{'manifests' if blob.is_document else 'blobs'}/{blob.digest}"


def _accept(blob: Descriptor) -> dict[str, str]:
    return {"Accept": blob.media_type if blob.is_document else "*/*"}
