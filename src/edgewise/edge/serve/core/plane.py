"""The data plane under all skins: a request finds its model, waits while it is loaded, and goes down its lane."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewise.edge.serve.contract import Done, Observer
from edgewise.edge.serve.core.cores import Cores
from edgewise.edge.serve.core.lane import Lane
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.core.ticket import DEFAULT_PRIORITY, Ticket
from edgewise.edge.serve.faults import DeadlineExceeded, Fault, ModelFailed, NotReady, Overloaded
from edgewise.edge.serve.models.keeper import Keeper
from edgewise.edge.serve.models.loaded import LoadedModel
from edgewise.edge.serve.tensors import Request

CLOSING = "the server is shutting down"
Key = tuple[str, str]


class Plane:
    """See `edge.serve.contract.Core`."""

    def __init__(
        self, paths: Sequence[Path], *, digest: str = "", settings: Settings, observer: Observer | None = None
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._lanes: dict[int, Lane] = {}
        self._refusing: dict[Key, Lane] = {}
        self._waiting: dict[Key, list[Ticket]] = {}
        self._fetching: set[asyncio.Task[None]] = set()
        self._cores: Cores | None = None
        self._open = False
        self._stopped = False
        self.models = Keeper(
            paths,
            digest=digest,
            limit_bytes=settings.memory_limit_bytes,
            arrived=self._arrived,
            retire=self._retire,
        )

    @property
    def ready(self) -> bool:
        """True where every model that must be loaded at the start is, and the server does not shut down."""
        return self._open

    async def start(self) -> None:
        """Load, warm and prove every model that must be there before the first request.

        Raises:
            EdgewiseError: one is not to be had, or does not reproduce its golden; nothing may be served.
        """
        self._loop = asyncio.get_running_loop()
        self._cores = Cores(self._settings.cores, self._loop.call_soon_threadsafe)
        await self.models.start(lazy=self._settings.lazy)
        self._open = True

    async def reload(self) -> None:
        """Read the model folders again: what is newer takes over, what fails leaves what serves in place.

        Raises:
            EdgewiseError: what could not be read or loaded, the first of it; what served serves on.
        """
        await self.models.reread(lazy=self._settings.lazy)

    async def stop(self) -> None:
        """Answer what is under way, admit nothing further, free the models."""
        self._open = False
        if self._stopped:
            return
        self._stopped = True
        while self._fetching:
            await asyncio.gather(*self._fetching, return_exceptions=True)
        await self.models.close()
        if self._cores is not None:
            self._cores.close()

    def depth(self) -> Mapping[Key, int]:
        """Requests that wait, by model and version."""
        return {(lane.loaded.name, lane.loaded.version): lane.waiting for lane in self._lanes.values()}

    def refusal(self, model: str, version: str = "", deadline_s: float | None = None) -> Fault | None:
        """Why a request would be refused if it came now; None is no promise."""
        if not self._open:
            return NotReady(CLOSING)
        try:
            loaded = self.models.find(model, version)
        except Fault as fault:
            return fault
        if loaded is None:
            return None
        deadline = math.inf if deadline_s is None else deadline_s
        return self._lanes[id(loaded)].refusal(1, DEFAULT_PRIORITY, deadline)

    def shed(self, model: str, version: str, priority: int, deadline_s: float | None) -> Fault | None:
        """The refusal of a moment ago, where it holds for this request too."""
        if not self._refusing:
            return None
        lane = self._refusing.get((model, version))
        if lane is None:
            return None
        if lane.refused is None:
            del self._refusing[model, version]
            return None
        return lane.shed(priority or DEFAULT_PRIORITY, math.inf if deadline_s is None else deadline_s)

    def submit(self, request: Request, done: Done) -> Ticket:
        """Check `request` against its model, queue it, run it with others, and call `done`."""
        ticket = Ticket(
            request=request,
            done=done,
            arrived_s=time.monotonic(),
            priority=max(1, request.priority) if request.priority else DEFAULT_PRIORITY,
            deadline_s=math.inf if request.deadline_s is None else request.deadline_s,
        )
        if not self._open:
            ticket.answer(NotReady(CLOSING))
            return ticket
        try:
            loaded = self.models.find(request.model, request.version)
            if loaded is None:
                self._wait_for_model(ticket)
            else:
                lane = self._lanes[id(loaded)]
                self._enter(ticket, lane)
                if lane.refused is not None:
                    self._refusing[request.model, request.version] = lane
        except Fault as fault:
            ticket.answer(fault)
        return ticket

    def _enter(self, ticket: Ticket, lane: Lane) -> None:
        ticket.inputs = lane.check.inputs(ticket.request)
        if lane.batched:
            ticket.rows = len(ticket.inputs[0])
            if lane.together:
                ticket.likeness = tuple([array.shape[1:] for array in ticket.inputs])
        lane.submit(ticket)

    # --- Models that come and go

    def _wait_for_model(self, ticket: Ticket) -> None:
        """Load the model, and keep `ticket` until it is there."""
        key = (ticket.request.model, ticket.request.version)
        line = self._waiting.setdefault(key, [])
        if len(line) >= self._settings.queue_requests:
            raise Overloaded(f"{len(line)} requests wait for {key[0]} to be loaded", retry_after_s=1.0)
        line.append(ticket)
        if ticket.deadline_s < math.inf:
            late = DeadlineExceeded(f"{key[0]} was not loaded before the deadline")
            self._loop.call_later(max(0.0, ticket.deadline_s - time.monotonic()), self._give_up, ticket, late)
        if len(line) == 1:
            task = self._loop.create_task(self._fetch(key))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)

    def _give_up(self, ticket: Ticket, late: Fault) -> None:
        """The deadline of a ticket that had to wait for its model: answered, unless it is in a lane by now."""
        if any(ticket in line for line in self._waiting.values()):
            ticket.answer(late)

    async def _fetch(self, key: Key) -> None:
        outcome: Fault | None = None
        try:
            await self.models.fetch(*key)
        except Fault as fault:
            outcome = fault
        except Exception as error:  # a bug of ours must not leave clients waiting
            outcome = ModelFailed(f"{key[0]} could not be loaded: {error}")
        for ticket in self._waiting.pop(key, []):
            if outcome is None:
                self._again(ticket)
            else:
                ticket.answer(outcome)

    def _arrived(self, loaded: LoadedModel) -> None:
        """A lane for what was loaded; those that wait for it go in, before anything else can happen to it."""
        assert self._cores is not None
        lane = Lane(loaded, turns=self._loop, cores=self._cores, settings=self._settings, observer=self._observer)
        self._lanes[id(loaded)] = lane
        for key in list(self._waiting):
            if key[0] == loaded.name and self.models.find(*key) is loaded:
                tickets, self._waiting[key] = self._waiting[key], []
                for ticket in tickets:
                    self._again(ticket)

    def _again(self, ticket: Ticket) -> None:
        """Down the lane with a ticket that waited for its model."""
        if ticket.done is None:
            return
        try:
            loaded = self.models.find(ticket.request.model, ticket.request.version)
            if loaded is None:
                raise NotReady(f"{ticket.request.model} was unloaded again")
            self._enter(ticket, self._lanes[id(loaded)])
        except Fault as fault:
            ticket.answer(fault)

    async def _retire(self, loaded: LoadedModel) -> None:
        """Wait until nothing runs on `loaded`, which nobody finds any more."""
        lane = self._lanes.get(id(loaded))
        if lane is None:
            return
        idle = asyncio.Event()
        lane.when_idle(idle.set)
        await idle.wait()
        del self._lanes[id(loaded)]
