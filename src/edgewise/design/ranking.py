"""One machine against another: which design stands for each, and what their figures say in words.

Two figures whose intervals overlap are never ranked: the sentence says that they cannot be told apart. Every pair
is covered: those that are not named lie apart, and the last sentence says so. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from edgewise.design import words
from edgewise.design.choose import cost
from edgewise.design.judge import obstacles
from edgewise.nouns import Measurement, Metric, Plan, Quantity, Verdict

_MORE = {
    Quantity.ENERGY: "needs {} as much",
    Quantity.PRICE: "costs {} as much",
    Quantity.MEMORY: "needs {} as much",
    Quantity.FLASH: "needs {} as much",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The design that stands for a machine.

    Attributes:
        verdict: the choice where it is on this machine, else the cheapest that fits, else the nearest to fitting;
            None where no latency of any design on it is known.
        reason: why there is none, one sentence; "" where there is one.
    """

    machine: str
    verdict: Verdict | None
    reason: str = ""


def leaders(plan: Plan) -> tuple[Leader, ...]:
    """One for every machine of the plan: the choice's first, then what fits, cheapest first, then the rest."""
    names = dict.fromkeys([machine.name for machine in plan.machines] + [v.design.machine for v in plan.verdicts])
    return tuple(sorted((_leader(name, plan) for name in names), key=lambda leader: _order(leader, plan)))


def place(machine: str) -> str:
    """A machine as sentences call it."""
    return "this machine" if machine == words.THIS else machine


def sentences(quantity: Quantity, leaders: Sequence[Leader], metric: Metric) -> tuple[str, ...]:
    """What can be said of `quantity` across the machines that have a leader; empty where fewer than two have.

    A figure that is not known is said to be so, with what a user can do about it.
    """
    found = [leader for leader in leaders if leader.verdict is not None]
    known = [(leader.machine, _figure(leader, quantity)) for leader in found]
    have = [(machine, figure) for machine, figure in known if figure is not None]
    if len(found) < 2 or not have:
        return ()
    best_first = -1.0 if quantity is Quantity.METRIC and metric.higher_is_better else 1.0
    have.sort(key=lambda one: best_first * one[1].value)
    said = [*_ranked(quantity, have, metric), *_unknown(quantity, [m for m, figure in known if figure is None])]
    return tuple(said)


# --- Who stands for a machine -----------------------------------------------------------------


def _leader(machine: str, plan: Plan) -> Leader:
    found = standing_for(machine, plan.verdicts, plan.choice)
    if found is not None:
        return Leader(machine=machine, verdict=found)
    here = [verdict for verdict in plan.verdicts if verdict.design.machine == machine]
    reason = plan.not_planned.get(machine) or (here[0].reason if here else "no design was made for it")
    return Leader(machine=machine, verdict=None, reason=reason)


def standing_for(machine: str, verdicts: Sequence[Verdict], choice: str | None) -> Verdict | None:
    """The design that stands for `machine`, as `Leader.verdict` says."""
    here = (verdict for verdict in verdicts if verdict.design.machine == machine)
    timed = [verdict for verdict in here if Quantity.LATENCY_P50 in verdict.design.figures]
    chosen = [verdict for verdict in timed if verdict.design.name == choice]
    fitting = [verdict for verdict in timed if verdict.feasible]
    if chosen or fitting:
        return min(chosen or fitting, key=lambda verdict: cost(verdict.design))
    return min(timed, key=_far, default=None)


def _far(verdict: Verdict) -> tuple[int, tuple[float, float, float]]:
    """How far a design is from fitting: limits in its way; a failure is farther than any."""
    return len(obstacles(verdict)) or len(verdict.findings) + 1, cost(verdict.design)


def _order(leader: Leader, plan: Plan) -> tuple[int, tuple[float, float, float], str]:
    if leader.verdict is None:
        return 3, (0.0, 0.0, 0.0), leader.machine
    chosen, fits = leader.verdict.design.name == plan.choice, leader.verdict.feasible
    return 0 if chosen else 1 if fits else 2, cost(leader.verdict.design), leader.machine


