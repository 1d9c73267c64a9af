"""The way to the device: asks until it is answered, or says that the device is lost.

Everything that is asked may be asked twice (identifiers and numbers are made up here), so whatever breaks on the way
is tried again until the patience is out. From then on the device is lost, and nothing waits for it any more.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from edgewise.errors import BadConfiguration, Busy, DeviceLost, EdgewiseError, StoreFull
from edgewise.runtimes.wire import LEASE_HEADER, Refusal
from edgewise.store import atomic

PATIENCE_S = 20.0
"""So long a broken connection is tried again; shorter than the lease, which would end meanwhile."""
CONNECT_S = 5.0
ANSWER_S = 30.0
"""For an answer, besides what the asked work itself may take."""
MAX_ANSWER_BYTES = 64 << 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
PIECE_BYTES = 64 << 10
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),  # a device without power sends no farewell
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000),
)
_NO_BODY = Refusal(error="it no longer measures for this plan").model_dump_json().encode()
"""For what is refused without a body, as the answer to HEAD is."""
T = TypeVar("T")


class OutOfStep(EdgewiseError):
    """The device has another part of the file than we thought."""


class Connection:
    """Requests to one device; several threads may ask at once.

    Args:
        url: http://HOST:PORT of the device.
        token: that the device showed when it started.
        holder: identifier of our lease.
        patience_s: so long a broken connection is tried again.
        transport: what carries the requests, for tests.

    Raises:
        BadConfiguration: `url` is not one.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        holder: str,
        patience_s: float = PATIENCE_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = _checked(url)
        self.answered_at = time.monotonic()
        self._patience_s = patience_s
        self._lost = threading.Event()
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}", LEASE_HEADER: holder},
            trust_env=False,  # a proxy for the world outside must not see the token
            transport=transport
            or httpx.HTTPTransport(socket_options=KEEP_ALIVE, limits=httpx.Limits(max_connections=64)),
        )

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def ask(
        self, method: str, path: str, *, document: BaseModel | None = None, work_s: float = 0.0, once: bool = False
    ) -> bytes:
        """The answer's body.

        Args:
            document: the request's body.
            work_s: so long the device may work on it.
            once: do not try again.

        Raises:
            DeviceLost: the device is gone, or has forgotten us.
            BadConfiguration: it does not take our token.
            Busy: it measures for someone else.
            StoreFull: it has no room.
            EdgewiseError: it cannot, and says why.
        """
        content = None if document is None else document.model_dump_json().encode()
        timeout = httpx.Timeout(ANSWER_S + work_s, connect=CONNECT_S)

        def attempt() -> bytes:
            with self._client.stream(method, path, content=content, timeout=timeout) as response:
                return self._accepted(response)

        if not once:
            return self.persist(attempt)
        body = attempt()
        self.answered_at = time.monotonic()
        return body

    def offset(self, path: str, header: str) -> tuple[bool, int]:
        """Whether the file at `path` is whole, and how much of it is there."""

        def attempt() -> tuple[bool, int]:
            response = self._client.head(path, timeout=ANSWER_S)
            if header not in response.headers:
                self._refused(response.status_code, _NO_BODY)
            return response.status_code == httpx.codes.OK, int(response.headers[header])

        return self.persist(attempt)

    def send(self, path: str, file: Path, *, start: int, size: int) -> None:
        """Send `file` from byte `start` on, once.

        Raises:
            OutOfStep: the device has another part of it.
            httpx.TransportError: the connection broke.
        """
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}", "Content-Length": str(size - start)}
        with self._client.stream(
            "PUT", path, content=_pieces(file, start), headers=headers, timeout=ANSWER_S
        ) as response:
            self._accepted(response)

    def fetch(self, path: str, digest: str, target: Path) -> None:
        """Put the file at `path`, whose digest is `digest`, at `target`."""

        def attempt() -> None:
            found = hashlib.sha256()
            with self._client.stream("GET", path, timeout=ANSWER_S) as response:
                if response.status_code != httpx.codes.OK:
                    self._accepted(response)
                with atomic.replacing(target) as file:
                    for piece in response.iter_bytes(PIECE_BYTES):
                        found.update(piece)
                        file.write(piece)
            if f"sha256:{found.hexdigest()}" != digest:
                raise httpx.RemoteProtocolError("what arrived has another digest")

        self.persist(attempt)

    def persist(self, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, tried again while the connection is broken and the patience lasts.

        Raises:
            DeviceLost: it lasts no longer, or did not before.
        """
        failing_since: float | None = None
        pause = FIRST_PAUSE_S
        while True:
            if self._lost.is_set():
                raise self._gone("")
            try:
                result = attempt()
            except httpx.TransportError as error:
                now = time.monotonic()
                failing_since = failing_since or now
                if now + pause - failing_since > self._patience_s:
                    self._lost.set()
                    raise self._gone(str(error) or type(error).__name__) from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            self.answered_at = time.monotonic()
            return result

    def give_up(self) -> None:
        """From now on, let nobody wait for the device."""
        self._lost.set()

    @property
    def lost(self) -> bool:
        """True from the moment on that the device is known to be gone."""
        return self._lost.is_set()

    def _gone(self, reason: str) -> DeviceLost:
        return DeviceLost(
            f"the device at {self.url} does not answer" + (f": {reason}" if reason else ""),
            hint="see that `edgewise agent --bench` runs there, then run the same command again: it goes on from here",
        )

    def _accepted(self, response: httpx.Response) -> bytes:
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise EdgewiseError(f"what answers at {self.url} sends too much", hint="check the address")
        if response.status_code != httpx.codes.OK:
            self._refused(response.status_code, body)
        return body

    def _refused(self, status: int, body: bytes) -> None:
        """Raise what a status other than OK means."""
        if status == httpx.codes.UNAUTHORIZED:
            raise BadConfiguration(
                f"the device at {self.url} does not take this token",
                hint="it shows its token when `edgewise agent --bench` starts: --token-file, or EDGEWISE_DEVICE_TOKEN",
            )
        try:
            refusal = Refusal.model_validate_json(body)
        except ValidationError:
            raise DeviceLost(
                f"what answers at {self.url} is no edgewise agent (HTTP {status})", hint="check the address"
            ) from None
        match status:
            case httpx.codes.CONFLICT:
                raise Busy(refusal.error, hint=refusal.hint)
            case httpx.codes.PRECONDITION_FAILED:
                raise OutOfStep(refusal.error, hint=refusal.hint)
            case httpx.codes.INSUFFICIENT_STORAGE:
                raise StoreFull(refusal.error, hint=refusal.hint)
            case httpx.codes.GONE | httpx.codes.NOT_FOUND:
                raise DeviceLost(f"the device at {self.url} has let go: {refusal.error}", hint="run the same again")
            case _:
                raise EdgewiseError(f"the device at {self.url} cannot: {refusal.error}", hint=refusal.hint)


def _checked(url: str) -> str:
    """`url` without a slash at its end."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = not (parts.username or parts.password or parts.query or parts.fragment) and parts.path in ("", "/")
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or port == 0 or " " in url:
        raise BadConfiguration(f"{url!r} is no address of a device", hint="--device http://HOST:8470")
    return url.rstrip("/")


def _pieces(file: Path, start: int) -> Iterator[bytes]:
    with file.open("rb") as reader:
        reader.seek(start)
        yield from iter(lambda: reader.read(PIECE_BYTES), b"")
