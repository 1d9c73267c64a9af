"""What all connections share: the core, the limits, who may come in, and the clock that ends what is late."""

import asyncio
import contextlib
import ssl
import time
import traceback
from socket import socket

from edgewise.edge.serve.contract import Core, Observer
from edgewise.edge.serve.faults import Fault, Overloaded
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.limits import PIECE_BYTES, Limits
from edgewise.edge.serve.http import answers
from edgewise.edge.serve.http.answers import Answer
from edgewise.edge.serve.http.connection import Connection
from edgewise.edge.serve.http.reading import Reader

LOOK_S = 0.5
BUSY_S = 1.5e-3
"""An event loop that reads again so soon was at work meanwhile; else it slept, and read at once."""
QUIET_S = 1.0
"""While the server drains, a connection that asks nothing for so long is closed."""


class Site:
    """The HTTP side of the server.

    Attributes:
        buffer: what connections read into, one after the other: what is read is used before the next one reads.
        date: the Date header's line, as of now.
        draining: every answer says that its connection closes.
    """

    def __init__(
        self,
        core: Core,
        *,
        limits: Limits,
        keys: Keys | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.core, self.limits, self.keys, self.observer = core, limits, keys, observer
        self.reader = Reader(limits)
        self.storage = bytearray(PIECE_BYTES)
        self.buffer = memoryview(self.storage)
        self.connections: set[Connection] = set()
        self.draining = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._under_way_bytes = 0
        self._servers: list[asyncio.Server] = []
        self._watch: asyncio.TimerHandle | None = None
        self._said: tuple[Fault, Answer] | None = None
        self._in_turn = False
        self._turn_s = self._ended_s = self._earliest_s = 0.0
        self.tick()

    async def accept(self, listening: socket, context: ssl.SSLContext | None) -> None:
        """Serve who connects to `listening`."""
        loop = asyncio.get_running_loop()
        handshake_s = self.limits.head_s if context else None
        self._servers.append(
            await loop.create_server(
                lambda: Connection(self), sock=listening, ssl=context, ssl_handshake_timeout=handshake_s, backlog=1024
            )
        )

    async def drain(self) -> None:
        """Stop accepting, answer what is under way and what comes on open connections, then close them."""
        self.draining = True
        await asyncio.sleep(0)  # those who have connected already are let in first
        for server in self._servers:
            server.close()
        self._servers.clear()
        end = time.monotonic() + self.limits.drain_s
        while self.connections and time.monotonic() < end:
            quiet = time.monotonic() - QUIET_S
            for connection in [one for one in self.connections if one.idle_since < quiet]:
                connection.close()
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        if self._watch:
            self._watch.cancel()

    def tick(self) -> None:
        """Look after the connections, and again in a moment."""
        now = time.monotonic()
        self.date = answers.date(time.time())
        with contextlib.suppress(RuntimeError):  # made outside of a loop: in tests
            self._watch = asyncio.get_running_loop().call_later(LOOK_S, self.tick)
        for connection in [one for one in self.connections if one.late_s < now]:
            try:
                connection.expire(now)
            except Exception:
                traceback.print_exc()
                connection.abort()

    def earliest_s(self, now: float) -> float:
        """When what is read `now` may have come: it can have waited unread while the event loop did its last turn."""
        if not self._in_turn:
            self._in_turn = True
            self._earliest_s = self._turn_s if now - self._ended_s < BUSY_S else now
            self._turn_s = now
            asyncio.get_running_loop().call_soon(self._turned)
        return self._earliest_s

    def _turned(self) -> None:
        self._in_turn = False
        self._ended_s = time.monotonic()

    def refusal(self, fault: Fault) -> Answer:
        """The answer that says `fault`, written once for all who are told the same."""
        if self._said is None or self._said[0] is not fault:
            self._said = fault, answers.fault(fault)
        return self._said[1]

    def reserve(self, size_bytes: int) -> None:
        """Take so much of what all bodies may have together.

        Raises:
            Overloaded: others have it.
        """
        if self._under_way_bytes + size_bytes > self.limits.under_way_bytes:
            raise Overloaded(
                f"requests of {self._under_way_bytes} bytes are under way: there is no room for {size_bytes} more",
                retry_after_s=1.0,
            )
        self._under_way_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what `reserve` took."""
        self._under_way_bytes -= size_bytes
