"""The reading half of a connection: bytes to requests, within the limits.

- The parser reads heads and small bodies. A body that has not come whole with its head is read by the kernel straight
  into its own memory, aligned for its tensors, and goes to the model without a copy.
- Clients send the same head again and again. Bytes that are equal to a head that the parser has passed mean the same,
  so the parser need not see them again.
"""

import asyncio
from typing import TYPE_CHECKING

import httptools
import numpy as np

from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.guard.limits import PIECE_BYTES
from edgewise.edge.serve.http import message
from edgewise.edge.serve.http.answers import UNAUTHENTICATED, Refusal
from edgewise.edge.serve.http.message import UNKNOWN_SIZE, Message

if TYPE_CHECKING:
    from edgewise.edge.serve.http.site import Site

_ALIGNMENT = 64
_BYTES_ALIGNMENT = 16
"""What CPython gives the content of a bytes object."""
_LONGEST_KNOWN_HEAD = 2048


class Incoming(asyncio.BufferedProtocol):
    """Reads requests, and hands them to `arrived`; a subclass says what becomes of them."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.discarding = False
        self.reading: Message | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._chunks: list[bytes] = []
        self._chunks_size = self._head_size = self._head_headers = 0
        self._read_size = self._marked = self._filled = 0
        self._into: memoryview | None = None
        self._known: tuple[bytes, int, Message] | None = None
        self._arrivals = 0
        self._offers = False

    # --- what a subclass does -----------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is under way, and nothing waits."""
        raise NotImplementedError

    def arrived(self, arrived: Message) -> None:
        """A request is there, or is refused."""
        raise NotImplementedError

    def begun(self) -> None:
        """A request begins that has not come whole."""
        raise NotImplementedError

    def progressed(self) -> None:
        """The client has sent as much as it must to go on."""
        raise NotImplementedError

    def proceed(self) -> None:
        """The client waits for leave to send its body."""
        raise NotImplementedError

    # --- what the loop calls ------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as the loop calls it
        """Where the next bytes go."""
        return self.site.buffer if self._into is None else self._into[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self.discarding:
            return
        if self._into is not None:
            self._fill(nbytes)
            return
        known = self._known
        if (
            known is not None
            and nbytes == known[1]
            and self.reading is None
            and self.idle
            and self.site.storage.startswith(known[0])
        ):
            self.arrived(self._again(known[0], nbytes, known[2]))
            return
        arrivals, before = self._arrivals, self.reading
        self._feed(self.site.buffer[:nbytes])
        if self.reading is not None:
            self._after_feeding(nbytes)
        elif before is None and self._arrivals == arrivals + 1:
            self._learn(nbytes)

    def forget(self) -> None:
        """The connection is over."""
        self.discarding = True
        self.reading = self._into = self._parser = self._known = None

    # --- what the parser calls ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self.reading = None if self.discarding else Message()
        self._chunks = []
        self._chunks_size = self._head_size = self._head_headers = self._read_size = 0
        self._offers = False

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        if self.reading is not None:
            self._head_size += len(url)
            self.reading.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or trailer."""
        reading = self.reading
        if reading is None:
            return
        self._head_size += len(name) + len(value)
        self._head_headers += 1
        name = name.lower()
        if name in message.KEPT_HEADERS:
            if name in reading.headers and name != b"accept":
                reading.refused = reading.refused or Refusal(400, f"the header {name.decode()} comes twice")
            reading.headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is there: is it worth reading on?"""
        reading, parser, limits = self.reading, self._parser, self.site.limits
        if reading is None or parser is None:
            return
        reading.method = parser.get_method()
        version = parser.get_http_version()
        reading.last = version != "1.1" or not parser.should_keep_alive()
        try:
            if reading.refused is None and (self._head_size > limits.head_bytes or self._head_headers > limits.headers):
                reading.refused = _head_too_large()
            if reading.refused is None:
                message.check(reading, version, limits)
                self._offers = bool(parser.should_upgrade())
                if self._offers and reading.size_bytes == UNKNOWN_SIZE:
                    raise Refusal(501, "no other protocol is offered, and least of all with a chunked body")
                if reading.size_bytes > PIECE_BYTES or reading.size_bytes == UNKNOWN_SIZE:
                    self._admit(reading)
                if reading.size_bytes > PIECE_BYTES:
                    self._reserve(reading, reading.size_bytes)
        except Refusal as refusal:
            reading.refused = refusal
        if reading.refused is not None:
            self._hand_over(reading)
        elif b"expect" in reading.headers and reading.size_bytes:
            self.proceed()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        reading = self.reading
        if reading is None or reading.refused is not None:
            return
        self._chunks.append(body)
        self._chunks_size += len(body)
        if reading.size_bytes == UNKNOWN_SIZE:
            try:
                if self._chunks_size > self.site.limits.body_bytes:
                    raise message.too_large(self.site.limits)
                if self._chunks_size > max(PIECE_BYTES, reading.reserved_bytes):
                    self._reserve(reading, self._chunks_size)
            except Refusal as refusal:
                reading.refused = refusal
                self._hand_over(reading)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        reading = self.reading
        if reading is None or reading.refused is not None or (self._offers and reading.size_bytes):
            return
        chunks = self._chunks
        if chunks:
            reading.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
        self._hand_over(reading)

    # --- the way of the bytes -----------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """What has come is no request, or has not come in time."""
        if self.discarding:
            return
        reading = self.reading or Message()
        self._into = None
        if reading.refused is None:
            reading.refused = refusal
            self._hand_over(reading)

    def release(self, one: Message | None) -> None:
        """Give back what the body of `one` had of what all bodies may have."""
        if one is not None and one.reserved_bytes:
            self.site.release(one.reserved_bytes)
            one.reserved_bytes = 0

    def _hand_over(self, reading: Message) -> None:
        self._arrivals += 1
        self.reading = None
        self._filled = self._marked = 0
        if reading.refused is not None:
            reading.last = self.discarding = True
        self.arrived(reading)

    def _feed(self, content: memoryview) -> None:
        while len(content) and not self.discarding and self._parser is not None:
            try:
                self._parser.feed_data(content)
            except httptools.HttpParserUpgrade as upgrade:
                content = self._stay(content[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self.refuse(Refusal(400, f"this is no HTTP/1.1 request: {error}"))
                return
            else:
                return

    def _stay(self, content: memoryview) -> memoryview:
        """The client offers another protocol, h2c say, and we stay with this one; what follows its request.

        The parser has passed over the body, for it believes that the other protocol begins: the body is taken here.
        """
        self._parser = httptools.HttpRequestParser(self)
        reading = self.reading
        if reading is None:
            return content
        self._chunks = [bytes(content[: reading.size_bytes])]
        if len(content) >= reading.size_bytes:
            reading.body = self._chunks[0]
            self._hand_over(reading)
        return content[reading.size_bytes :]

    def _after_feeding(self, nbytes: int) -> None:
        """A request that has not come whole: see that it does, in time and within its limits."""
        reading = self.reading
        if reading is None or self.discarding:
            return
        if not self._read_size:
            self.begun()
        self._read_size += nbytes
        if not reading.method:
            if self._read_size > self.site.limits.head_bytes + PIECE_BYTES:
                self.refuse(_head_too_large())
        elif reading.size_bytes == UNKNOWN_SIZE:
            if self._read_size > 2 * self.site.limits.body_bytes + PIECE_BYTES:
                self.refuse(message.too_large(self.site.limits))  # it hides more in sizes and extensions than a body
            elif self._read_size >= self._marked:
                self._marked = self._read_size + PIECE_BYTES
                self.progressed()
        else:
            self._into = _aligned(reading)
            for chunk in self._chunks:
                self._into[self._filled : self._filled + len(chunk)] = chunk
                self._filled += len(chunk)
            self._marked = self._filled + PIECE_BYTES
            self._chunks = []
            self.progressed()

    def _fill(self, nbytes: int) -> None:
        assert self._into is not None
        assert self.reading is not None
        self._filled += nbytes
        if self._filled == len(self._into):
            self.reading.body, self._into = self._into, None
            self._parser = httptools.HttpRequestParser(self)
            self._hand_over(self.reading)
        elif self._filled >= self._marked:
            self._marked = self._filled + PIECE_BYTES
            self.progressed()

    def _learn(self, nbytes: int) -> None:
        """Keep the head of a request that was all there was, for the next one that begins with the same bytes."""
        seen = self.last_seen
        self._known = None
        if seen is None or seen.last or seen.refused is not None or seen.size_bytes == UNKNOWN_SIZE:
            return
        size = nbytes - seen.size_bytes
        if size > _LONGEST_KNOWN_HEAD or b"expect" in seen.headers:
            return
        head = bytes(self.site.buffer[:size])
        if head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1 and b"pgrade" not in head:
            self._known = head, nbytes, seen.again(b"")

    def _again(self, head: bytes, nbytes: int, known: Message) -> Message:
        """The request that these bytes are; its tensors, behind the JSON, are aligned."""
        size = len(head)
        pad = -(known.json_size or 0) % _BYTES_ALIGNMENT
        self._arrivals += 1
        return known.again(memoryview(bytes(self.site.buffer[size - pad : nbytes]))[pad:])

    @property
    def last_seen(self) -> Message | None:
        """The request that arrived last, as far as it is still known."""
        raise NotImplementedError

    def _admit(self, reading: Message) -> None:
        """Who has no key sends no large body; small ones are looked at with their route."""
        if self.site.keys is not None:
            try:
                self.site.keys.check(reading.authorization)
            except Fault as fault:
                raise Refusal(401, fault.message, headers=UNAUTHENTICATED) from fault

    def _reserve(self, reading: Message, size_bytes: int) -> None:
        try:
            self.site.reserve(size_bytes - reading.reserved_bytes)
        except Fault as fault:
            raise Refusal(429, fault.message, headers=b"Retry-After: 1\r\n") from fault
        reading.reserved_bytes = size_bytes


def _aligned(reading: Message) -> memoryview:
    """Memory for the body in which the tensors, behind the JSON, are aligned."""
    memory = np.empty(reading.size_bytes + _ALIGNMENT, dtype=np.uint8)
    address: int = memory.__array_interface__["data"][0]
    start = -(address + (reading.json_size or 0)) % _ALIGNMENT
    return memory.data[start : start + reading.size_bytes]


def _head_too_large() -> Refusal:
    return Refusal(431, "the head of the request is too large")
