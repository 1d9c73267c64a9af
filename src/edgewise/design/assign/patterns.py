"""The problem put by patterns: what one machine can carry is listed, and the program counts how many carry what.

Machines of one kind are alike, so a pattern is a column and its value a number of machines: a fleet of hundreds
costs no more than one of three. It is the cutting stock formulation of Gilmore and Gomory (1961), with all patterns
written out, so that the solver's bound is that of the problem.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array, csr_array

from edgewise.design.assign.problem import Kind, Loaded, Option, Problem, costs, fits, names
from edgewise.design.assign.program import Floats, Program

Pattern = tuple[Kind, tuple[Option, ...]]


def patterns(problem: Problem, *, most: int) -> list[Pattern] | None:
    """Everything that a machine of each kind can carry but nothing at all; None where that is more than `most`."""
    offered = problem.offered()
    found: list[Pattern] = []
    for kind in problem.kinds:
        by_model = [
            [option for option in offered[kind.name] if option.model == demand.model] for demand in problem.demands
        ]
        for options in _carried(kind, [options for options in by_model if options]):
            found.append((kind, options))
            if len(found) > most:
                return None
    return found


def program(problem: Problem, found: Sequence[Pattern], *, in_watt: bool) -> Program:
    """The program whose columns are `found`: every replica exactly once, no more machines than there are."""
    row_of = {demand.model: row for row, demand in enumerate(problem.demands)}
    first = len(problem.demands)
    row_of_kind = {kind.name: first + index for index, kind in enumerate(problem.kinds)}
    places = [(row_of[option.model], column) for column, (_, options) in enumerate(found) for option in options]
    places += [(row_of_kind[kind.name], column) for column, (kind, _) in enumerate(found)]
    replicas = [float(demand.replicas) for demand in problem.demands]
    counts = [float(kind.count) for kind in problem.kinds]
    return Program(
        costs=np.array([costs(*pattern, in_watt=in_watt) for pattern in found]).reshape(-1, 3).T,
        names=names(in_watt=in_watt),
        rows=_ones(places, (first + len(counts), len(found))),
        low=np.array([*replicas, *([0.0] * len(counts))]),
        high=np.array([*replicas, *counts]),
        most=np.array([float(min(kind.count, problem.replicas)) for kind, _ in found]),
    )


def loads(found: Sequence[Pattern], x: np.typing.NDArray[np.int64]) -> tuple[Loaded, ...]:
    """The answer `x` in words."""
    return tuple(
        Loaded(kind=kind.name, options=options, times=int(times))
        for (kind, options), times in zip(found, x, strict=True)
        if times
    )


def _carried(
    kind: Kind, by_model: Sequence[Sequence[Option]], taken: tuple[Option, ...] = ()
) -> Iterator[tuple[Option, ...]]:
    """`taken` with every choice from the models in `by_model`, each at most once; never the empty one.

    A load that does not fit will not fit with more, so nothing is lost by stopping there.
    """
    for index, options in enumerate(by_model):
        for option in options:
            more = (*taken, option)
            if fits(kind, more):
                yield more
                yield from _carried(kind, by_model[index + 1 :], more)


def _ones(places: Sequence[tuple[int, int]], shape: tuple[int, int]) -> csr_array:
    rows, columns = zip(*places, strict=True) if places else ((), ())
    values: Floats = np.ones(len(places))
    return csr_array(coo_array((values, (np.array(rows, int), np.array(columns, int))), shape=shape))
