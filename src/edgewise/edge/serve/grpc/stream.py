"""One call on a connection: its messages in, its messages and its status out, within the windows of HTTP/2."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from edgewise.edge.serve.faults import BadRequest, Fault, TooLarge
from edgewise.edge.serve.grpc import codes, frames, writing
from edgewise.edge.serve.grpc.frames import Head
from edgewise.edge.serve.guard.limits import PIECE_BYTES, Limits

if TYPE_CHECKING:
    from edgewise.edge.serve.grpc.calls import Begun
    from edgewise.edge.serve.grpc.connection import Connection

PREFIX_BYTES = 5
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
AHEAD = 64
"""Messages of a stream that wait to be looked at; the client's window stays shut beyond them."""


class Stream:
    """A call.

    Attributes:
        window_bytes: so much we may send.
        unsaid_bytes: taken in, and not yet given back to the client's window.
        ended: the client has said all.
        late_s: the moment by which the client must have gone on.
        task: what works on it, where that is a coroutine.
        pending: what the core has of it.
    """

    def __init__(self, connection: "Connection", number: int, head: Head, window_bytes: int) -> None:
        self._connection, self.number, self.head, self.window_bytes = connection, number, head, window_bytes
        self.limits: Limits = connection.side.limits
        self.began_s = time.monotonic()
        self.late_s = self.began_s + self.limits.progress_s
        self.unsaid_bytes = 0
        self.ended = self.over = False
        self.task: asyncio.Task[None] | None = None
        self.pending: Begun | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._moved = 0
        self._reserved = 0
        self._messages: asyncio.Queue[bytes | Fault | None] | None = None
        self._out = bytearray()
        self._status: bytes | None = None
        self._begun = False
        self._room: asyncio.Future[None] | None = None

    # --- what the client says about itself ----------------------------------------------------

    def time_remaining(self) -> float | None:
        """Seconds until the client stops waiting."""
        return None if self.head.timeout_s is None else self.began_s + self.head.timeout_s - time.monotonic()

    def header(self, name: str) -> str:
        """What it said beside its message; "" for nothing."""
        return next((value for key, value in self.head.metadata if key == name), "")

    # --- in -----------------------------------------------------------------------------------

    @property
    def shut(self) -> bool:
        """As many messages wait as may."""
        return self._messages is not None and self._messages.qsize() >= AHEAD

    def take(self, chunk: bytes) -> None:
        """A part of what the client sends.

        Raises:
            Fault: it is beyond a limit.
        """
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._moved += len(chunk)
        if self._moved >= PIECE_BYTES:
            self._moved = 0
            self.late_s = time.monotonic() + self.limits.progress_s
        if self._size > PIECE_BYTES or self._messages is not None:
            self._look(self._messages)

    def whole(self) -> bytes:
        """The one message of a call that has one.

        Raises:
            Fault: it is none.
        """
        content = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        if len(content) >= PREFIX_BYTES:
            self._check(_said(content))
        if len(content) < PREFIX_BYTES or len(content) != PREFIX_BYTES + _said(content):
            raise BadRequest("the call does not have exactly one message")
        return self._plain(content, PREFIX_BYTES, len(content))

    def messages(self) -> AsyncIterator[bytes]:
        """The messages of a stream, as they come.

        Raises:
            Fault: what came is none.
        """
        self._messages = asyncio.Queue()
        self.late_s = float("inf")
        return self._read(self._messages)

    def finish(self) -> None:
        """The client has said all."""
        self.ended = True
        self.late_s = float("inf")
        if self._messages is not None:
            self._messages.put_nowait(BadRequest("the last message is cut off") if self._size else None)

    async def _read(self, messages: "asyncio.Queue[bytes | Fault | None]") -> AsyncIterator[bytes]:
        while (one := await messages.get()) is not None:
            if isinstance(one, Fault):
                raise one
            self._connection.give_window(self)
            yield one

    def _look(self, messages: "asyncio.Queue[bytes | Fault | None] | None") -> None:
        """Are there whole messages, and is what comes within the limits?"""
        first = self._chunks[0]
        if len(first) < PREFIX_BYTES and len(self._chunks) > 1:
            self._chunks = [first := b"".join(self._chunks)]
        if len(first) < PREFIX_BYTES:
            return
        said = _said(first)
        self._check(said)
        if messages is None:
            if said > PIECE_BYTES and not self._reserved:
                self._connection.side.reserve(said)
                self._reserved = said
            if self._size > PREFIX_BYTES + said:
                raise BadRequest("the call has more than one message")
            return
        if self._size < PREFIX_BYTES + said:
            return
        content, at = b"".join(self._chunks), 0
        while len(content) - at >= PREFIX_BYTES and len(content) - at - PREFIX_BYTES >= (said := _said(content, at)):
            messages.put_nowait(self._plain(content, at + PREFIX_BYTES, at + PREFIX_BYTES + said))
            at += PREFIX_BYTES + said
        self._chunks = [content[at:]] if at < len(content) else []
        self._size = len(content) - at
        self.late_s = time.monotonic() + self.limits.progress_s if self._size else float("inf")

    def _check(self, said: int) -> None:
        if said > self.limits.body_bytes:
            raise TooLarge(f"a message has {said} bytes, more than {self.limits.body_bytes}")

    def _plain(self, content: bytes, begin: int, end: int) -> bytes:
        compressed = content[begin - PREFIX_BYTES]
        if not compressed:
            return content[begin:end]
        if compressed != 1 or self.head.encoding not in _WINDOW_BITS:
            raise BadRequest("a message is compressed in a way that nobody has told")
        inflating = zlib.decompressobj(_WINDOW_BITS[self.head.encoding])
        try:
            whole = inflating.decompress(content[begin:end], self.limits.body_bytes + 1)
        except zlib.error as error:
            raise BadRequest(f"a compressed message is broken: {error}") from error
        self._check(len(whole))
        if not inflating.eof:
            raise BadRequest("a compressed message does not end where it should")
        return whole

    # --- out ----------------------------------------------------------------------------------

    def reply(self, message: bytes) -> None:
        """The one message of the answer, and a good end."""
        if self.over:
            return
        size = len(message)
        written = b"\x00%b%b" % (size.to_bytes(4, "big"), message)
        if size + PREFIX_BYTES <= min(self.window_bytes, self._connection.window_bytes, frames.FRAME_BYTES):
            self._connection.spend(self, len(written))
            self._connection.write(frames.answer(self.number, written))
            self._close()
            return
        self.send(written)
        self._finish(frames.GOOD)

    async def say(self, message: bytes) -> None:
        """One message of several; waits while the client takes none."""
        self.send(b"\x00" + len(message).to_bytes(4, "big") + message)
        while len(self._out) > PIECE_BYTES and not self.over:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def done(self) -> None:
        """A good end, after the messages."""
        self._finish(frames.GOOD)

    def fail(self, fault: Fault) -> None:
        """An end that says why."""
        self._finish(frames.trailers(writing.code(fault), fault.message, writing.trailers(fault)))

    def unimplemented(self, message: str) -> None:
        """An end for what is not to be had here."""
        self._finish(frames.trailers(codes.UNIMPLEMENTED, message))

    def send(self, content: bytes) -> None:
        """Send as much as the windows let, and the rest later."""
        if self.over:
            return
        self._begin()
        self._out += content
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as the windows let."""
        while self._out and not self.over:
            size = min(len(self._out), self.window_bytes, self._connection.window_bytes, frames.FRAME_BYTES)
            if size <= 0:
                if self.late_s == float("inf"):
                    self.late_s = time.monotonic() + self.limits.progress_s
                return
            self._connection.spend(self, size)
            self._connection.write(frames.frame(frames.DATA, 0, self.number, bytes(self._out[:size])))
            del self._out[:size]
            if self.ended:
                self.late_s = float("inf")
        if self._room is not None and len(self._out) <= PIECE_BYTES:
            room, self._room = self._room, None
            if not room.done():
                room.set_result(None)
        if self._status is not None and not self.over:
            self._connection.write(
                frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, self.number, self._status)
            )
            self._close()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._connection.write(frames.frame(frames.HEADERS, frames.END_HEADERS, self.number, frames.BEGIN))

    def _finish(self, status: bytes) -> None:
        if self.over or self._status is not None:
            return
        self._status = status if self._begun else frames.BEGIN + status
        self.pump()

    def _close(self) -> None:
        self.over = True
        if not self.ended:  # the client need not send the rest
            self._connection.write(frames.frame(frames.RST_STREAM, 0, self.number, frames.number(frames.NO_ERROR)))
        self._connection.closed(self)
        self.release()

    def cancel(self) -> None:
        """The client does not wait any more."""
        if self.over:
            return
        self.over = True
        self._chunks = []
        self._out.clear()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if self.task is not None:
            self.task.cancel()
        gone, self.pending = self.pending, None
        if gone is not None:
            self._connection.side.calls.gone(gone)
        self.release()

    def release(self) -> None:
        """Give back what its message had of what all messages may have."""
        if self._reserved:
            self._connection.side.release(self._reserved)
            self._reserved = 0


def _said(content: bytes, at: int = 0) -> int:
    return int.from_bytes(content[at + 1 : at + PREFIX_BYTES], "big")
