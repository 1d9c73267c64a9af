"""The life of the server's process: bind, prove, accept, hear signals, drain.

- Addresses are bound first, so that one that is taken is told before a model is loaded; nothing is accepted before
  every model is proven.
- SIGUSR1 accepts at the addresses that were named by --later. SIGHUP reads keys, certificates and model folders again.
- SIGTERM and SIGINT stop accepting, answer what is under way, and end with 0. A second one ends at once.
- stdout has one JSON line for whoever started the process, and one more after SIGUSR1.
"""

import asyncio
import contextlib
import gc
import json
import signal
import sys
import traceback
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from edgewise.edge.serve.addresses import Address, Listener
from edgewise.edge.serve.contract import Core, Observer
from edgewise.edge.serve.guard import tls
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.http.site import Site
from edgewise.edge.serve.models import memory
from edgewise.edge.serve.options import Options
from edgewise.errors import EdgewiseError, MissingDependency


class GrpcSide(Protocol):
    """The gRPC skin, as far as the process knows it; imported only where it is asked for."""

    async def accept(self) -> str:
        """Listen, and say where."""
        ...

    def reload(self) -> None:
        """Read the certificates again."""

    async def drain(self) -> None:
        """Stop accepting, answer what is under way."""


class Server:
    """Serves `core` as `options` say."""

    def __init__(self, options: Options, core: Core, observer: Observer | None = None) -> None:
        self._options, self._core, self._observer = options, core, observer
        self._keys = Keys(options.keys) if options.keys else None
        self._context = tls.context(options.tls) if options.tls else None
        self._listeners = {address: Listener(address) for address in options.http}
        self._site: Site | None = None
        self._grpc: GrpcSide | None = None
        self._stop = asyncio.Event()
        self._later = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until a signal says otherwise.

        Raises:
            EdgewiseError: it cannot be begun.
        """
        self._hear()
        try:
            if not await self._core_started():
                return
            if self._observer is not None:
                self._observer.started(self._core.models)
            self._site = Site(
                self._core,
                limits=self._options.limits,
                keys=self._keys,
                observer=self._observer,
            )
            self._open_grpc()
            http = [one for one in self._options.http if one not in self._options.later]
            grpc = self._options.grpc not in self._options.later
            say({"ready": True, **await self._accept(http, grpc=grpc)})
            memory.give_back()
            gc.enable()
            gc.freeze()  # what is there now stays: the collector need not look at it for every few requests
            await self._until_stopped()
        finally:
            for listener in self._listeners.values():
                listener.close()

    async def _core_started(self) -> bool:
        """False where a signal ended the process first."""
        start, stop = asyncio.ensure_future(self._core.start()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if start.done():
            start.result()
            return True
        start.cancel()
        return False

    async def _until_stopped(self) -> None:
        assert self._site is not None
        waiting = asyncio.create_task(self._accept_later())
        await self._stop.wait()
        waiting.cancel()
        await asyncio.gather(self._site.drain(), self._grpc.drain() if self._grpc else asyncio.sleep(0))
        await self._core.stop()
        if self._observer is not None:
            await asyncio.to_thread(self._observer.stopped)

    async def _accept_later(self) -> None:
        await self._later.wait()
        http = [one for one in self._options.http if one in self._options.later]
        try:
            say({"accepting": True, **await self._accept(http, grpc=self._options.grpc in self._options.later)})
        except EdgewiseError as error:
            say({"accepting": False, "reason": error.message})

    async def _accept(self, http: Sequence[Address], *, grpc: bool) -> dict[str, list[str]]:
        assert self._site is not None
        found = []
        for address in http:
            listener = self._listeners[address]
            found.append(listener.listen())
            await self._site.accept(listener.socket, self._context)
        return {"http": found, "grpc": [await self._grpc.accept()] if grpc and self._grpc else []}

    def _open_grpc(self) -> None:
        if self._options.grpc is None:
            return
        try:
            from edgewise.edge.serve.grpc.side import Side  # noqa: PLC0415 - 20 MB that REST alone need not pay for
        except ModuleNotFoundError as error:
            raise MissingDependency(f"gRPC needs {error.name}", hint="pip install 'edgewise[serve-grpc]'") from error
        self._grpc = Side(
            self._core,
            self._options.grpc,
            limits=self._options.limits,
            files=self._options.tls,
            keys=self._keys,
            observer=self._observer,
        )

    def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped)
        loop.add_signal_handler(signal.SIGUSR1, self._later.set)
        loop.add_signal_handler(signal.SIGHUP, self._again)

    def _stopped(self) -> None:
        if self._stop.is_set():
            sys.exit(1)
        self._stop.set()

    def _again(self) -> None:
        if self._site is not None:  # else it is about to read everything anyway
            self._spawn(self._reload())

    async def _reload(self) -> None:
        for again in (self._reload_keys, self._reload_tls):
            try:
                again()
            except EdgewiseError as error:
                complain(error)
        try:
            await self._core.reload()
        except EdgewiseError as error:
            complain(error)
        except Exception:
            traceback.print_exc()

    def _reload_keys(self) -> None:
        if self._keys is not None:
            self._keys.reload()

    def _reload_tls(self) -> None:
        if self._context is not None and self._options.tls is not None:
            tls.load(self._context, self._options.tls)
        if self._grpc is not None:
            self._grpc.reload()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def say(document: dict[str, Any]) -> None:
    """One line for whoever started the process."""
    with contextlib.suppress(BrokenPipeError):  # whoever started it has gone; it serves on
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()


def complain(error: EdgewiseError) -> None:
    """A sentence for a person."""
    sys.stderr.write(f"edgewise: {error.message}\n" + (f"  {error.hint}\n" if error.hint else ""))
