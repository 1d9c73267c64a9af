"""Frames of HTTP/2 (RFC 9113), and the head of a gRPC call among them (pure but for the state of a decoder).

What we send needs no dynamic table: every header of ours is written as a literal, so that there is no state that could
go wrong. What clients send is decoded by hpack. A client says the same head in every call, and from the second time on
as indices alone; such a block changes no table, so what it means is kept.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20
HEAD_BYTES = 9
FRAME_BYTES = 16384
"""The largest payload that the other side need take where it does not say more."""
DEFAULT_WINDOW_BYTES = 65535
LARGEST_WINDOW_BYTES = (1 << 31) - 1
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 6
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR = 0, 1, 3, 6
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11
_HEAD = struct.Struct(">HBBBL")
_SETTING = struct.Struct(">HL")
_KEPT = 64
_INDEXED, _LONG_INDEX = 0x80, 0xFF
_TIMEOUT_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST_TIMEOUT = 9


class Broken(Exception):
    """The connection cannot go on: an error code of HTTP/2, and a sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How a call begins. `timeout_s` is how long the client waits, None where it does not say."""

    method: str
    path: str
    content_type: str
    encoding: str
    timeout_s: float | None
    metadata: tuple[tuple[str, str], ...]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, whole."""
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def parsed(content: bytes, at: int) -> tuple[int, int, int, int]:
    """Size, kind, flags and stream of the frame whose head is at `at`."""
    high, low, kind, flags, stream = _HEAD.unpack_from(content, at)
    return high << 8 | low, kind, flags, stream & LARGEST_WINDOW_BYTES


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*one) for one in values))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """What a SETTINGS frame says.

    Raises:
        Broken: it is of no whole number of settings.
    """
    if len(payload) % _SETTING.size:
        raise Broken(FRAME_SIZE_ERROR, "the settings are cut off")
    return list(_SETTING.iter_unpack(payload))


def number(value: int) -> bytes:
    """31 bits, as WINDOW_UPDATE, RST_STREAM and GOAWAY have them."""
    return value.to_bytes(4, "big")


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of a DATA or HEADERS frame without its padding and its priority.

    Raises:
        Broken: it is shorter than they are.
    """
    end = len(payload)
    begin = 0
    if flags & PADDED:
        begin, end = 1, end - (payload[0] if payload else 1)
    if flags & PRIORITISED:
        begin += 5
    if begin > end:
        raise Broken(PROTOCOL_ERROR, "a frame is shorter than its padding")
    return payload[begin:end] if begin or end != len(payload) else payload


def literal(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers as a block of literals that enter no table."""
    return b"".join(b"\x00" + _text(name.encode()) + _text(value.encode()) for name, value in headers)


def _text(content: bytes) -> bytes:
    size = len(content)
    if size < 127:
        return bytes((size,)) + content
    written = bytearray((127,))
    size -= 127
    while size > 127:
        written.append(size & 127 | 128)
        size >>= 7
    written.append(size)
    return bytes(written) + content


BEGIN = b"\x88" + literal([("content-type", "application/grpc")])
"""The block that begins every answer: `:status 200` is 8 in the static table."""


def trailers(code: int, message: str = "", more: Iterable[tuple[str, str]] = ()) -> bytes:
    """The block that ends a call; `message` is written as gRPC has it, in percents."""
    said = [("grpc-message", quote(message, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}"))] if message else []
    return literal([("grpc-status", str(code)), *said, *more])


GOOD = trailers(0)
_BEGINNING = _HEAD.pack(0, len(BEGIN), HEADERS, END_HEADERS, 0)[:-4]
_ENDING = _HEAD.pack(0, len(GOOD), HEADERS, END_HEADERS | END_STREAM, 0)[:-4]


def answer(stream: int, message: bytes) -> bytes:
    """A whole answer of one message that fits into one frame."""
    at = stream.to_bytes(4, "big")
    size = len(message)
    return b"".join(
        (_BEGINNING, at, BEGIN, _HEAD.pack(size >> 8, size & 0xFF, DATA, 0, stream), message, _ENDING, at, GOOD)
    )


class Heads:
    """Reads the heads of one connection's calls; each takes at most `limit_bytes` as the protocol counts them."""

    def __init__(self, limit_bytes: int) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=limit_bytes)
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """What `block` says.

        Raises:
            Broken: it is no block, or too large.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            found = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError as error:
            raise Broken(ENHANCE_YOUR_CALM, "the head of a call is too large") from error
        except hpack.HPACKError as error:
            raise Broken(COMPRESSION_ERROR, "the headers are broken") from error
        head = _head([(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in found])
        if block and min(block) >= _INDEXED and max(block) < _LONG_INDEX:  # indices of one byte, and nothing else
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[block] = head
        else:
            self._known.clear()  # the table may have changed, and with it what indices mean
        return head


def _head(headers: list[tuple[str, str]]) -> Head:
    by_name = dict(headers)
    return Head(
        method=by_name.get(":method", ""),
        path=by_name.get(":path", ""),
        content_type=by_name.get("content-type", ""),
        encoding=by_name.get("grpc-encoding", "identity"),
        timeout_s=_timeout_s(by_name.get("grpc-timeout", "")),
        metadata=tuple(one for one in headers if not one[0].startswith(":")),
    )


def _timeout_s(text: str) -> float | None:
    unit = _TIMEOUT_UNITS.get(text[-1:])
    digits = text[:-1]
    if unit is None or not digits.isascii() or not digits.isdigit() or len(text) > _LONGEST_TIMEOUT:
        return None
    return int(digits) * unit
