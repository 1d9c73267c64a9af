"""One client's connection: frames in, calls begun, windows kept.

- What breaks HTTP/2 ends the connection with GOAWAY and the reason; what breaks a call ends the call.
- A client that opens calls and gives them up again and again is sent away, as is one whose heads are too large.
- Where the client does not read, nothing more is read from it: answers to pings must not fill our memory.
"""

import asyncio
import time
import traceback
from typing import TYPE_CHECKING, cast

from edgewise.edge.serve.faults import Fault, ModelFailed, Overloaded
from edgewise.edge.serve.grpc import frames
from edgewise.edge.serve.grpc.frames import Broken, Heads
from edgewise.edge.serve.grpc.stream import Stream

if TYPE_CHECKING:
    from edgewise.edge.serve.grpc.side import Side

STREAM_WINDOW_BYTES = 1 << 20
CONNECTION_WINDOW_BYTES = 4 << 20
PING_S = 60.0
BUG = "the server has a bug; its own output has the details"
NEVER = float("inf")


class Connection(asyncio.Protocol):
    """A connection of `side`.

    Attributes:
        streams: calls under way.
        window_bytes: so much we may send, over all calls.
    """

    def __init__(self, side: "Side") -> None:
        self.side = side
        self.streams: dict[int, Stream] = {}
        self.window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._transport: asyncio.Transport
        self._heads = Heads(side.limits.head_bytes)
        self._rest = b""
        self._last = 0
        self._first_window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._unsaid_bytes = 0
        self._block: tuple[int, int, bytearray] | None = None
        self._greeted = self._leaving = self._over = False
        self._given_up = 0
        self._heard_s = self._quiet_s = time.monotonic()
        self._pinged_s = self._blocked_s = NEVER

    # --- what the loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say our settings, or that there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        limits = self.side.limits
        self.side.connections.add(self)
        self.write(
            frames.settings(
                (
                    (frames.MAX_CONCURRENT_STREAMS, limits.streams),
                    (frames.INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES),
                    (frames.MAX_HEADER_LIST_SIZE, limits.head_bytes),
                )
            )
            + frames.frame(
                frames.WINDOW_UPDATE, 0, 0, frames.number(CONNECTION_WINDOW_BYTES - frames.DEFAULT_WINDOW_BYTES)
            )
        )
        if len(self.side.connections) > limits.connections:
            self._end(Broken(frames.ENHANCE_YOUR_CALM, "too many connections are open"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as the loop calls it
        """The client is gone, and what it asked with it."""
        self._over = True
        self.side.connections.discard(self)
        for stream in list(self.streams.values()):
            self.drop(stream)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._blocked_s = time.monotonic()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._blocked_s = NEVER
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """The client says nothing more, and does not hear either."""
        return False

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._over:
            return
        self._heard_s = time.monotonic()
        content = self._rest + data if self._rest else data
        try:
            at, end = 0, len(content)
            if not self._greeted:
                at = self._greet(content)
            while self._greeted and end - at >= frames.HEAD_BYTES and not self._over:
                size, kind, flags, number = frames.parsed(content, at)
                if size > frames.FRAME_BYTES:
                    raise Broken(frames.FRAME_SIZE_ERROR, f"a frame has {size} bytes, more than {frames.FRAME_BYTES}")
                begin = at + frames.HEAD_BYTES
                if end - begin < size:
                    break
                at = begin + size
                self._take(kind, flags, number, content[begin:at])
            self._rest = content[at:]
        except Broken as broken:
            self._end(broken)
        except Exception:
            traceback.print_exc()
            self._end(Broken(2, BUG))

    # --- frames -------------------------------------------------------------------------------

    def _greet(self, content: bytes) -> int:
        """Where the frames begin; 0 as long as too little is there."""
        if not frames.PREFACE.startswith(content[: len(frames.PREFACE)]):
            raise Broken(frames.PROTOCOL_ERROR, "this is no HTTP/2")
        if len(content) < len(frames.PREFACE):
            return 0
        self._greeted = True
        return len(frames.PREFACE)

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise Broken(frames.PROTOCOL_ERROR, "a head is not finished")
        match kind:
            case frames.DATA:
                self._data(flags, number, payload)
            case frames.HEADERS:
                self._headers(flags, number, frames.unpadded(payload, flags))
            case frames.CONTINUATION:
                self._continued(flags, number, payload)
            case frames.WINDOW_UPDATE:
                self._window(number, payload)
            case frames.SETTINGS:
                if not flags & frames.ACK:
                    self._settings(payload)
            case frames.PING:
                if len(payload) != 8 or number:
                    raise Broken(frames.FRAME_SIZE_ERROR, "a ping has eight bytes")
                if flags & frames.ACK:
                    self._pinged_s = NEVER
                else:
                    self.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.RST_STREAM:
                self._reset(number, payload)
            case frames.GOAWAY:
                self._leaving = True
                self._close_if_done()
            case frames.PUSH_PROMISE:
                raise Broken(frames.PROTOCOL_ERROR, "a client pushes nothing")
            case _:
                pass  # priorities, and what later versions may bring

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._unsaid_bytes += size
        if self._unsaid_bytes > CONNECTION_WINDOW_BYTES:
            raise Broken(frames.FLOW_CONTROL_ERROR, "more came than the connection's window lets")
        stream = self.streams.get(number)
        if stream is None or stream.ended:
            if not number or number > self._last:
                raise Broken(frames.PROTOCOL_ERROR, "data came for a call that did not begin")
            self._give_back()
            return
        stream.unsaid_bytes += size
        if stream.unsaid_bytes > STREAM_WINDOW_BYTES:
            raise Broken(frames.FLOW_CONTROL_ERROR, "more came than the call's window lets")
        chunk = frames.unpadded(payload, flags & frames.PADDED)
        try:
            if chunk:
                stream.take(chunk)
            if flags & frames.END_STREAM:
                stream.finish()
                self.side.calls.whole(stream)
            else:
                self.give_window(stream)
        except Fault as fault:
            self.side.calls.refused(stream, fault)
        self._give_back()

    def give_window(self, stream: Stream) -> None:
        """Let the client send as much more as it has sent, unless too much of it waits."""
        if stream.unsaid_bytes >= STREAM_WINDOW_BYTES // 2 and not (stream.ended or stream.over or stream.shut):
            said, stream.unsaid_bytes = stream.unsaid_bytes, 0
            self.write(frames.frame(frames.WINDOW_UPDATE, 0, stream.number, frames.number(said)))

    def _give_back(self) -> None:
        if self._unsaid_bytes >= CONNECTION_WINDOW_BYTES // 2:
            said, self._unsaid_bytes = self._unsaid_bytes, 0
            self.write(frames.frame(frames.WINDOW_UPDATE, 0, 0, frames.number(said)))

    def _headers(self, flags: int, number: int, block: bytes) -> None:
        if not number % 2:
            raise Broken(frames.PROTOCOL_ERROR, "a call has an odd number")
        if flags & frames.END_HEADERS:
            self._begin(flags, number, block)
        else:
            self._block = flags, number, bytearray(block)

    def _continued(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[1] != number:
            raise Broken(frames.PROTOCOL_ERROR, "nothing is to be continued")
        first, _, block = self._block
        block += payload
        if len(block) > self.side.limits.head_bytes:
            raise Broken(frames.ENHANCE_YOUR_CALM, "the head of a call is too large")
        if flags & frames.END_HEADERS:
            self._block = None
            self._begin(first, number, bytes(block))

    def _begin(self, flags: int, number: int, block: bytes) -> None:
        head = self._heads.read(block)
        stream = self.streams.get(number)
        if stream is not None:  # trailers
            if not flags & frames.END_STREAM or stream.ended:
                raise Broken(frames.PROTOCOL_ERROR, "a head came twice")
            stream.finish()
            self.side.calls.whole(stream)
            return
        if number <= self._last:
            return  # it was answered, and the client did not know yet
        self._last = number
        if self._leaving:
            return
        if len(self.streams) >= self.side.limits.streams:
            self.write(frames.frame(frames.RST_STREAM, 0, number, frames.number(frames.REFUSED_STREAM)))
            return
        stream = Stream(self, number, head, self._first_window_bytes)
        self.streams[number] = stream
        self.side.under_way += 1
        if flags & frames.END_STREAM:
            stream.finish()
        if self.side.under_way > self.side.limits.streams:
            stream.fail(Overloaded(f"{self.side.limits.streams} calls are under way", retry_after_s=1.0))
            return
        self.side.calls.begun(stream)
        if flags & frames.END_STREAM:
            self.side.calls.whole(stream)

    def _settings(self, payload: bytes) -> None:
        for name, value in frames.read_settings(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                if value > frames.LARGEST_WINDOW_BYTES:
                    raise Broken(frames.FLOW_CONTROL_ERROR, "a window is too large")
                more, self._first_window_bytes = value - self._first_window_bytes, value
                for stream in list(self.streams.values()):
                    stream.window_bytes += more
                    stream.pump()
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _window(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Broken(frames.FRAME_SIZE_ERROR, "a window update has four bytes")
        more = int.from_bytes(payload, "big") & frames.LARGEST_WINDOW_BYTES
        if number:
            stream = self.streams.get(number)
            if stream is not None:
                stream.window_bytes += more
                if not more or stream.window_bytes > frames.LARGEST_WINDOW_BYTES:
                    raise Broken(frames.FLOW_CONTROL_ERROR, "a window update is 0, or too large")
                stream.pump()
            return
        self.window_bytes += more
        if not more or self.window_bytes > frames.LARGEST_WINDOW_BYTES:
            raise Broken(frames.FLOW_CONTROL_ERROR, "a window update is 0, or too large")
        for stream in list(self.streams.values()):
            stream.pump()

    def _reset(self, number: int, payload: bytes) -> None:
        if len(payload) != 4 or not number or number > self._last:
            raise Broken(frames.PROTOCOL_ERROR, "a call is reset that did not begin")
        stream = self.streams.get(number)
        if stream is not None:
            self.drop(stream)
            self._given_up += 1
            if self._given_up > 4 * self.side.limits.streams:
                raise Broken(frames.ENHANCE_YOUR_CALM, "too many calls are begun and given up")

    # --- out ----------------------------------------------------------------------------------

    def write(self, content: bytes) -> None:
        """Send it."""
        if not self._over and not self._transport.is_closing():
            self._transport.write(content)

    def spend(self, stream: Stream, size: int) -> None:
        """So much is sent of what windows let."""
        stream.window_bytes -= size
        self.window_bytes -= size

    def closed(self, stream: Stream) -> None:
        """A call has ended well, as far as HTTP/2 goes."""
        if self.streams.pop(stream.number, None) is not None:
            self.side.under_way -= 1
        self._given_up = max(0, self._given_up - 1)
        self._quiet_s = self._heard_s
        self._close_if_done()

    def drop(self, stream: Stream) -> None:
        """The client does not wait for it any more."""
        if self.streams.pop(stream.number, None) is not None:
            self.side.under_way -= 1
        stream.cancel()
        self._close_if_done()

    def leave(self) -> None:
        """Take no further calls, and close when those under way have ended."""
        if not self._leaving:
            self._leaving = True
            self.write(_goaway(self._last, frames.NO_ERROR, ""))
        self._close_if_done()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _close_if_done(self) -> None:
        if self._leaving and not self.streams and not self._over:
            self._over = True
            self._transport.close()

    def _end(self, broken: Broken) -> None:
        self.write(_goaway(self._last, broken.code, broken.message))
        self._over = True
        for stream in list(self.streams.values()):
            self.drop(stream)
        self._transport.close()

    # --- time ---------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Is the client late?"""
        limits = self.side.limits
        if not self._greeted:
            if now - self._heard_s > limits.head_s:
                self.abort()
        elif now - self._blocked_s > limits.progress_s or now - self._pinged_s > limits.progress_s:
            self.abort()
        elif not self.streams:
            if now - max(self._quiet_s, self._heard_s) > limits.idle_s:
                self.leave()
        else:
            for stream in [one for one in self.streams.values() if one.late_s < now]:
                self.write(frames.frame(frames.RST_STREAM, 0, stream.number, frames.number(frames.CANCEL)))
                self.drop(stream)
            if now - self._heard_s > PING_S and self._pinged_s == NEVER:
                self._pinged_s = now
                self.write(frames.frame(frames.PING, 0, 0, bytes(8)))

    def failed(self, stream: Stream) -> None:
        """A bug of ours, told where it belongs."""
        traceback.print_exc()
        stream.fail(ModelFailed(BUG))


def _goaway(last: int, code: int, message: str) -> bytes:
    return frames.frame(frames.GOAWAY, 0, 0, frames.number(last) + frames.number(code) + message.encode())
