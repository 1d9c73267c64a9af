"""The way of one loaded model: admit, wait, run together, answer.

Whoever waits when the model is free runs together, up to what the model's probe found to pay. A model that is quick
runs on the event loop's own thread, one batch a turn, so that others get their turn too; a slow one runs on a thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edgewise.edge.serve.contract import Loaded, Observer
from edgewise.edge.serve.core import batch
from edgewise.edge.serve.core.answers import Answers
from edgewise.edge.serve.core.batch import Outcome
from edgewise.edge.serve.core.check import Check
from edgewise.edge.serve.core.cores import Cores, Work
from edgewise.edge.serve.core.pace import Pace
from edgewise.edge.serve.core.queue import Queue
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.core.ticket import Ticket
from edgewise.edge.serve.faults import DeadlineExceeded, Fault, Overloaded
from edgewise.edge.serve.models.probe import batched

BATCH_REQUESTS = 32
HEADROOM = 1.25
"""An estimate must leave so much room before a deadline: runs scatter."""
LEAST_RETRY_S = 1e-3
BUSY = 0.7
"""Share of the time that the model would be busy if it ran requests alone, from which on it waits for company."""
NEWEST_GAP = 0.1
"""Weight of the newest gap between two requests."""


class Timer(Protocol):
    """What `call_later` gives back."""

    def cancel(self) -> None:
        """Do not call."""


class Turns(Protocol):
    """The event loop, as far as a lane needs it."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> object:
        """In the next turn."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """After `delay` seconds."""


class Lane:
    """Requests of one loaded model.

    Attributes:
        batched: requests have rows.
        together: rows of several requests run together.
        check: whether a request fits the model.
        virtual_s: how much of the cores it has had, for fairness.
        refused: the last refusal since it last ran: priority, seconds until the deadline, and what was said.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        turns: Turns,
        cores: Cores,
        settings: Settings,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loaded = loaded
        self.threads = loaded.threads
        self.virtual_s = 0.0
        self.refused: tuple[int, float, Overloaded] | None = None
        self.batched = batched(loaded.signature)
        self.together = loaded.batch_limit > 1
        self.check = Check(loaded.signature, even=self.together)
        self.pace = Pace(loaded.run_s, loaded.batch_limit)
        self._answers = Answers(loaded)
        self._turns = turns
        self._cores = cores
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self._queue = Queue()
        self._running: list[Ticket] = []
        self._until_s = 0.0
        self._easy = False
        self._began: tuple[float, int] | None = None
        self._scheduled = False
        self._gap_s = math.inf
        self._came_s = -math.inf
        self._timer: Timer | None = None
        self._emptied: list[Callable[[], None]] = []

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nobody waits and nothing runs."""
        return not self._running and not len(self._queue)

    def when_idle(self, tell: Callable[[], None]) -> None:
        """Call `tell` once, as soon as nobody waits and nothing runs."""
        if self.idle:
            tell()
        else:
            self._emptied.append(tell)

    # --- Admission

    def refusal(self, rows: int, priority: int, deadline_s: float) -> Overloaded | None:
        """Why a request that came now would be refused; None where it would be admitted."""
        now = self._clock()
        wait = self._wait_s(now, priority)
        own = self.pace.together_s(rows)
        if len(self._queue) >= self._settings.queue_requests:
            return _overloaded(f"{len(self._queue)} requests wait for {self.loaded.name} already", wait / 2)
        if wait > self._settings.queue_s:
            return _overloaded(
                f"a request for {self.loaded.name} would wait {wait * 1e3:.3g} ms, and"
                f" {self._settings.queue_s * 1e3:.3g} ms are allowed",
                wait - self._settings.queue_s,
            )
        late = now + (wait + own) * HEADROOM - deadline_s
        if late > 0:
            return _overloaded(
                f"{self.loaded.name} would answer in {(wait + own) * 1e3:.3g} ms, and the deadline is in"
                f" {max(0.0, deadline_s - now) * 1e3:.3g} ms",
                min(late, wait),
            )
        return None

    def shed(self, priority: int, deadline_s: float) -> Overloaded | None:
        """What was said to who was at least as urgent and as patient, since it last ran; None where nobody is ahead."""
        if self.idle:
            self.refused = None  # whom it would have waited for has gone, and no run said so
        if self.refused is None:
            return None
        urgency, patience_s, said = self.refused
        if priority < urgency or (deadline_s != patience_s and deadline_s - self._clock() > patience_s):
            return None
        return said

    def submit(self, ticket: Ticket) -> None:
        """Admit `ticket`, or refuse it at once."""
        if (
            not self._easy
            or ticket.deadline_s < math.inf
            or self._queue.all_rows >= self.loaded.batch_limit
            or len(self._queue) >= self._settings.queue_requests
        ):
            refused = self.refusal(ticket.rows, ticket.priority, ticket.deadline_s)
            if refused is not None:
                if ticket.rows == 1:
                    self.refused = ticket.priority, ticket.deadline_s - self._clock(), refused
                ticket.answer(refused)
                return
        if self.loaded.delay_bound_s:
            self._note_gap(ticket.arrived_s)
        self._queue.put(ticket)
        if self._observer is not None:
            self._observer.queued(ticket.request, len(self._queue))
        self._schedule()

    def _wait_s(self, now: float, priority: int) -> float:
        """Until a newcomer of `priority` would run."""
        running = max(0.0, self._until_s - now) if self._running else 0.0
        ahead = self.pace.in_turn_s(self._queue.rows(priority))
        return (running + ahead) * (1.0 if self.loaded.inline else self._cores.contention)

    # --- Batches

    def _schedule(self) -> None:
        if self._running or self._scheduled or not len(self._queue):
            return
        self._scheduled = True
        self._turns.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        self._forget_timer()
        if self._running or not len(self._queue):
            self._told_idle()
            return
        pause = self._pause_s()
        if pause > 0:
            self._timer = self._turns.call_later(pause, self._flush)
            return
        if not self.loaded.inline:
            self._cores.want(self)
            return
        work = self.begin()
        if work is not None:
            self.ended(work())

    def _pause_s(self) -> float:
        """How long to wait for others; never so long that a deadline would be missed for it.

        Waiting only pays where requests come so close that the model is busy most of the time; else it runs at once.
        """
        bound = self.loaded.delay_bound_s
        if bound <= self._gap_s or self.pace.together_s(1) < BUSY * self._gap_s:
            return 0.0
        if self.loaded.batch_limit == 1 or self._queue.all_rows >= self.loaded.batch_limit:
            return 0.0
        head = self._queue.head()
        if head is None:
            return 0.0
        start_s = min(
            head.arrived_s + bound, head.deadline_s - HEADROOM * self.pace.together_s(self.loaded.batch_limit)
        )
        return start_s - self._clock()

    def _note_gap(self, arrived_s: float) -> None:
        gap = arrived_s - self._came_s
        self._came_s = arrived_s
        if gap < math.inf:
            self._gap_s = gap if self._gap_s == math.inf else self._gap_s + NEWEST_GAP * (gap - self._gap_s)

    def urgency(self) -> int | None:
        """Priority of who goes next, None where nobody waits."""
        head = self._queue.head()
        return None if head is None else head.priority

    def begin(self) -> Work | None:
        """Take who runs next; what to run, None where nobody waits any more."""
        now = self._clock()
        tickets: list[Ticket] = []
        while not tickets and len(self._queue):
            taken = self._queue.take(self.loaded.batch_limit, BATCH_REQUESTS)
            own = self.pace.together_s(sum(ticket.rows for ticket in taken))
            for ticket in taken:
                if now + own > ticket.deadline_s:
                    ticket.answer(DeadlineExceeded(f"{self.loaded.name} could not answer before the deadline"))
                else:
                    tickets.append(ticket)
        if not tickets:
            self._told_idle()
            return None
        self._running = tickets
        self.refused = None
        self._learn_interval(now, sum(ticket.rows for ticket in tickets))
        self._until_s = now + self.pace.together_s(sum(ticket.rows for ticket in tickets))
        run, clock = self.loaded.run, self._clock

        def work() -> tuple[float, list[Outcome]]:
            started = clock()
            found = batch.outcomes(run, tickets)
            return clock() - started, found

        return work

    def _learn_interval(self, now: float, rows: int) -> None:
        """Learn from one batch to the next while some wait: what the event loop does between them is waited for too.

        Under load that is reading and refusing others, and may be many times what the model takes.
        """
        if self._began is not None:
            began_s, before = self._began
            self.pace.learn(before, now - began_s)
        self._began = now, rows

    def ended(self, result: tuple[float, Sequence[Outcome]]) -> None:
        """Answer those that ran."""
        took_s, found = result
        tickets, self._running = self._running, []
        rows = sum(ticket.rows for ticket in tickets)
        if not len(self._queue):
            self.pace.learn(rows, took_s)
            self._began = None
        # Two batches are sooner done than a request may wait: who has no deadline is let in unasked.
        longest_s = self.pace.together_s(self.loaded.batch_limit)
        self._easy = self.loaded.inline and 2 * longest_s < self._settings.queue_s
        self.virtual_s += took_s * self.threads
        if self._observer is not None:
            self._observer.ran(self.loaded, [ticket.request for ticket in tickets], rows, took_s)
        for ticket, outcome in zip(tickets, found, strict=True):
            ticket.answer(outcome if isinstance(outcome, Fault) else self._answers.response(ticket.request, outcome))
        if self.loaded.inline:
            self._schedule()
        elif not self._scheduled:
            self._flush()  # at once, so that the cores choose among all that wait
        self._told_idle()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _told_idle(self) -> None:
        if self._emptied and self.idle:
            told, self._emptied = self._emptied, []
            for tell in told:
                tell()


def _overloaded(why: str, retry_after_s: float) -> Overloaded:
    return Overloaded(f"{why}; come back later", retry_after_s=max(LEAST_RETRY_S, retry_after_s))
