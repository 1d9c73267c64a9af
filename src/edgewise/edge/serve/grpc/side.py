"""The gRPC server: where it listens, what all its connections share, its clock and its end."""

import asyncio
import contextlib
import time
import traceback

from edgewise.edge.serve.addresses import BACKLOG, Address, Listener
from edgewise.edge.serve.contract import Core, Observer
from edgewise.edge.serve.faults import Overloaded
from edgewise.edge.serve.grpc.calls import Calls
from edgewise.edge.serve.grpc.connection import Connection
from edgewise.edge.serve.guard import tls
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.guard.tls import TlsFiles

LOOK_S = 0.5


class Side:
    """The gRPC server at `address`.

    Attributes:
        under_way: calls, over all connections.

    Raises:
        AddressTaken: the address cannot be had. BadConfiguration: the TLS files cannot be used.
    """

    def __init__(
        self,
        core: Core,
        address: Address,
        *,
        limits: Limits,
        files: TlsFiles | None = None,
        keys: Keys | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.limits, self._files = limits, files
        self.calls = Calls(core, limits=limits, keys=keys, observer=observer)
        self.connections: set[Connection] = set()
        self.under_way = 0
        self._under_way_bytes = 0
        self._context = tls.context(files, protocol="h2") if files else None
        self._listener = Listener(address)
        self._server: asyncio.Server | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def accept(self) -> str:
        """Listen, and say where.

        Raises:
            AddressTaken: it cannot be listened at.
        """
        where = self._listener.listen()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self),
            sock=self._listener.socket,
            ssl=self._context,
            ssl_handshake_timeout=self.limits.head_s if self._context else None,
            backlog=BACKLOG,
        )
        self._tick()
        return where

    def reload(self) -> None:
        """Read the certificates again, for every connection to come.

        Raises:
            BadConfiguration: they cannot be used; the old ones stay.
        """
        if self._context is not None and self._files is not None:
            tls.load(self._context, self._files)

    async def drain(self) -> None:
        """Stop accepting, answer what is under way."""
        self.calls.draining = True
        await asyncio.sleep(0)  # those who have connected already are let in first
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.leave()
        ends = time.monotonic() + self.limits.drain_s
        while self.connections and time.monotonic() < ends:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        if self._watch is not None:
            self._watch.cancel()
        self._listener.close()

    def reserve(self, size_bytes: int) -> None:
        """Take so much of what all messages may have together.

        Raises:
            Overloaded: others have it.
        """
        if self._under_way_bytes + size_bytes > self.limits.under_way_bytes:
            raise Overloaded(
                f"messages of {self._under_way_bytes} bytes are under way: there is no room for {size_bytes} more",
                retry_after_s=1.0,
            )
        self._under_way_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what `reserve` took."""
        self._under_way_bytes -= size_bytes

    def _tick(self) -> None:
        """Look after the connections, and again in a moment."""
        with contextlib.suppress(RuntimeError):  # the loop ends
            self._watch = asyncio.get_running_loop().call_later(LOOK_S, self._tick)
        now = time.monotonic()
        for connection in list(self.connections):
            try:
                connection.look(now)
            except Exception:
                traceback.print_exc()
                connection.abort()
