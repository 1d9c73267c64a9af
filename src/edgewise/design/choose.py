"""Choosing what to run: the cheapest design that the site can afford.

Pure: takes judged designs, returns the order, the frontier, the choice, and what would fit where nothing
does. Measuring is `measure.py`'s work, judging `judge.py`'s.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgewise.design import figure_text, words
from edgewise.design.judge import obstacles
from edgewise.design.statistics import Estimate
from edgewise.nouns import (
    Design,
    LimitFinding,
    Metric,
    Quantity,
    Relaxation,
    Stage,
    Verdict,
)

Ratio = Callable[[str, str], Estimate | None]
"""How many times the first design takes as long as the second, paired; None where they were not paired."""

FRONTIER = (Quantity.LATENCY_P50, Quantity.METRIC, Quantity.MEMORY, Quantity.FLASH, Quantity.ENERGY, Quantity.PRICE)
NOISE = 0.02
"""Differences under this share of a figure do not put a design on the frontier or off it."""
TIE = 1.05
"""A design that may be as fast as the fastest, and is no slower than this as observed, is its equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The outcome. `tied` are the other designs that count as fast as `fastest`, the fastest as observed."""

    chosen: str | None
    fastest: str | None
    runner_up: str | None
    tied: tuple[str, ...]


def mark_frontier(verdicts: Sequence[Verdict], metric: Metric) -> list[Verdict]:
    """The same verdicts with `on_frontier` set for the feasible designs that no other of them dominates.

    Where nothing is feasible, the same among all designs that were timed.

    Noise makes dominance no order (A over B over C over A is possible), so designs are taken one by one, fastest
    first, and each is kept unless one that was ever kept dominates it: the frontier is never empty, and a long chain
    of hardly worse ones does not lead far from it.
    """
    timed = [verdict for verdict in verdicts if verdict.design.stage is Stage.TIMED]
    feasible = [verdict for verdict in timed if verdict.feasible]
    kept: list[Design] = []
    ever: list[Design] = []
    candidates = [verdict.design for verdict in feasible or timed]
    for design in sorted(candidates, key=lambda design: design.figures[Quantity.LATENCY_P50].value):
        if not any(_dominates(other, design, metric) for other in ever):
            ever.append(design)
            kept = [other for other in kept if not _dominates(design, other, metric)] + [design]
    names = {design.name for design in kept}
    return [replace(verdict, on_frontier=verdict.design.name in names) for verdict in verdicts]


def _dominates(one: Design, other: Design, metric: Metric) -> bool:
    """True where `one` is nowhere worse than `other` beyond noise and somewhere better beyond it."""
    together = one.machine == other.machine  # threads are cores of one machine, nothing to compare across two
    better = together and one.configuration.threads < other.configuration.threads
    if together and one.configuration.threads > other.configuration.threads:
        return False
    for quantity in FRONTIER:
        if quantity not in one.figures or quantity not in other.figures:
            continue
        a, b = one.figures[quantity].value, other.figures[quantity].value
        if quantity is Quantity.METRIC and metric.higher_is_better:
            a, b = -a, -b
        noise = 0.0 if quantity is Quantity.METRIC else NOISE * max(abs(a), abs(b))
        if a > b + noise:
            return False
        better = better or a < b - noise
    return better


def choose(verdicts: Sequence[Verdict], ratio: Ratio) -> Choice:
    """The cheapest feasible design: price, then energy, then latency; among equals the smallest.

    Equal in energy are designs whose interval overlaps that of the least, or whose figure is within `NOISE` of
    it; equal in latency those whose paired ratio to the fastest may be one and is at most `TIE`.
    """
    feasible = sorted((verdict.design for verdict in verdicts if verdict.feasible), key=cost)
    if not feasible:
        return Choice(chosen=None, fastest=None, runner_up=None, tied=())
    thrifty = sorted(_least_energy(_least_price(feasible)), key=lambda d: d.figures[Quantity.LATENCY_P50].value)
    tied = [design for design in thrifty[1:] if _equal(design, thrifty[0], ratio)]
    ordered = sorted([thrifty[0], *tied], key=_size)
    rest = [design for design in (*thrifty, *feasible) if design not in ordered]
    ranking = list({design.name: design for design in (*ordered, *rest)}.values())
    return Choice(
        chosen=ranking[0].name,
        fastest=thrifty[0].name,
        runner_up=_rival(ranking),
        tied=tuple(design.name for design in ordered[1:]),
    )


def _least_price(designs: Sequence[Design]) -> list[Design]:
    least = min(cost(design)[0] for design in designs)
    return [design for design in designs if cost(design)[0] == least]


def _least_energy(designs: Sequence[Design]) -> list[Design]:
    """The design that needs least energy and its equals; all where any has no figure."""
    figures = [design.figures.get(Quantity.ENERGY) for design in designs]
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(designs):
        return list(designs)
    least = min(known, key=lambda figure: figure.value)
    return [
        design
        for design, figure in zip(designs, known, strict=True)
        if figure.overlaps(least) or figure.value <= least.value * (1 + NOISE)
    ]


def _rival(ranking: Sequence[Design]) -> str | None:
    """The next best that is another recipe or runtime, not the same with another thread count."""
    first = ranking[0]
    for design in ranking[1:]:
        if (design.recipe, design.configuration.runtime) != (first.recipe, first.configuration.runtime):
            return design.name
    return ranking[1].name if len(ranking) > 1 else None


def cost(design: Design) -> tuple[float, float, float]:
    """What is made least: price, energy of one inference, median latency.

    The machine at hand costs nothing where no price is declared, for it is there; another one whose price nobody
    tells counts as dearer than any. Unknown energy counts nothing.
    """
    unknown = 0.0 if design.machine == words.THIS else math.inf
    return (
        _high(design, Quantity.PRICE, unknown),
        _high(design, Quantity.ENERGY, 0.0),
        design.figures[Quantity.LATENCY_P50].value,
    )


def _size(design: Design) -> tuple[int, float, float]:
    return (
        design.configuration.threads,
        _high(design, Quantity.MEMORY, math.inf),
        _high(design, Quantity.FLASH, math.inf),
    )


def _high(design: Design, quantity: Quantity, unknown: float) -> float:
    return design.figures[quantity].high if quantity in design.figures else unknown


def _equal(design: Design, first: Design, ratio: Ratio) -> bool:
    estimate = ratio(design.name, first.name)
    if estimate is None:  # never paired: estimates of one machine err the same way, so that overlap is not enough
        ours, best = (one.figures[Quantity.LATENCY_P50] for one in (design, first))
        return ours.overlaps(best) and ours.value <= TIE * best.value
    return estimate.low <= 1.0 and estimate.value <= TIE


def in_order(verdicts: Sequence[Verdict], choice: Choice) -> list[Verdict]:
    """Best first: the choice, its equals, other feasible designs, then the rejected by how far they came."""
    front = [name for name in (choice.chosen, *choice.tied) if name]
    stages = list(Stage)

    def place(verdict: Verdict) -> tuple[int, int, int, float]:
        design = verdict.design
        latency = design.figures.get(Quantity.LATENCY_P50)
        rank = front.index(design.name) if design.name in front else len(front)
        return (
            rank,
            0 if verdict.feasible else 1,
            -stages.index(design.stage),
            latency.value if latency else 0.0,
        )

    return sorted(verdicts, key=place)


def relax(verdicts: Sequence[Verdict]) -> tuple[Relaxation, ...]:
    """For each limit the smallest change that would admit a design; several together where one is not enough."""
    single = [_relaxation(verdict, against) for verdict in verdicts if (against := _only_obstacle(verdict))]
    best: dict[Quantity, Relaxation] = {}
    for relaxation in single:
        quantity = relaxation.limit.quantity
        if quantity not in best or _excess(relaxation) < _excess(best[quantity]):
            best[quantity] = relaxation
    return tuple(best.values()) or _together(verdicts)


def _only_obstacle(verdict: Verdict) -> LimitFinding | None:
    against = obstacles(verdict)
    return against[0] if len(against) == 1 and verdict.design.stage is Stage.TIMED else None


def _relaxation(verdict: Verdict, finding: LimitFinding, *, together: bool = False) -> Relaxation:
    limit, design = finding.limit, verdict.design
    name, others = words.NAMES[limit.quantity], ", with the others," if together else ""
    figure = design.figures.get(limit.quantity)
    if figure is None:
        how = words.how_to_know(limit.quantity, design.machine)
        sentence = f"to know the {name} of {design.name} could{others} admit it: {how}"
        return Relaxation(limit=limit, needed=limit.value, design=design.name, sentence=sentence, together=together)
    at_least = limit.quantity.higher_is_better
    edge = figure.low if at_least else figure.high
    sentence = (
        f"{name} of {words.limit_for(limit.quantity, edge)} instead of {words.value(limit.quantity, limit.value)}"
        f"{others} would admit {design.name}"
    )
    needed = figure_text.outward(edge, limit.unit, up=not at_least)
    return Relaxation(limit=limit, needed=needed, design=design.name, sentence=sentence, together=together)


def _excess(relaxation: Relaxation) -> float:
    """How far the limit must move, as a share of itself."""
    return abs(relaxation.needed - relaxation.limit.value) / (abs(relaxation.limit.value) or 1.0)


def _together(verdicts: Sequence[Verdict]) -> tuple[Relaxation, ...]:
    """The least set of changes that admits one design, where no single change admits any."""
    options: list[list[Relaxation]] = []
    for verdict in verdicts:
        against = obstacles(verdict)
        if verdict.design.stage is Stage.TIMED and against:
            options.append([_relaxation(verdict, finding, together=len(against) > 1) for finding in against])
    if not options:
        return ()
    options.sort(key=_effort)
    return tuple(options[0])


def _effort(changes: list[Relaxation]) -> tuple[int, float]:
    """How much is asked for: how many limits move, and by how much in all."""
    return len(changes), sum(_excess(change) for change in changes)
