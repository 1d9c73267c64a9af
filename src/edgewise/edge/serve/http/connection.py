"""One client's connection: requests in, one after the other, answers out in the same order.

- One request is under way at a time. Those that a client sends before it has its answer wait, and nothing more is read.
- `late_s` is the moment by which the client must have moved on; the site's clock ends who is late.
- A client that goes away takes its request with it.
"""

import asyncio
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, cast

from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.guard.limits import PIECE_BYTES
from edgewise.edge.serve.http import answers, routes
from edgewise.edge.serve.http.answers import Answer, Refusal
from edgewise.edge.serve.http.incoming import Incoming
from edgewise.edge.serve.http.message import Message

if TYPE_CHECKING:
    from edgewise.edge.serve.http.inference import Exchange
    from edgewise.edge.serve.http.site import Site

NEVER = float("inf")
LINGER_S = 2.0
"""So long we read on what a refused client still sends, for else it would not see why it was refused."""


class Connection(Incoming):
    """A connection of `site`."""

    def __init__(self, site: "Site") -> None:
        super().__init__(site)
        self._transport: asyncio.Transport
        self._current: Message | None = None
        self._waiting: deque[Message] = deque()
        self._seen: Message | None = None
        self._blocked = self._pumping = False
        self._unsent = 0
        self.exchange: Exchange | None = None
        self.idle_since = self.late_s = NEVER

    # --- what the loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or not where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self.idle_since = time.monotonic()
        self.late_s = self.idle_since + self.site.limits.head_s
        connections = self.site.connections
        connections.add(self)
        if len(connections) > self.site.limits.connections:
            self.refuse(Refusal(503, "too many connections are open", headers=b"Retry-After: 1\r\n"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as the loop calls it
        """The client is gone, and what it asked with it."""
        self.site.connections.discard(self)
        if self.exchange is not None:
            self.exchange.gone()
            self.exchange = None
        for one in (self.reading, self._current, *self._waiting):
            self.release(one)
        self._current = self._seen = None
        self._waiting.clear()
        self.forget()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._blocked = True
        self._unsent = self._transport.get_write_buffer_size()
        self.late_s = time.monotonic() + self.site.limits.progress_s
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._blocked = False
        self.late_s = NEVER if self._current is not None else time.monotonic() + self.site.limits.idle_s
        self._pump()

    # --- in -----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is under way, and nothing waits."""
        return self._current is None and not self._waiting and not self._blocked

    @property
    def last_seen(self) -> Message | None:
        """The request that arrived last."""
        return self._seen

    def arrived(self, arrived: Message) -> None:
        """A request is there, or is refused."""
        self._seen = arrived
        if self._current is None and not self._waiting and not self._blocked:
            self._begin(arrived)
            return
        if (self._current is not None and self._current.last) or any(one.last for one in self._waiting):
            return  # an earlier request was the connection's last: what follows it is nobody's
        self._waiting.append(arrived)
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def begun(self) -> None:
        """A request begins that has not come whole."""
        if self._current is None:
            self.late_s = time.monotonic() + self.site.limits.head_s

    def progressed(self) -> None:
        """The client has sent as much as it must to go on."""
        if self._current is None:
            self.late_s = time.monotonic() + self.site.limits.progress_s

    def proceed(self) -> None:
        """The client waits for leave to send its body."""
        if self.idle:
            self._transport.write(answers.CONTINUE)

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
        try:
            if begun.refused is not None:
                raise begun.refused
            answer = routes.answer(self.site, self, begun)
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
        last = answered.last or self.site.draining
        pieces = answer.written(self.site.date, close=last, with_body=answered.method != b"HEAD")
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)
        if answered.reserved_bytes:
            self.release(answered)
        self.idle_since = time.monotonic()
        if last:
            self._end(unread=answered.refused is not None)
            return
        if not self._blocked:
            self.late_s = self.idle_since + self.site.limits.idle_s
        if self._waiting or self._blocked:
            self._pump()

    def _end(self, *, unread: bool) -> None:
        """Close, once the answer is out; where the client still sends, only our side at first."""
        self.discarding = True
        for one in self._waiting:
            self.release(one)
        self._waiting.clear()
        self.late_s = time.monotonic() + (LINGER_S if unread else self.site.limits.progress_s)
        self._unsent = self._transport.get_write_buffer_size()
        if unread and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    # --- time ---------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """The client is late."""
        unsent = self._transport.get_write_buffer_size()
        if (self._blocked or self.discarding) and unsent and unsent <= self._unsent - PIECE_BYTES:
            self._unsent = unsent
            self.late_s = now + self.site.limits.progress_s
        elif self._blocked or self.discarding or unsent:
            self.abort()
        elif self.reading is not None:
            self.refuse(Refusal(408, "the request did not come in time"))
        else:
            self.close()

    def close(self) -> None:
        """Close where nothing is under way."""
        if self._current is None and self.reading is None and not self._waiting:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()
