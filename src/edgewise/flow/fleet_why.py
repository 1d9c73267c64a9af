"""Why a fleet's plan is as it is; and where there is none, what does not fit where and what would help."""

import math
from collections.abc import Iterator, Mapping, Sequence

from edgewise import units
from edgewise.design.assign import Assignment, Kind, Option, Problem, fits, left_out, more_needed
from edgewise.flow.fleet_options import Offer
from edgewise.nouns import FleetMachines, Objective

LOOK_S = 10.0
"""Seconds for looking what would be without buying; it is told only where the solver comes to an end."""


def why(
    problem: Problem, answer: Assignment, groups: Sequence[FleetMachines], found: Sequence[Offer]
) -> tuple[str, ...]:
    """Sentences on an answer: what was proven, why anything is bought, what was not known."""
    sentences = [_proof(objective, answer) for objective in answer.objectives]
    if any(group.price_usd is not None for group in groups):
        sentences += _without_buying(problem, answer)
    return (*sentences, *_not_known(answer, groups, found))


def lacking(
    problem: Problem,
    answer: Assignment,
    groups: Sequence[FleetMachines],
    found: Sequence[Offer],
    *,
    seconds: float,
) -> tuple[str, ...]:
    """Sentences on a problem without an answer: first what does not fit where, then what would help."""
    if not answer.impossible:
        return (f"no plan was found in {answer.seconds:.0f} s, and none was ruled out: give the solver more time",)
    kinds = {kind.name: kind for kind in problem.kinds}
    nowhere = [demand.model for demand in problem.demands if not _somewhere(demand.model, problem, kinds)]
    sentences = [line for model in nowhere for line in _refusals(model, kinds, found)]
    rest = tuple(demand for demand in problem.demands if demand.model not in nowhere)
    possible = Problem(
        demands=rest,
        kinds=problem.kinds,
        options=tuple(option for option in problem.options if option.model not in nowhere),
    )
    replicas = {demand.model: demand.replicas for demand in rest}
    without = left_out(possible, seconds=seconds)
    sentences += [
        f"{model}: no machine has enough left for {number} of its {replicas[model]} replicas"
        for model, number in without.items()
    ]
    if without:
        sentences += _more(possible, groups, seconds)
    return tuple(sentences)


def gap(objective: Objective) -> str:
    """The optimality gap as people read it: "0 %", "4.2 %"."""
    return f"{units.figures(100 * objective.gap, 2)} %"


def amount(objective: Objective, value: float) -> str:
    """A value of an objective with its unit."""
    if objective.unit:
        return units.show(value, units.BY_BASE[objective.unit])
    return f"{value:.0f}" if math.isclose(value, round(value), abs_tol=1e-9) else units.figures(value)


def _proof(objective: Objective, answer: Assignment) -> str:
    value = amount(objective, objective.value)
    if objective.gap == 0:
        return f"{objective.name}: {value}, proven to be the least (gap 0 %)"
    bound = amount(objective, objective.bound)
    return (
        f"{objective.name}: {value}; it cannot be less than {bound}, so that it is within {gap(objective)} of the least"
        f" (gap {gap(objective)} after {answer.seconds:.0f} s)"
    )


def _without_buying(problem: Problem, answer: Assignment) -> Iterator[str]:
    prices = {kind.name: kind.price_usd for kind in problem.kinds}
    if not any(prices[load.kind] for load in answer.loads or ()):
        yield "nothing has to be bought"
        return
    owned = Problem(
        demands=problem.demands,
        kinds=tuple(kind for kind in problem.kinds if not kind.price_usd),
        options=tuple(option for option in problem.options if not prices[option.kind]),
    )
    for model, number in left_out(owned, seconds=LOOK_S).items():
        yield f"without buying, no machine would have enough left for {number} of {model}"


def _not_known(answer: Assignment, groups: Sequence[FleetMachines], found: Sequence[Offer]) -> Iterator[str]:
    used = {load.kind: load.options for load in answer.loads or ()}
    for group in groups:
        if group.name in used and group.memory_bytes is None:
            owned = group.price_usd is None
            remedy = "say what is free of it with memory_free" if owned else "nobody publishes how much it has"
            yield f"memory of {group.name} was not checked: {remedy}"
    unknown = {
        (option.design, option.kind)
        for options in used.values()
        for option in options
        if not option.memory_bytes and any(offer.option is option for offer in found)
    }
    for design, kind in sorted(unknown):
        yield f"memory of {design} on {kind} is not known, and counts as none"


def _somewhere(model: str, problem: Problem, kinds: Mapping[str, Kind]) -> bool:
    return any(option.model == model and fits(kinds[option.kind], [option]) for option in problem.options)


def _refusals(model: str, kinds: Mapping[str, Kind], found: Sequence[Offer]) -> Iterator[str]:
    """Why `model` fits no machine of any kind, a sentence a kind, and how many replicas would."""
    own = [offer for offer in found if offer.model == model]
    for name, kind in kinds.items():
        here = [offer for offer in own if offer.machines == name]
        if here:
            nearest = min(here, key=lambda offer: math.inf if offer.replicas is None else offer.replicas)
            yield f"{model} does not fit {name}: {nearest.refusal or _too_large(kind, nearest.option)}"
    enough = [offer.replicas for offer in own if offer.replicas is not None]
    if enough:
        yield f"{model} keeps up as {min(enough)} replicas: replicas: {min(enough)}"


def _too_large(kind: Kind, option: Option | None) -> str:
    assert option is not None
    for name, taken, free in (
        ("memory", option.memory_bytes, kind.memory_bytes),
        ("flash", option.flash_bytes, kind.flash_bytes),
    ):
        if free is not None and taken > free:
            shown = units.show(taken, units.SIZE)
            return f"{option.design} takes {shown} of {name}, and {units.show(free, units.SIZE)} are free"
    part = kind.parts[option.part]
    left = max(0.0, part.most_busy - part.other) * part.cores
    return (
        f"{option.design} keeps {units.figures(option.busy_cores)} cores of its {option.part} busy, and"
        f" {units.figures(left)} of {part.cores} may be planned"
    )


def _more(problem: Problem, groups: Sequence[FleetMachines], seconds: float) -> Iterator[str]:
    """What more of each kind would do, the smallest number each."""
    needed = more_needed(problem, seconds=seconds)
    for group in groups:
        if group.name not in needed:
            continue
        number = needed[group.name]
        if group.price_usd is None:
            yield f"{number} more {group.name} would do: {group.count + number} instead of {group.count}"
        else:
            price = units.show(number * group.price_usd, units.PRICE)
            yield f"{number} more {group.name} would do, {price}: at_most: {group.count + number}"
    if not needed:
        yield "no number of machines of one kind alone would do"
