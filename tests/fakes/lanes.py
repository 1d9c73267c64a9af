"""A lane in simulated time: an event loop, cores and a model whose calls take what a curve says."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.edge.serve.core.cores import Cores
from edgewise.edge.serve.core.lane import Lane
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.core.ticket import Ticket
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import Response
from edgewise.nouns import Signature, Tensor
from edgewise.runtimes.samples import Array
from fakes.serving import asked


class Timer:
    def __init__(self) -> None:
        self.live = True

    def cancel(self) -> None:
        self.live = False


class Turns:
    """An event loop whose clock moves when everything else stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._count = itertools.count()
        self._due: list[tuple[float, int, Timer, Callable[..., object], tuple[Any, ...]]] = []

    def clock(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Timer:
        return self.call_later(0.0, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        timer = Timer()
        heapq.heappush(self._due, (self.now + max(0.0, delay), next(self._count), timer, callback, args))
        return timer

    def step(self) -> bool:
        """One callback; False where there is none."""
        if not self._due:
            return False
        when, _, timer, callback, args = heapq.heappop(self._due)
        self.now = max(self.now, when)
        if timer.live:
            callback(*args)
        return True

    def run(self) -> None:
        while self.step():
            pass


class SimulatedCores(Cores):
    """Runs work at once, and says so when the model's seconds are over."""

    def __init__(self, count: int, turns: Turns) -> None:
        super().__init__(count, turns.call_soon)
        self._turns = turns

    def _hand_over(self, runner: Any, work: Any) -> None:
        before = runner.loaded.spent_s
        _, found = work()
        cost = runner.loaded.spent_s - before
        self._turns.call_later(cost, self._ended, runner, (cost, found))


@dataclass
class Doubler:
    """y = 2 x for rows of `width`; takes `run_s` for 1, 2, 4, … rows; `poison` in a row makes it fail."""

    turns: Turns
    run_s: Sequence[float] = (1e-3,)
    name: str = "double"
    version: str = "1"
    platform: str = "fake"
    inline: bool = False
    threads: int = 1
    delay_bound_s: float = 0.0
    poison: float = -1.0
    slower: float = 1.0
    batches: list[int] = field(default_factory=list)
    spent_s: float = 0.0

    @property
    def batch_limit(self) -> int:
        return int(2 ** (len(self.run_s) - 1))

    @property
    def signature(self) -> Signature:
        shape = ("batch", "width")
        return Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=shape),),
            outputs=(Tensor(name="y", dtype="float32", shape=shape),),
        )

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        rows = len(inputs[0])
        self.batches.append(rows)
        index = max(0, (rows - 1).bit_length())
        cost = self.slower * (
            self.run_s[index] if index < len(self.run_s) else self.run_s[-1] * rows / self.batch_limit
        )
        self.spent_s += cost
        if self.inline:
            self.turns.now += cost
        if (inputs[0] == self.poison).any():
            raise ValueError("a poisoned row")
        return [inputs[0] * 2]


@dataclass
class Asked:
    """A request in simulated time, and what became of it."""

    ticket: Ticket
    asked_s: float
    outcome: Response | Fault | None = None
    answered_s: float = 0.0
    answers: int = 0


class Scene:
    """A lane with everything around it simulated."""

    def __init__(self, model: Doubler, *, cores: SimulatedCores | None = None, **settings: Any) -> None:
        self.turns = model.turns
        self.model = model
        self.lane = Lane(
            model,
            turns=self.turns,
            cores=cores or SimulatedCores(1, self.turns),
            settings=Settings(**settings),
            clock=self.turns.clock,
        )
        self.all: list[Asked] = []

    def ask(
        self, value: float = 1.0, *, rows: int = 1, width: int = 3, priority: int = 2, within_s: float = np.inf
    ) -> Asked:
        """One request for `rows` rows that are `value`, with a deadline in `within_s`."""
        x = np.full((rows, width), value, np.float32)
        ticket = Ticket(
            request=asked(self.model.name, {"x": x}),
            done=None,
            arrived_s=self.turns.now,
            inputs=[x],
            rows=rows,
            likeness=((width,),),
            priority=priority,
            deadline_s=self.turns.now + within_s,
        )
        one = Asked(ticket=ticket, asked_s=self.turns.now)

        def done(outcome: Response | Fault) -> None:
            one.outcome, one.answered_s = outcome, self.turns.now
            one.answers += 1

        ticket.done = done
        self.all.append(one)
        self.lane.submit(ticket)
        return one
