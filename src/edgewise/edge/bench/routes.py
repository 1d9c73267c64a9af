"""Which request asks for what: from a method and a path to a call of `Bench`, and its answer to a reply.

What is asked is checked here, once: paths by pattern, documents by `runtimes/wire.py`. No piece of a path reaches
the file system; a digest does, as a digest.
"""

import functools
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edgewise.edge.bench.bench import Bench
from edgewise.edge.bench.files import OutOfStep
from edgewise.edge.bench.lease import LeaseEnded
from edgewise.errors import BadInput, Busy, EdgewiseError, NotFound, StoreFull
from edgewise.runtimes.wire import (
    DIGEST,
    IDENTIFIER,
    LEASE_HEADER,
    MAX_DOCUMENT_BYTES,
    OFFSET_HEADER,
    Call,
    NewWorker,
    Refusal,
)

PIECE_BYTES = 64 << 10
MAX_FILE_BYTES = 16 << 30
JSON, BYTES = "application/json", "application/octet-stream"
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_STATUS: tuple[tuple[type[EdgewiseError], HTTPStatus], ...] = (
    (LeaseEnded, HTTPStatus.GONE),
    (OutOfStep, HTTPStatus.PRECONDITION_FAILED),
    (NotFound, HTTPStatus.NOT_FOUND),
    (BadInput, HTTPStatus.BAD_REQUEST),
    (Busy, HTTPStatus.CONFLICT),
    (StoreFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (EdgewiseError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
D = TypeVar("D", bound=BaseModel)


class Misunderstood(BadInput):
    """A request that the agent does not understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose body is still to be read: `read` gives its next bytes, b"" at the end."""

    method: str
    path: str
    headers: Message
    size: int
    read: Callable[[int], bytes]

    @property
    def holder(self) -> str:
        """Who asks, by its lease; "" where it names none."""
        return str(self.headers.get(LEASE_HEADER, ""))

    @property
    def is_document(self) -> bool:
        """False where the body is larger than any document."""
        return self.size <= MAX_DOCUMENT_BYTES

    def document(self, kind: type[D]) -> D:
        """The body as a document.

        Raises:
            Misunderstood: it is too large or is none of `kind`.
        """
        if not self.is_document:
            raise Misunderstood(f"a document of {self.size} bytes is too large")
        content = b"".join(iter(lambda: self.read(MAX_DOCUMENT_BYTES), b""))
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step)[:60] for step in first["loc"])
            raise Misunderstood(
                f"the document is not a {kind.__name__}: {where or 'all of it'}: {first['msg']}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered: `content`, or the file at `path`."""

    status: HTTPStatus = HTTPStatus.OK
    content: bytes = b"{}"
    path: Path | None = None
    size: int = 2
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def pieces(self) -> Generator[bytes, None, None]:
        """The body, piece by piece."""
        if self.path is None:
            yield self.content
            return
        with self.path.open("rb") as file:
            yield from iter(lambda: file.read(PIECE_BYTES), b"")


Answer = Callable[[Bench, Asked], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a request; `answers_later` where the client may have to wait."""

    answer: Answer
    answers_later: bool = False


def refusal(error: EdgewiseError) -> Reply:
    """`error` as a reply."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    return _document(Refusal(error=error.message, hint=error.hint), status=status)


def find(asked: Asked) -> Route:
    """What answers `asked`.

    Raises:
        NotFound: nothing does.
    """
    for method, pattern, answer, later in _ROUTES:
        found = pattern.fullmatch(asked.path)
        if found and method == asked.method:
            return Route(answer=functools.partial(answer, **found.groupdict()), answers_later=later)
    raise NotFound("the agent has nothing there")


def _document(document: BaseModel, *, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    content = document.model_dump_json().encode()
    return Reply(status=status, content=content, size=len(content))


UNAUTHORISED = _document(
    Refusal(error="the token is missing or wrong", hint="the agent shows it when it starts"),
    status=HTTPStatus.UNAUTHORIZED,
)


def _describe(bench: Bench, asked: Asked) -> Reply:  # noqa: ARG001 - as all answers
    return _document(bench.describe())


def _take(bench: Bench, asked: Asked, *, holder: str) -> Reply:  # noqa: ARG001
    bench.take(holder)
    return Reply()


def _give_back(bench: Bench, asked: Asked, *, holder: str) -> Reply:  # noqa: ARG001
    bench.give_back(holder)
    return Reply()


def _measure_file(bench: Bench, asked: Asked, *, digest: str) -> Reply:
    bench.renew(asked.holder)
    size = bench.files.size(digest)
    received = bench.files.received(digest) if size is None else size
    status = HTTPStatus.NOT_FOUND if size is None else HTTPStatus.OK
    return Reply(status=status, headers={OFFSET_HEADER: str(received)})


def _receive_file(bench: Bench, asked: Asked, *, digest: str) -> Reply:
    bench.renew(asked.holder)
    found = _RANGE.fullmatch(asked.headers.get("Content-Range", f"bytes 0-{asked.size - 1}/{asked.size}"))
    first, last, total = map(int, found.groups()) if found else (0, -1, 0)
    if last - first + 1 != asked.size or not 0 < total <= MAX_FILE_BYTES:
        raise Misunderstood("the range does not fit the size of the body, or the file is empty or too large")

    def read(size: int) -> bytes:
        piece = asked.read(size)
        bench.renew(asked.holder)
        return piece

    if bench.files.size(digest) is None:
        bench.files.receive(digest, read, start=first, size=asked.size, total=total)
    return Reply()


def _send_file(bench: Bench, asked: Asked, *, digest: str) -> Reply:
    bench.renew(asked.holder)
    path = bench.files.path(digest)
    return Reply(path=path, size=path.stat().st_size, content_type=BYTES)


def _start(bench: Bench, asked: Asked, *, worker: str) -> Reply:
    bench.start(asked.holder, worker, asked.document(NewWorker).name)
    return Reply()


def _call(bench: Bench, asked: Asked, *, worker: str) -> Reply:
    bench.renew(asked.holder)
    return _document(bench.call(asked.holder, worker, asked.document(Call)))


def _log(bench: Bench, asked: Asked, *, worker: str) -> Reply:
    bench.renew(asked.holder)
    content = bench.log(worker).encode()
    return Reply(content=content, size=len(content), content_type="text/plain; charset=utf-8")


def _end(bench: Bench, asked: Asked, *, worker: str) -> Reply:
    bench.renew(asked.holder)
    bench.end(worker)
    return Reply()


_FILE = re.compile(f"/v1/files/(?P<digest>{DIGEST})")
_LEASE = re.compile(f"/v1/leases/(?P<holder>{IDENTIFIER})")
_WORKER = f"/v1/workers/(?P<worker>{IDENTIFIER})"
_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Reply], bool], ...] = (
    ("GET", re.compile("/v1/machine"), _describe, False),
    ("PUT", _LEASE, _take, False),
    ("DELETE", _LEASE, _give_back, True),
    ("HEAD", _FILE, _measure_file, False),
    ("PUT", _FILE, _receive_file, False),
    ("GET", _FILE, _send_file, False),
    ("PUT", re.compile(_WORKER), _start, True),
    ("POST", re.compile(f"{_WORKER}/calls"), _call, True),
    ("GET", re.compile(f"{_WORKER}/log"), _log, True),
    ("DELETE", re.compile(_WORKER), _end, True),
)