def _figure(leader: Leader, quantity: Quantity) -> Measurement | None:
    return leader.verdict.design.figures.get(quantity) if leader.verdict else None


# --- What their figures say -------------------------------------------------------------------


def _ranked(quantity: Quantity, have: Sequence[tuple[str, Measurement]], metric: Metric) -> Iterator[str]:
    first, best = have[0]
    if len(have) == 1:
        yield f"Known for {place(first)} only: {_shown(best)}."
        return
    if len(have) > 2 and all(a.overlaps(b) and not _same(a, b) for (_, a), (_, b) in combinations(have, 2)):
        yield f"No two of these {len(have)} machines can be told apart: every interval overlaps every other."
        return
    yield _first(quantity, have, metric)
    groups = [" and ".join(_names(group)) for group in _alike(have[1:]) if len(group) > 1]
    if groups:
        also = " either" if have[1][1].overlaps(best) else ""
        yield f"These cannot be told apart{also}, for their intervals overlap: {'; '.join(groups)}."
    behind = [
        _behind(quantity, machine, figure, best, metric) for machine, figure in have[1:] if not figure.overlaps(best)
    ]
    if behind:
        yield f"Against {place(first)}, {', '.join(behind)}."
    apart = [not a.overlaps(b) for (_, a), (_, b) in combinations(have, 2)]
    if all(apart):
        yield "No two intervals overlap, so the order holds for every pair."
    elif len(have) > 2 and any(apart):
        yield "Every other pair is told apart by its intervals."


def _first(quantity: Quantity, have: Sequence[tuple[str, Measurement]], metric: Metric) -> str:
    """The best by its figure, and at once whom it cannot be told from."""
    machine, best = have[0]
    highest = quantity is Quantity.METRIC and metric.higher_is_better
    name = metric.name if quantity is Quantity.METRIC else words.NAMES[quantity]
    start = f"{'Highest' if highest else 'Lowest'} {name}"
    same = [one for one in have[1:] if _same(best, one[1])]
    blurred = [one for one in have[1:] if one[1].overlaps(best) and not _same(best, one[1])]
    text = f"{start}: {place(machine)} with {_shown(best)}"
    if same:
        text += f", the same as {_listed(_names(same))}"
    if blurred:
        others = _listed([f"{place(other)} ({_shown(figure)})" for other, figure in blurred])
        text = text.replace(start, f"{start} by its figure", 1) + f"; it cannot be told apart from {others}"
    return text + "."


def _alike(have: Sequence[tuple[str, Measurement]]) -> list[list[tuple[str, Measurement]]]:
    """The largest groups in which every interval overlaps every other: each such pair is in one of them.

    Intervals that overlap in pairs share a point (Helly), so that a group is what holds the low end of one of them.
    """
    groups = [[one for one in have if one[1].low <= low <= one[1].high] for low in (figure.low for _, figure in have)]
    largest = [g for g in groups if not any(set(_names(g)) < set(_names(other)) for other in groups)]
    return list({tuple(_names(group)): group for group in largest}.values())


def _same(one: Measurement, other: Measurement) -> bool:
    """True of two figures without an interval that are equal."""
    return one.low == one.high == other.low == other.high


def _names(group: Sequence[tuple[str, Measurement]]) -> list[str]:
    return [place(machine) for machine, _ in group]


def _behind(quantity: Quantity, machine: str, figure: Measurement, best: Measurement, metric: Metric) -> str:
    source = figure.provenance.kind
    if quantity is Quantity.METRIC:
        return f"{place(machine)} is worse by {words.points(metric, abs(figure.value - best.value))} ({source})"
    if best.value <= 0:
        return f"{place(machine)} has {_shown(figure)}"
    more = _MORE.get(quantity, "takes {} as long").format(words.times(figure.value / best.value))
    return f"{place(machine)} {more} ({source})"


def _unknown(quantity: Quantity, machines: Sequence[str]) -> Iterator[str]:
    if machines:
        how = words.how_to_know(quantity, machines[0])
        yield f"Not known for {_listed([place(machine) for machine in machines])}; {how}."


def _shown(figure: Measurement) -> str:
    return f"{words.with_interval(figure)}, {figure.provenance.kind}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
