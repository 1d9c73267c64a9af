"""Which structures to train and which trained ones to plan. Pure; the effects are `flow/structures.py`.

Every decision is made of figures that are the same on every run (MACs, parameters, the metric) or of latency with a
margin so wide that noise does not reach it: so a search ends the same on one machine and on a cluster.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from edgewise import units
from edgewise.design.structure.space import Structure
from edgewise.nouns import Budget, Measurement, Quantity

ENUMERABLE = 64
"""Spaces of at most so many structures are built whole before any is trained; a build takes about a second."""

FASTER = 8.0
"""How many times as fast as float32 in one thread a design may at most become on one core.

Four times is what int8 gains over float32 with the dot products of VNNI and NEON (4 x 8 bits a lane), twice what
another runtime may gain over the first. An assumption, wide on purpose: it rules out, it never ranks.
"""

MOST_PLANNED = 3
"""Trained structures that go through the whole plan, unless none of them yields a design that fits."""

LATENCIES = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99)


class Standing(IntEnum):
    """How a structure stands against the budget before it is trained; a greater one is trained later."""

    FITS = 0
    MAY_FIT = 1
    MISSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A structure that was built and estimated.

    Attributes:
        parameters: of the graph; one byte each is the least that any recipe makes of it.
        latency: median in float32 and one thread on the machine at hand; None where it could not be measured.
    """

    name: str
    structure: Structure
    macs: int | None
    parameters: int
    latency: Measurement | None

    @property
    def cost(self) -> float:
        """What grows with the work of one inference and is the same on every run."""
        return float(self.macs or self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A structure that was trained and judged.

    Attributes:
        metric: on the evaluation data, in float32.
        drop: how much worse than the best trained structure, paired; positive is worse.
        significant: whether the paired test calls it a drop.
    """

    candidate: Candidate
    metric: float
    drop: float
    significant: bool


def standing(candidate: Candidate, budget: Budget, cores: int) -> tuple[Standing, str]:
    """How `candidate` stands, and the sentence where it misses for sure.

    Args:
        cores: most threads that the site's machine would be given.
    """
    for quantity in (Quantity.FLASH, Quantity.MEMORY):
        limit = budget.limit(quantity)
        if limit is not None and candidate.parameters > limit.value:
            least, allowed = (units.show(value, units.SIZE) for value in (candidate.parameters, limit.value))
            return Standing.MISSES, (
                f"its {candidate.parameters:,} parameters take {least} even at one byte each, and {quantity} may be"
                f" {allowed}"
            )
    found = Standing.FITS
    for quantity in LATENCIES:
        limit = budget.limit(quantity)
        if limit is None or candidate.latency is None:
            continue
        if candidate.latency.low > FASTER * cores * limit.value:
            measured, allowed = (units.show(value, units.TIME) for value in (candidate.latency.value, limit.value))
            return Standing.MISSES, (
                f"untrained it takes {measured} in float32 and one thread, more than {FASTER * cores:g} times the"
                f" {allowed} of {quantity}: no recipe gains so much"
            )
        if candidate.latency.high > limit.value:
            found = Standing.MAY_FIT
    return found, ""


def batch(trials: int) -> int:
    """Structures that are chosen at a time, whatever the engine: what is learnt from one batch decides the next."""
    return max(4, math.ceil(trials / 8))


def spread(candidates: Sequence[tuple[Candidate, Standing]], count: int) -> list[str]:
    """Names of the first `count` structures to train: over the whole range of cost, the dearest that fits first.

    What fits as it is goes before what needs int8 or more threads to fit.
    """
    chosen: list[str] = []
    for level in (Standing.FITS, Standing.MAY_FIT):
        group = sorted(
            (candidate for candidate, found in candidates if found is level),
            key=lambda candidate: (-candidate.cost, -candidate.parameters, candidate.name),
        )
        missing = count - len(chosen)
        if missing >= len(group):
            chosen += [candidate.name for candidate in group]
        elif missing == 1:
            chosen.append(group[0].name)
        elif missing > 1:
            places = [round(index * (len(group) - 1) / (missing - 1)) for index in range(missing)]
            chosen += [group[place].name for place in dict.fromkeys(places)]
    return chosen[:count]


def best_of(trained: Sequence[Trained], *, higher_is_better: bool) -> Trained:
    """The structure with the best metric; among equals the one with the least work."""
    sign = -1 if higher_is_better else 1
    return min(trained, key=lambda each: (sign * each.metric, each.candidate.cost, each.candidate.name))


def survivors(trained: Sequence[Trained], best: str, allowed_drop: float | None) -> list[str]:
    """Names of the trained structures that are worth a plan, the most promising first.

    A structure is, where its drop against the best keeps `allowed_drop` as observed (or, without one, where the
    paired test sees no drop), and where no other that keeps it is cheaper in every figure and as good. The
    cheapest in latency comes first; `best`, whose drop is 0, stays among the first `MOST_PLANNED`, for it is what
    remains where the others lose too much to int8.
    """
    admitted = [each for each in trained if _admitted(each, allowed_drop)]
    kept = [
        each
        for each in admitted
        if each.candidate.name == best or not any(_dominates(other, each) for other in admitted)
    ]
    kept.sort(key=lambda each: (_latency(each), each.candidate.cost, each.candidate.name))
    names = [each.candidate.name for each in kept]
    if names.index(best) >= MOST_PLANNED:
        names.remove(best)
        names.insert(MOST_PLANNED - 1, best)
    return names


def _admitted(each: Trained, allowed_drop: float | None) -> bool:
    return not each.significant if allowed_drop is None else each.drop <= allowed_drop


def _latency(each: Trained) -> float:
    return each.candidate.latency.value if each.candidate.latency else math.inf


def _dominates(one: Trained, other: Trained) -> bool:
    """True where `one` is no worse in metric, work and size, and surely faster."""
    a, b = one.candidate.latency, other.candidate.latency
    return (
        one.drop <= other.drop
        and one.candidate.cost <= other.candidate.cost
        and one.candidate.parameters <= other.candidate.parameters
        and a is not None
        and b is not None
        and a.high < b.low
    )
