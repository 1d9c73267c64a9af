"""One client's connection: requests in, one after the other, answers out in the same order.

- The parser reads heads and small bodies. A body that has not come whole with its head is read by the kernel straight
  into its own memory, aligned for its tensors, and goes to the model without a copy.
- One request is under way at a time. Those that a client sends before it has its answer wait, and nothing more is read.
- `late_s` is the moment by which the client must have moved on; the site's clock ends who is late.
- A client that goes away takes its request with it.
"""

import asyncio
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools
import numpy as np

from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.guard.limits import PIECE_BYTES
from edgewise.edge.serve.http import answers, message, routes
from edgewise.edge.serve.http.answers import Answer, Piece, Refusal
from edgewise.edge.serve.http.message import UNKNOWN_SIZE, Message

if TYPE_CHECKING:
    from edgewise.edge.serve.http.inference import Exchange
    from edgewise.edge.serve.http.site import Site

NEVER = float("inf")
LINGER_S = 2.0
"""So long we read on what a refused client still sends, for else it would not see why it was refused."""
_ALIGNMENT = 64
_SMALL_ANSWER = 64 << 10


class Connection(asyncio.BufferedProtocol):
    """A connection of `site`."""

    __slots__ = (
        "_blocked",
        "_chunks",
        "_chunks_size",
        "_current",
        "_discarding",
        "_filled",
        "_head_headers",
        "_head_size",
        "_into",
        "_marked",
        "_parser",
        "_pumping",
        "_read_size",
        "_reading",
        "_site",
        "_started",
        "_transport",
        "_unsent",
        "_waiting",
        "exchange",
        "idle_since",
        "late_s",
    )

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._transport: asyncio.Transport
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._reading: Message | None = None
        self._current: Message | None = None
        self._waiting: deque[Message] = deque()
        self._chunks: list[bytes] = []
        self._chunks_size = self._head_size = self._head_headers = 0
        self._into: memoryview | None = None
        self._filled = self._marked = self._read_size = self._unsent = 0
        self._blocked = self._pumping = self._discarding = False
        self._started = 0.0
        self.exchange: Exchange | None = None
        self.idle_since = self.late_s = NEVER

    # --- what the loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or not where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self.idle_since = time.monotonic()
        self.late_s = self.idle_since + self._site.limits.head_s
        connections = self._site.connections
        connections.add(self)
        if len(connections) > self._site.limits.connections:
            self._refuse(Refusal(503, "too many connections are open", headers=b"Retry-After: 1\r\n"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as the loop calls it
        """The client is gone, and what it asked with it."""
        self._site.connections.discard(self)
        if self.exchange is not None:
            self.exchange.gone()
            self.exchange = None
        for one in (self._reading, self._current, *self._waiting):
            self._release(one)
        self._reading = self._current = self._into = self._parser = None
        self._waiting.clear()
        self._discarding = True

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as the loop calls it
        """Where the next bytes go."""
        return self._site.buffer if self._into is None else self._into[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self._discarding:
            return
        if self._into is None:
            self._feed(self._site.buffer[:nbytes])
            self._after_feeding(nbytes)
            return
        self._filled += nbytes
        if self._filled == len(self._into):
            reading, self._reading = self._reading, None
            assert reading is not None
            reading.body, self._into = self._into, None
            self._parser = httptools.HttpRequestParser(self)
            self._arrived(reading)
        elif self._filled >= self._marked:
            self._marked = self._filled + PIECE_BYTES
            self._progress()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._blocked = True
        self._unsent = self._transport.get_write_buffer_size()
        self._progress()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._blocked = False
        self._pump()

    # --- what the parser calls ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reading = None if self._discarding else Message()
        self._chunks = []
        self._chunks_size = self._head_size = self._head_headers = self._read_size = 0
        self._started = 0.0

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        if self._reading is not None:
            self._head_size += len(url)
            self._reading.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or trailer."""
        reading = self._reading
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
        reading, parser, limits = self._reading, self._parser, self._site.limits
        if reading is None or parser is None:
            return
        reading.method = parser.get_method()
        reading.last = not parser.should_keep_alive()
        try:
            if reading.refused is None and (self._head_size > limits.head_bytes or self._head_headers > limits.headers):
                reading.refused = _head_too_large()
            if reading.refused is None:
                message.check(reading, parser.get_http_version(), limits)
                if reading.size_bytes > PIECE_BYTES:
                    self._reserve(reading, reading.size_bytes)
        except Refusal as refusal:
            reading.refused = refusal
        if reading.refused is not None:
            self._arrived(reading)
        elif b"expect" in reading.headers and self._current is None and reading.size_bytes:
            self._transport.write(answers.CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        reading = self._reading
        if reading is None or reading.refused is not None:
            return
        self._chunks.append(body)
        self._chunks_size += len(body)
        if reading.size_bytes == UNKNOWN_SIZE:
            try:
                if self._chunks_size > self._site.limits.body_bytes:
                    raise message.too_large(self._site.limits)
                if self._chunks_size > max(PIECE_BYTES, reading.reserved_bytes):
                    self._reserve(reading, self._chunks_size)
            except Refusal as refusal:
                reading.refused = refusal
                self._arrived(reading)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        reading, self._reading = self._reading, None
        if reading is None or reading.refused is not None:
            return
        chunks = self._chunks
        if chunks:
            reading.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
        self._arrived(reading)

    # --- in -----------------------------------------------------------------------------------

    def _feed(self, content: memoryview) -> None:
        while len(content) and not self._discarding and self._parser is not None:
            try:
                self._parser.feed_data(content)
            except httptools.HttpParserUpgrade as upgrade:  # to h2c, say; we may stay with HTTP/1.1
                self._parser = httptools.HttpRequestParser(self)
                content = content[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                if not self._ends():
                    self._refuse(Refusal(400, f"this is no HTTP/1.1 request: {error}"))
                return
            else:
                return

    def _after_feeding(self, nbytes: int) -> None:
        """A request that has not come whole: see that it does, in time and within its limits."""
        reading = self._reading
        if reading is None or self._discarding or reading.refused is not None:
            return
        if not self._started:
            self._started = time.monotonic()
            if self._current is None:
                self.late_s = self._started + self._site.limits.head_s
        if not reading.method:
            self._read_size += nbytes
            if self._read_size > self._site.limits.head_bytes + PIECE_BYTES:
                reading.refused = _head_too_large()
                self._arrived(reading)
            return
        if reading.size_bytes == UNKNOWN_SIZE:
            self._count_chunks(reading, nbytes)
            return
        self._into = _aligned(reading)
        for chunk in self._chunks:
            self._into[self._filled : self._filled + len(chunk)] = chunk
            self._filled += len(chunk)
        self._marked = self._filled + PIECE_BYTES
        self._chunks = []
        self._progress()

    def _count_chunks(self, reading: Message, nbytes: int) -> None:
        """Chunked bodies may not hide more in sizes and extensions than a body may have."""
        self._read_size += nbytes
        if self._read_size > 2 * self._site.limits.body_bytes + PIECE_BYTES:
            reading.refused = message.too_large(self._site.limits)
            self._arrived(reading)
        elif self._read_size >= self._marked:
            self._marked = self._read_size + PIECE_BYTES
            self._progress()

    def _arrived(self, reading: Message) -> None:
        self._filled = self._marked = 0
        if reading.refused is not None:
            reading.last = self._discarding = True
        self._waiting.append(reading)
        if self._current is None:
            self._pump()
        elif not self._transport.is_closing():
            self._transport.pause_reading()

    def _ends(self) -> bool:
        """True where an earlier request was the connection's last: what follows it is nobody's."""
        return (self._current is not None and self._current.last) or any(one.last for one in self._waiting)

    def _reserve(self, reading: Message, size_bytes: int) -> None:
        try:
            self._site.reserve(size_bytes - reading.reserved_bytes)
        except Fault as fault:
            raise Refusal(429, fault.message, headers=b"Retry-After: 1\r\n") from fault
        reading.reserved_bytes = size_bytes

    def _release(self, one: Message | None) -> None:
        if one is not None and one.reserved_bytes:
            self._site.release(one.reserved_bytes)
            one.reserved_bytes = 0

    # --- out ----------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Begin what waits, as far as the client takes the answers."""
        if self._pumping:
            return
        self._pumping = True
        while self._waiting and self._current is None and not self._blocked:
            self._begin(self._waiting.popleft())
        self._pumping = False
        if not self._waiting and not self._blocked and not self._transport.is_closing():
            self._transport.resume_reading()

    def _begin(self, begun: Message) -> None:
        self._current = begun
        self.late_s = NEVER
        if begun.refused is not None:
            refused = begun.refused
            self.answer(answers.refusal(refused.status, refused.message, refused.headers))
            return
        try:
            answer = routes.answer(self._site, self, begun)
        except Refusal as refusal:
            answer = answers.refusal(refusal.status, refusal.message, refusal.headers)
        except Fault as fault:
            answer = answers.fault(fault)
        except Exception:
            traceback.print_exc()
            answer = answers.refusal(500, "the server has a bug; its own output has the details")
        if answer is not None:
            self.answer(answer)

    def answer(self, answer: Answer) -> None:
        """Send the answer to the request that is under way, and go on with the next one."""
        answered, self._current = self._current, None
        if answered is None or self._transport.is_closing():
            return
        self.exchange = None
        last = answered.last or self._site.draining
        pieces = answer.written(self._site.date, close=last, with_body=answered.method != b"HEAD")
        self._write(pieces)
        self._release(answered)
        self.idle_since = time.monotonic()
        if last:
            self._end(unread=answered.refused is not None)
            return
        self.late_s = self.idle_since + self._site.limits.idle_s
        if self._waiting or self._blocked:
            self._pump()

    def _write(self, pieces: list[Piece]) -> None:
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif sum(map(len, pieces)) < _SMALL_ANSWER:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    def _end(self, *, unread: bool) -> None:
        """Close, once the answer is out; where the client still sends, only our side at first."""
        self._discarding = True
        self._waiting.clear()
        self.late_s = time.monotonic() + (LINGER_S if unread else self._site.limits.progress_s)
        self._unsent = self._transport.get_write_buffer_size()
        if unread and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """What has come is no request at all."""
        reading = self._reading or Message()
        self._reading = None
        if reading.refused is None:
            reading.refused = refusal
            self._arrived(reading)

    # --- time ---------------------------------------------------------------------------------

    def _progress(self) -> None:
        if self._current is None or self._blocked:
            self.late_s = time.monotonic() + self._site.limits.progress_s

    def expire(self, now: float) -> None:
        """The client is late."""
        unsent = self._transport.get_write_buffer_size()
        if (self._blocked or self._discarding) and unsent and unsent <= self._unsent - PIECE_BYTES:
            self._unsent = unsent
            self.late_s = now + self._site.limits.progress_s
        elif self._blocked or self._discarding or unsent:
            self.abort()
        elif self._reading is not None:
            self._into = None
            self._refuse(Refusal(408, "the request did not come in time"))
        else:
            self.close()

    def close(self) -> None:
        """Close where nothing is under way."""
        if self._current is None and self._reading is None and not self._waiting:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


def _aligned(reading: Message) -> memoryview:
    """Memory for the body in which the tensors, behind the JSON, are aligned."""
    json_size = reading.headers.get(message.JSON_SIZE, b"0")
    ahead = int(json_size) if json_size.isdigit() and len(json_size) < 10 else 0
    memory = np.empty(reading.size_bytes + _ALIGNMENT, dtype=np.uint8)
    address: int = memory.__array_interface__["data"][0]
    start = -(address + ahead) % _ALIGNMENT
    return memory.data[start : start + reading.size_bytes]


def _head_too_large() -> Refusal:
    return Refusal(431, "the head of the request is too large")
