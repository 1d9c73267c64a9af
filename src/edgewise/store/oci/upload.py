"""A blob to a registry: mounted from another repository if it is there, else sent in chunks that may each be repeated.

After a chunk that failed the registry is asked how far it got, and what it lacks is sent again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from urllib.parse import urljoin

import httpx

from edgewise.errors import EdgewiseError, NotFound, RegistryUnreachable
from edgewise.store.oci import retry
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.place import Chunks, How, Moved
from edgewise.store.oci.transport import Transport

CHUNK_BYTES = 8 << 20
MOST_MOUNTS = 4
TEMPORARY = "application/octet-stream"


class _Lost(Exception):
    """The registry has forgotten the upload."""


def push(
    transport: Transport,
    repository: str,
    blob: Descriptor,
    chunks: Chunks,
    moved: Moved,
    *,
    mount_from: Sequence[str] = (),
) -> How:
    """Put `blob` into `repository`. What `chunks` give is checked where it comes from, and again by the registry."""
    upload = _Upload(transport, repository, blob, moved)
    for other in [name for name in mount_from if name != repository][:MOST_MOUNTS]:
        if upload.mount(other):
            moved(blob.size_bytes)
            return How.MOUNTED
    for failures in range(1, retry.TRIES + 1):
        try:
            upload.send(chunks)
        except _Lost as error:
            moved(-upload.at)
            if failures == retry.TRIES:
                raise RegistryUnreachable(
                    f"the registry {transport.host} forgets the upload of {blob.digest}", hint="tell whoever runs it"
                ) from error
            transport.pause(failures)
        else:
            return How.COPIED
    raise AssertionError("the last try returns or raises")


class _Upload:
    """One upload; `at` is the number of bytes that the registry has."""

    def __init__(self, transport: Transport, repository: str, blob: Descriptor, moved: Moved) -> None:
        self._transport = transport
        self._start = f"/v2/{repository}/blobs/uploads/"
        self._repository = repository
        self._blob = blob
        self._moved = moved
        self._location = ""
        self._chunk_bytes = CHUNK_BYTES
        self.at = 0

    def mount(self, other: str) -> bool:
        """Whether the registry took the blob from the repository `other`; if not, an upload has begun."""
        path = f"{self._start}?mount={self._blob.digest}&from={other}"
        try:
            return self._begin(path, f" repository:{other}:pull")
        except EdgewiseError:
            return False  # not allowed to read there, or no such thing as mounting: it is only a saving

    def send(self, chunks: Chunks) -> None:
        """All of the blob, from its first byte on."""
        if not self._location or self.at:
            self.at = 0
            self._begin(self._start)
        held = b""
        for chunk in _sized(chunks(0), self._chunk_bytes):
            if held:
                self._patch(held)
            held = chunk
        if self.at:  # registries differ in what a last chunk with PUT may be: an empty one they all take
            self._patch(held)
            held = b""
        self._finish(held)

    def _begin(self, path: str, more_scope: str = "") -> bool:
        with self._transport.open(
            "POST",
            path,
            scope=f"repository:{self._repository}:pull,push{more_scope}",
            what=f"an upload to {self._repository}",
            headers={"Content-Length": "0"},
            accepted=(201, 202),
        ) as response:
            if response.status_code == httpx.codes.CREATED:
                return True
            least = response.headers.get("OCI-Chunk-Min-Length", "")
            self._chunk_bytes = max(CHUNK_BYTES, int(least)) if least.isdigit() else CHUNK_BYTES
            self._follow(response)
            return False

    def _patch(self, chunk: bytes) -> None:
        """Send `chunk`, what the registry has not got of it once more, until it has all."""
        first, failures = self.at, 0
        while self.at < first + len(chunk):
            rest = chunk[self.at - first :]
            try:
                with self._open(
                    "PATCH",
                    headers={"Content-Type": TEMPORARY, "Content-Range": f"{self.at}-{self.at + len(rest) - 1}"},
                    content=rest,
                    accepted=(202, 404, 416),
                ) as response:
                    if response.status_code == httpx.codes.NOT_FOUND:
                        raise _Lost
                    if response.status_code == httpx.codes.ACCEPTED:
                        self._follow(response)
                        self._reach(first + len(chunk))
                        continue
            except RegistryUnreachable:
                if failures + 1 >= retry.TRIES:
                    raise
            failures += 1
            if failures >= retry.TRIES:
                raise _Lost
            self._transport.pause(failures)
            has = self._ask()
            if not first <= has <= first + len(chunk):
                raise _Lost
            self._reach(has)

    def _ask(self) -> int:
        """How many bytes the registry has."""
        with self._open("GET", accepted=(204, 404), repeatable=True) as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                raise _Lost
            self._follow(response)
            found = re.fullmatch(r"(?:bytes=)?0-(\d+)", response.headers.get("Range", ""))
        # "0-0" is said of nothing and of one byte: chunks are longer, so it is nothing
        return int(found[1]) + 1 if found and int(found[1]) else 0

    def _finish(self, content: bytes) -> None:
        joined = "&" if "?" in self._location else "?"
        self._location += f"{joined}digest={self._blob.digest}"
        headers = {"Content-Type": TEMPORARY, "Content-Length": str(len(content))}
        try:
            with self._open("PUT", headers=headers, content=content, accepted=(201, 204, 404)) as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise _Lost
        except RegistryUnreachable:  # it may have been taken all the same
            if not self._is_there():
                raise _Lost from None
        self._reach(self._blob.size_bytes)

    def _is_there(self) -> bool:
        path = f"/v2/{self._repository}/blobs/{self._blob.digest}"
        scope = f"repository:{self._repository}:pull"
        try:
            with self._transport.open("HEAD", path, scope=scope, what=self._blob.digest):
                return True
        except NotFound:
            return False

    def _open(
        self,
        method: str,
        *,
        accepted: tuple[int, ...],
        repeatable: bool = False,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AbstractContextManager[httpx.Response]:
        return self._transport.open(
            method,
            self._location,
            scope=f"repository:{self._repository}:pull,push",
            what=f"the upload of {self._blob.digest}",
            accepted=accepted,
            repeatable=repeatable,
            headers=headers,
            content=content,
        )

    def _follow(self, response: httpx.Response) -> None:
        """Where the upload goes on; every answer may name another place."""
        location = response.headers.get("Location")
        if location:
            self._location = urljoin(str(response.url), location)
            self._transport.check_onward(self._location)

    def _reach(self, at: int) -> None:
        self._moved(at - self.at)
        self.at = at


def _sized(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """`pieces` in chunks of `size` bytes, the last one shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
