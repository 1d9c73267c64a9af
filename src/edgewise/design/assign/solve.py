"""From a problem to its answer, and from one without an answer to what would give it one."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgewise.design.assign import machine_by_machine, patterns
from edgewise.design.assign.first_fit import first_fit
from edgewise.design.assign.problem import Assignment, Kind, Loaded, Option, Problem, names, power_known, total
from edgewise.design.assign.program import SOLVER, Solved, objective, solve
from edgewise.nouns import Objective

MOST_PATTERNS = 20_000
SECONDS = 60.0


def assign(problem: Problem, *, seconds: float = SECONDS, most_patterns: int = MOST_PATTERNS) -> Assignment:
    """The cheapest assignment of every replica to a machine, with what is proven of it.

    Args:
        seconds: for the solver; what it has found by then is taken, with the gap that is left.
        most_patterns: from how many on machines are written down one by one.
    """
    started = time.monotonic()
    in_watt = power_known(problem.options)
    listed = patterns.patterns(problem, most=most_patterns)
    if listed is None:
        slots = machine_by_machine.slots(problem)
        formulation = f"{len(slots)} machines one by one"
        solved = solve(machine_by_machine.program(problem, slots, in_watt=in_watt), seconds=seconds)
        found = None if solved.x is None else machine_by_machine.loads(slots, solved.x)
    else:
        formulation = f"{len(listed)} ways to load a machine"
        solved = solve(patterns.program(problem, listed, in_watt=in_watt), seconds=seconds)
        found = None if solved.x is None else patterns.loads(listed, solved.x)
    if not solved.infeasible:
        found = _better(problem, found, first_fit(problem), in_watt=in_watt)
    return Assignment(
        loads=found,
        objectives=() if found is None else _reached(problem, found, solved, in_watt=in_watt),
        impossible=solved.infeasible,
        formulation=f"{SOLVER}, {formulation}",
        seconds=time.monotonic() - started,
    )


def more_needed(problem: Problem, *, seconds: float = SECONDS) -> dict[str, int]:
    """For each kind how many more machines of it, and of it alone, would give `problem` an answer.

    A kind whose machines would not help, however many there were, is left out; so is one for which the solver ran
    out of time before it could prove the number.
    """
    found = {}
    for kind in problem.kinds:
        more = replace(kind, name=f"more {kind.name}", count=problem.replicas, price_usd=1.0)
        copies = tuple(replace(option, kind=more.name) for option in problem.options if option.kind == kind.name)
        answer = assign(_beside(problem, (more,), copies), seconds=seconds / len(problem.kinds))
        if copies and answer.loads is not None and answer.objectives[0].gap == 0:
            found[kind.name] = round(answer.objectives[0].value)
    return found


def left_out(problem: Problem, *, seconds: float = SECONDS) -> Mapping[str, int]:
    """How many replicas of which models stay without a machine where as few as possible do."""
    nowhere = tuple(
        Kind(name=f"nowhere for {demand.model}", count=demand.replicas, price_usd=1.0) for demand in problem.demands
    )
    idle = 0.0 if power_known(problem.options) else None
    without = tuple(
        Option(model=demand.model, kind=kind.name, design="", busy_cores=0.0, watt=idle)
        for demand, kind in zip(problem.demands, nowhere, strict=True)
    )
    loads = assign(_beside(problem, nowhere, without), seconds=seconds).loads or ()
    return {option.model: load.times for load in _merged(loads) for option in load.options if not option.design}


def _beside(problem: Problem, kinds: tuple[Kind, ...], options: tuple[Option, ...]) -> Problem:
    """`problem` with more to choose from, where only that costs anything."""
    free = tuple(replace(kind, price_usd=0.0) for kind in problem.kinds)
    return replace(problem, kinds=(*free, *kinds), options=(*problem.options, *options))


def _merged(loads: Sequence[Loaded]) -> list[Loaded]:
    """`loads` with those that are alike as one."""
    times: dict[tuple[str, tuple[Option, ...]], int] = {}
    for load in loads:
        times[load.kind, load.options] = times.get((load.kind, load.options), 0) + load.times
    return [Loaded(kind=kind, options=options, times=number) for (kind, options), number in times.items()]


def _better(
    problem: Problem, exact: Sequence[Loaded] | None, quick: Sequence[Loaded] | None, *, in_watt: bool
) -> tuple[Loaded, ...] | None:
    """The better of two answers, the exact one where they are equal: only a lack of time makes it the worse one."""
    if exact is None or quick is None:
        chosen = quick if exact is None else exact
    else:
        ours, theirs = (total(problem, loads, in_watt=in_watt) for loads in (exact, quick))
        chosen = quick if _less(theirs, ours) else exact
    return None if chosen is None else tuple(_merged(chosen))


def _less(one: Sequence[float], other: Sequence[float]) -> bool:
    """True where `one` is better in the first objective in which they differ by more than the solver's tolerance."""
    for a, b in zip(one, other, strict=True):
        if not math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6):
            return a < b
    return False


def _reached(problem: Problem, loads: Sequence[Loaded], solved: Solved, *, in_watt: bool) -> tuple[Objective, ...]:
    """The objectives at `loads`. A bound that was proven with earlier objectives held higher still is one."""
    bounds = [each.bound for each in solved.objectives]
    values = total(problem, loads, in_watt=in_watt)
    return tuple(
        objective(name, unit, value, bounds[index] if index < len(bounds) else 0.0)
        for index, ((name, unit), value) in enumerate(zip(names(in_watt=in_watt), values, strict=True))
    )
