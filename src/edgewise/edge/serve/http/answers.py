"""Answers as bytes: heads, documents and faults."""

import math
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

import orjson

from edgewise.edge.serve.faults import (
    BadRequest,
    DeadlineExceeded,
    Fault,
    ModelFailed,
    NoMemory,
    NotReady,
    Overloaded,
    TooLarge,
    Unauthenticated,
    UnknownModel,
)

Piece = bytes | memoryview
JSON, BINARY = b"application/json", b"application/octet-stream"
CODES: Mapping[type[Fault], int] = MappingProxyType(
    {
        BadRequest: 400,
        Unauthenticated: 401,
        UnknownModel: 404,
        TooLarge: 413,
        Overloaded: 429,
        ModelFailed: 500,
        NotReady: 503,
        DeadlineExceeded: 504,
        NoMemory: 507,
    }
)
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
UNAUTHENTICATED = b'WWW-Authenticate: Bearer realm="edgewise"\r\n'
_JOINED_BYTES = 64 << 10
"""Smaller answers are copied into one piece: a system call with many pieces costs more than that."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Refusal(Exception):
    """What HTTP itself refuses, before it is a request to the server: status and one sentence."""

    def __init__(self, status: int, message: str, *, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class Answer:
    """What is sent: the head without Date and without its end, and the body in pieces of `size_bytes` together."""

    __slots__ = ("head", "pieces", "size_bytes")

    def __init__(self, head: bytes, pieces: Sequence[Piece], size_bytes: int) -> None:
        self.head, self.pieces, self.size_bytes = head, pieces, size_bytes

    def written(self, date: bytes, *, close: bool, with_body: bool = True) -> list[Piece]:
        """Everything to send, in order.

        Args:
            date: the Date header's line.
            close: say that the connection ends after it.
            with_body: False for HEAD.
        """
        end = b"Connection: close\r\n\r\n" if close else b"\r\n"
        if not with_body:
            return [self.head + date + end]
        if self.size_bytes < _JOINED_BYTES:
            return [b"".join((self.head, date, end, *self.pieces))]
        return [self.head + date + end, *self.pieces]


def head(status: int, size_bytes: int, *, content_type: bytes = JSON, headers: bytes = b"") -> bytes:
    """The head of an answer as `Answer` keeps it; `headers` are further lines."""
    return b"%bContent-Type: %b\r\nContent-Length: %d\r\n%b" % (_LINES[status], content_type, size_bytes, headers)


def whole(status: int, body: bytes, *, content_type: bytes = JSON, headers: bytes = b"") -> Answer:
    """An answer whose body is one piece."""
    return Answer(head(status, len(body), content_type=content_type, headers=headers), (body,), len(body))


def date(at_s: float) -> bytes:
    """The Date header's line. Names of days and months are English whatever the locale."""
    now = time.gmtime(at_s)
    day, month = _DAYS[now.tm_wday], _MONTHS[now.tm_mon - 1]
    clock = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"Date: {day}, {now.tm_mday:02} {month} {now.tm_year} {clock} GMT\r\n".encode()


def document(value: object, status: int = 200) -> Answer:
    """`value` as JSON."""
    return whole(status, orjson.dumps(value))


def refusal(status: int, message: str, headers: bytes = b"") -> Answer:
    """The protocol's error document."""
    return whole(status, orjson.dumps({"error": message}), headers=headers)


def fault(found: Fault) -> Answer:
    """The answer to a request that failed."""
    headers = b""
    if found.retry_after_s is not None:
        headers = b"Retry-After: %d\r\n" % max(1, math.ceil(found.retry_after_s))
    elif isinstance(found, Overloaded | NotReady):
        headers = b"Retry-After: 1\r\n"
    if isinstance(found, Unauthenticated):
        headers += UNAUTHENTICATED
    code = next((CODES[kind] for kind in type(found).__mro__ if kind in CODES), 500)
    return refusal(code, found.message, headers)
