"""A fleet's plan as people read it: what to buy, what runs where, how full every machine is."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from edgewise import units
from edgewise.cli._figures import MARK, figure, interval
from edgewise.cli.output import Column, bullet, heading, names, sentence, table
from edgewise.flow.fleet_why import gap
from edgewise.nouns import FleetPlan, Placement, Quantity, Usage

BAR = 24
OTHER, PLANNED, FREE = "\u2592", "\u2588", "\u2591"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Machines of one group that carry the same, first to last."""

    first: Usage
    last: Usage
    placements: tuple[Placement, ...]

    @property
    def name(self) -> str:
        """`gateway 1`, or `gateway 1 to 12`."""
        numbers = f"{self.first.number}"
        return f"{self.first.machines} {numbers}" + (f" to {self.last.number}" if self.last != self.first else "")


def show(plan: FleetPlan, *, wide: bool = False) -> None:
    """Print the answer."""
    sentence(answer(plan), "bold")
    for line in (*plan.why, *plan.lacking):
        bullet(line)
    if not plan.placements:
        return
    heading("What runs where")
    rows = [(each, placement) for each in alike(plan) for placement in each.placements]
    table(rows, PLACEMENTS, wide=wide)
    if any(MARK in figure(each) for _, placement in rows for each in placement.figures.values()):
        sentence(f"{MARK} expected beside everything else on that machine, not measured there")
    heading("How full the machines are")
    table([(each, part) for each in alike(plan) for part in each.first.planned], MACHINES, wide=wide)
    sentence(f"{OTHER} other work  {PLANNED} this plan  {FREE} free")
    for name, number in plan.bought.items():
        price = next(group.price_usd or 0.0 for group in plan.machines if group.name == name)
        each, all_of_them = units.show(price, units.PRICE), units.show(number * price, units.PRICE)
        sentence(f"To buy: {number} {name} at {each}, {all_of_them} together.")
    sentence(f"Optimality gap: {gap_of(plan)}, {plan.solver}, {plan.solve_s:.1f} s.")


def answer(plan: FleetPlan) -> str:
    """The answer in a sentence."""
    if not plan.placements:
        return "There is no room for all models on these machines."
    used = len(plan.usages)
    models = len({placement.model for placement in plan.placements})
    what = f"{models} model{'s' * (models > 1)} on {used} machine{'s' * (used > 1)}"
    number = sum(plan.bought.values())
    if not number:
        return f"{what}, all of them owned."
    return f"{what}; buy {number} of them for {units.show(plan.price_usd, units.PRICE)}."


def gap_of(plan: FleetPlan) -> str:
    """The largest gap, and of what it is where it is not 0."""
    worst = max(plan.objectives, key=lambda objective: objective.gap)
    return gap(worst) + (f" in {worst.name}" if worst.gap else "")


def show_names(plan: FleetPlan) -> None:
    """Print a line a placement: model, machine, design."""
    names([f"{each.model} {each.machines}/{each.number} {each.design}" for each in plan.placements])


def alike(plan: FleetPlan) -> list[Alike]:
    """The machines in use, those next to each other that carry the same as one."""

    def load(usage: Usage) -> tuple[Placement, ...]:
        return tuple(p for p in plan.placements if (p.machines, p.number) == (usage.machines, usage.number))

    def kind(usage: Usage) -> tuple[str, tuple[tuple[str, str], ...]]:
        return usage.machines, tuple((placement.model, placement.design) for placement in load(usage))

    found = []
    for _, same in itertools.groupby(plan.usages, key=kind):
        usages = list(same)
        found.append(Alike(first=usages[0], last=usages[-1], placements=load(usages[0])))
    return found


def bar(other: float, planned: float) -> str:
    """Shares of 1 as a bar; what is there at all is seen."""
    taken = min(BAR, round(BAR * (other + planned)))
    first = min(taken, round(BAR * other))
    if planned and taken == first:
        first, taken = (first, taken + 1) if taken < BAR else (first - 1, taken)
    return OTHER * first + PLANNED * (taken - first) + FREE * (BAR - taken)


def _other(usage: Usage, part: str) -> float:
    """Other work is known of the CPU alone, which every machine lists first."""
    return usage.other if part == next(iter(usage.planned)) else 0.0


def _interval(placement: Placement) -> str:
    figure = placement.figures.get(Quantity.LATENCY_P99)
    return "-" if figure is None else interval(figure)


def _place(row: tuple[Alike, Placement]) -> str:
    return row[0].name


PLACEMENTS: Sequence[Column[tuple[Alike, Placement]]] = [
    Column(title="MODEL", text=lambda row: row[1].model),
    Column(title="MACHINE", text=_place),
    Column(title="DESIGN", text=lambda row: row[1].design, least=20),
    Column(title="PART", text=lambda row: row[1].part, wide=True),
    Column(title="RATE", text=lambda row: units.show(row[1].rate_per_s, units.RATE), right=True, drop=2),
    Column(title="CORES", text=lambda row: units.figures(row[1].busy_cores, 2), right=True, drop=3),
    Column(title="P50", text=lambda row: figure(row[1].figures.get(Quantity.LATENCY_P50)), right=True, drop=1),
    Column(title="P99", text=lambda row: figure(row[1].figures.get(Quantity.LATENCY_P99)), right=True, drop=4),
    Column(title="P99 FROM TO", text=lambda row: _interval(row[1]), right=True, wide=True),
    Column(title="MEMORY", text=lambda row: figure(row[1].figures.get(Quantity.MEMORY)), right=True, wide=True),
]
MACHINES: Sequence[Column[tuple[Alike, str]]] = [
    Column(title="MACHINE", text=lambda row: row[0].name),
    Column(title="PART", text=lambda row: row[1], drop=3),
    Column(
        title="IN USE", text=lambda row: bar(_other(row[0].first, row[1]), row[0].first.planned[row[1]]), right=True
    ),
    Column(title="OTHER", text=lambda row: f"{_other(row[0].first, row[1]):.0%}", right=True, drop=2),
    Column(title="PLANNED", text=lambda row: f"{row[0].first.planned[row[1]]:.2%}", right=True),
    Column(title="MEMORY", text=lambda row: units.show(row[0].first.memory_bytes, units.SIZE), right=True, drop=1),
]
