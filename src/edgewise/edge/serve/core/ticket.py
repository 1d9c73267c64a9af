"""One request on its way through the core."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from edgewise.edge.serve.contract import Done
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import Request, Response
from edgewise.runtimes.samples import Array

DEFAULT_PRIORITY = 2
"""What priority 0 means: 1 goes before it, 3 and more after it."""

Likeness = tuple[tuple[int, ...], ...]
"""Shapes without their first axis: only requests that are alike can run together."""


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A request that was checked, until it is answered.

    Attributes:
        inputs: in the model's order.
        rows: along the first axis; 1 where there is no batch axis.
        deadline_s: infinity for never.
        done: None once it was answered or cancelled.
        withdrawn: told when it is cancelled, while it waits.
    """

    request: Request
    done: Done | None
    arrived_s: float
    inputs: list[Array] = field(default_factory=list)
    rows: int = 1
    likeness: Likeness = ()
    priority: int = DEFAULT_PRIORITY
    deadline_s: float = math.inf
    withdrawn: "Callable[[Ticket], None] | None" = None

    def answer(self, outcome: Response | Fault) -> None:
        """Tell whoever waits, once."""
        done, self.done = self.done, None
        if done is not None:
            done(outcome)

    def cancel(self) -> None:
        """The client has gone: do not run it if it does not run yet, and answer nobody."""
        if self.done is None:
            return
        self.done = None
        if self.withdrawn is not None:
            self.withdrawn(self)
