"""The problem put machine by machine, for where patterns are too many: a column for every option on every machine.

Of machines that are alike no more are written down than there are replicas, and they are taken in order.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array, csr_array

from edgewise.design.assign.problem import Kind, Loaded, Option, Part, Problem, costs, names
from edgewise.design.assign.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One machine: its own column, which is 1 where it is in use, and a column for each of its options."""

    kind: Kind
    column: int
    options: tuple[Option, ...]

    @property
    def columns(self) -> range:
        """Columns of the options, in their order."""
        return range(self.column + 1, self.column + 1 + len(self.options))


@dataclass(slots=True)
class _Rows:
    """Rows of a sparse matrix as they are written."""

    places: list[tuple[int, int, float]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, entries: Sequence[tuple[int, float]], low: float, high: float) -> None:
        self.places += [(len(self.low), column, value) for column, value in entries]
        self.low.append(low)
        self.high.append(high)


def slots(problem: Problem) -> list[Slot]:
    """The machines that could be in use."""
    offered = problem.offered()
    found: list[Slot] = []
    column = 0
    for kind in problem.kinds:
        options = tuple(offered[kind.name])
        models = {option.model for option in options}
        useful = sum(demand.replicas for demand in problem.demands if demand.model in models)
        for _ in range(min(kind.count, useful)):
            found.append(Slot(kind=kind, column=column, options=options))
            column += 1 + len(options)
    return found


def program(problem: Problem, found: Sequence[Slot], *, in_watt: bool) -> Program:
    """The program over `found`: every replica once, on another machine each, within what every machine has."""
    columns = found[-1].columns.stop if found else 0
    rows = _Rows()
    for demand in problem.demands:
        places = [(c, 1.0) for slot in found for c, o in _columns(slot) if o.model == demand.model]
        rows.add(places, demand.replicas, demand.replicas)
    for slot in found:
        _limits(rows, slot)
    for one, following in itertools.pairwise(found):
        if one.kind is following.kind:
            rows.add([(one.column, 1.0), (following.column, -1.0)], 0.0, 1.0)
    cost = np.zeros((3, columns))
    for slot in found:
        cost[:, slot.column] = (slot.kind.price_usd, 0.0, 1.0)
        for column, option in _columns(slot):
            cost[1, column] = costs(slot.kind, [option], in_watt=in_watt)[1]
    row, column_of, value = zip(*rows.places, strict=True) if rows.places else ((), (), ())
    shape = (len(rows.low), columns)
    matrix = coo_array((np.array(value, float), (np.array(row, int), np.array(column_of, int))), shape=shape)
    return Program(
        costs=cost,
        names=names(in_watt=in_watt),
        rows=csr_array(matrix),
        low=np.array(rows.low),
        high=np.array(rows.high),
        most=np.ones(columns),
    )


def loads(found: Sequence[Slot], x: np.typing.NDArray[np.int64]) -> tuple[Loaded, ...]:
    """The answer `x` in words."""
    carried = ((slot.kind.name, tuple(option for column, option in _columns(slot) if x[column])) for slot in found)
    return tuple(Loaded(kind=kind, options=options) for kind, options in carried if options)


def _columns(slot: Slot) -> Sequence[tuple[int, Option]]:
    return list(zip(slot.columns, slot.options, strict=True))


def _limits(rows: _Rows, slot: Slot) -> None:
    """What one machine can carry, as shares of what it has; nothing unless it is in use."""
    kind, options = slot.kind, _columns(slot)
    for name, part in kind.parts.items():
        _busy(rows, slot.column, part, [(column, option) for column, option in options if option.part == name])
    for name in ("memory_bytes", "flash_bytes"):
        free = getattr(kind, name)
        if free:
            shares = [(column, getattr(option, name) / free) for column, option in options]
            rows.add([*shares, (slot.column, -1.0)], -np.inf, 0.0)
    for model in dict.fromkeys(option.model for option in slot.options):
        rows.add([*((c, 1.0) for c, o in options if o.model == model), (slot.column, -1.0)], -np.inf, 0.0)


def _busy(rows: _Rows, machine: int, part: Part, options: Sequence[tuple[int, Option]]) -> None:
    if not options:
        return
    room = part.most_busy - part.other
    busy = [(column, option.busy_cores / part.cores) for column, option in options]
    rows.add([*busy, (machine, -room)], -np.inf, 0.0)
    for column, option in options:
        if option.most_busy < part.most_busy:  # where it runs, the part may be no busier than it bears
            own = [(c, share + (part.most_busy - option.most_busy) * (c == column)) for c, share in busy]
            rows.add(own, -np.inf, room)
