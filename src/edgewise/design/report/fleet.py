"""The page of a fleet's plan: every machine as bars filled by what runs there. Same plan, same bytes."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from edgewise import units
from edgewise.design.figure_text import show
from edgewise.design.report._text import clean
from edgewise.nouns import FleetPlan, Measurement, Placement, Quantity, Usage

COLOURS = 8
"""Models beyond these share a colour again; every filling has its model's name too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A stretch of a bar, in per cent of its width; `colour` is a number below `COLOURS`, None for other work."""

    start: float
    width: float
    title: str
    colour: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What computes in a machine, and what its time goes to."""

    part: str
    fillings: tuple[Filling, ...]
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Machines that carry the same."""

    name: str
    bought: bool
    bars: tuple[Bar, ...]
    memory: str
    placements: tuple[Mapping[str, str], ...]


def render_fleet(plan: FleetPlan) -> str:
    """The page for `plan`; it loads nothing and runs no script."""
    # `finalize` sees every value that a template prints: nothing can reach the page uncleaned.
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    template = environment.get_template("fleet.html.j2")
    return template.render(plan=plan, rows=rows(plan), used=len(plan.usages), style=Markup(_source("fleet.css")))  # noqa: S704


def rows(plan: FleetPlan) -> list[Row]:
    """The machines in use, those that follow each other and carry the same as one."""
    colours = {model: index for index, model in enumerate(dict.fromkeys(p.model for p in plan.placements))}
    carried: dict[tuple[str, int], list[Placement]] = {}
    for placement in plan.placements:
        carried.setdefault((placement.machines, placement.number), []).append(placement)

    def load(usage: Usage) -> Sequence[Placement]:
        return carried.get((usage.machines, usage.number), [])

    def kind(usage: Usage) -> tuple[str, tuple[tuple[str, str], ...]]:
        return usage.machines, tuple((placement.model, placement.design) for placement in load(usage))

    found = []
    for _, same in itertools.groupby(plan.usages, key=kind):
        alike = list(same)
        first, last = alike[0], alike[-1]
        several = f"{first.number}" if first is last else f"{first.number} to {last.number}"
        group = next(group for group in plan.machines if group.name == first.machines)
        free = "" if group.memory_bytes is None else f" of {units.show(group.memory_bytes, units.SIZE)}"
        found.append(
            Row(
                name=f"{first.machines} {several}",
                bought=first.machines in plan.bought,
                bars=tuple(_bar(first, part, load(first), colours) for part in first.planned),
                memory=f"{units.show(first.memory_bytes, units.SIZE)}{free}",
                placements=tuple(_words(placement) for placement in load(first)),
            )
        )
    return found


def _bar(usage: Usage, part: str, placements: Sequence[Placement], colours: Mapping[str, int]) -> Bar:
    own = [placement for placement in placements if placement.part == part]
    busy = sum(placement.busy_cores for placement in own)
    scale = usage.planned[part] / busy if busy else 0.0
    other = usage.other if part == next(iter(usage.planned)) else 0.0  # known of the CPU, which comes first
    fillings = [Filling(start=0.0, width=100 * other, title=f"other work {other:.0%}", colour=None)] if other else []
    start = 100 * other
    for placement in own:
        share = placement.busy_cores * scale
        title = f"{placement.model} {share:.2%}"
        colour = colours[placement.model] % COLOURS
        fillings.append(Filling(start=round(start, 3), width=round(100 * share, 3), title=title, colour=colour))
        start += 100 * share
    return Bar(part=part, fillings=tuple(fillings), share=f"{other + usage.planned[part]:.1%}")


def _words(placement: Placement) -> Mapping[str, str]:
    return {
        "model": placement.model,
        "design": placement.design,
        "rate": units.show(placement.rate_per_s, units.RATE),
        "p50": _figure(placement.figures.get(Quantity.LATENCY_P50)),
        "p99": _figure(placement.figures.get(Quantity.LATENCY_P99)),
    }


def _figure(figure: Measurement | None) -> str:
    if figure is None:
        return "not known"
    text = show(figure)
    return text.value if text.exact else f"{text.value} ({text.interval})"


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _finalize(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
