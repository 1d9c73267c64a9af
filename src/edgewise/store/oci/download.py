"""A blob from a registry, piece by piece; what breaks off goes on by a range of bytes."""

import re
from collections.abc import Callable, Iterator, Mapping

import httpx

from edgewise.errors import BadManifest, EdgewiseError
from edgewise.store.oci import retry
from edgewise.store.oci.documents import MAX_BYTES, Descriptor
from edgewise.store.oci.transport import Transport

PROGRESS_BYTES = 1 << 20
"""A try that brought less than this counts as failed, so that a drip does not go on for ever."""


class _Short(Exception):
    """The body ended before it was whole."""


def pieces(
    transport: Transport,
    path: str,
    blob: Descriptor,
    *,
    start: int,
    scope: str,
    headers: Mapping[str, str],
    wrong: Callable[[str], EdgewiseError],
) -> Iterator[bytes]:
    """The bytes of `blob` from `start` on, never more than its size.

    Raises:
        WrongBytes: the registry sends more, by `wrong`.
        RegistryUnreachable: it breaks off again and again.
    """
    at, failures = start, 0
    while True:
        before = at
        ranged = {"Range": f"bytes={at}-"} if at else {}
        try:
            with transport.open(
                "GET", path, scope=scope, what=blob.digest, headers={**headers, **ranged}, accepted=(200, 206)
            ) as response:
                for piece in _body(response, at):
                    at += len(piece)
                    if at > blob.size_bytes:
                        raise wrong(f"more than {blob.size_bytes} bytes")
                    yield piece
            if at == blob.size_bytes:
                return
            raise _Short(f"the body ends after {at} of {blob.size_bytes} bytes")
        except (httpx.TransportError, _Short) as error:
            failures = 1 if at - before >= PROGRESS_BYTES else failures + 1
            if failures >= retry.TRIES:
                raise transport.unreachable(error) from error
            transport.pause(failures)


def whole(transport: Transport, response: httpx.Response, what: str) -> bytes:
    """The body of `response`, which is a document.

    Raises:
        BadManifest: it is larger than documents may be.
    """
    declared = response.headers.get("Content-Length", "")
    content = b""
    try:
        if not (declared.isdigit() and int(declared) > MAX_BYTES):
            for piece in response.iter_raw():
                content += piece
                if len(content) > MAX_BYTES:
                    break
            if len(content) <= MAX_BYTES:
                return content
    except httpx.TransportError as error:
        raise transport.unreachable(error) from error
    raise BadManifest(f"{what} is larger than {MAX_BYTES} bytes", hint="it is no manifest")


def _body(response: httpx.Response, start: int) -> Iterator[bytes]:
    """The body from the byte `start` of the blob on, whether the registry knows ranges or sends everything anew."""
    skip = start
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != start:
            raise _Short(f"the range from {start} on was asked for, and another came")
        skip = 0
    for piece in response.iter_raw():
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))
