"""Machines side by side: two panels, a table of the design that stands for each, and what the figures rank.

The bars of one column share one scale, so that overlap is seen as well as read. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.design.ranking import Leader, leaders, place, sentences
from edgewise.design.report._forms import FORMS, PLAIN, Form, Look, form, forms, look
from edgewise.design.report._marks import Mark, mark
from edgewise.design.report._panels import Axis, Item, Panel, panel
from edgewise.design.report._scale import Scale, fit, percent, reaching
from edgewise.nouns import Limit, Machine, Measurement, Plan, ProvenanceKind, Quantity

_LATENCIES = (Quantity.LATENCY_P99, Quantity.LATENCY_P90, Quantity.LATENCY_P50)
_NAME = 24
_REACH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure with its interval on its column's scale: places in per cent, `full` the provenance in words."""

    text: str
    interval: str
    form: Form
    full: str
    at: str
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`limit` is its text, "" for none, and `limit_at` its place, None where it is out of sight."""

    title: str
    unit: str
    limit: str
    limit_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One machine: what stands for it with its bars, or why nothing does."""

    name: str
    title: str
    look: Look
    id: str
    design: str
    mark: Mark | None
    reason: str
    bars: tuple[Bar | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """`rankings` are headings with sentences; `remarks` what the panels do not show."""

    panels: tuple[Panel, ...]
    forms: tuple[Form, ...]
    solid: Form
    plain: Look
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    rankings: tuple[tuple[str, tuple[str, ...]], ...]
    remarks: tuple[str, ...]
    estimated: bool


def machines(plan: Plan, ids: Mapping[str, str]) -> Machines | None:
    """The comparison; None where the plan is about one machine."""
    found = leaders(plan)
    if len(found) < 2:
        return None
    looks = {leader.machine: look(number) for number, leader in enumerate(found)}
    latency = latency_of(plan)
    quantities = _quantities(found, latency)
    shown = [leader.verdict.design.figures for leader in found if leader.verdict]
    panels = _panels(plan, found, looks, ids, latency)
    drawn = [v.design.figures[q] for v in plan.verdicts for q in quantities if q in v.design.figures]
    columns = {
        quantity: _scale([f[quantity] for f in shown if quantity in f], plan, quantity) for quantity in quantities
    }
    return Machines(
        panels=panels, forms=forms(drawn), solid=FORMS[ProvenanceKind.MEASURED], plain=PLAIN,
        columns=tuple(_column(quantity, columns[quantity], shown, plan) for quantity in quantities),
        lines=tuple(_line(leader, plan, looks[leader.machine], ids, columns) for leader in found),
        rankings=tuple((t, said) for q in quantities if (t := _title(q, plan)) and (said := _said(q, found, plan))),
        remarks=tuple(_remarks(plan, latency, panels)),
        estimated=any(figure.provenance.kind is not ProvenanceKind.MEASURED for figure in drawn),
    )  # fmt: skip


def latency_of(plan: Plan) -> Quantity:
    """The latency to compare by: the percentile that is limited if every timed design has it, else the median."""
    timed = [v.design.figures for v in plan.verdicts if Quantity.LATENCY_P50 in v.design.figures]
    limited = [q for q in _LATENCIES if plan.site.budget.limit(q) and all(q in figures for figures in timed)]
    return limited[0] if limited else Quantity.LATENCY_P50


def axis(quantity: Quantity, plan: Plan) -> Axis:
    """The axis of a quantity with its limit; on the median, the strictest limit of any percentile."""
    limit = plan.site.budget.limit(quantity)
    if quantity is Quantity.LATENCY_P50:
        limits = [found for one in _LATENCIES if (found := plan.site.budget.limit(one))]
        limit = min(limits, key=lambda one: one.value) if limits else None
    return Axis(
        quantity=quantity,
        title=_title(quantity, plan),
        limit=limit,
        limit_text=_bound(limit) if limit else "",
        log=quantity in _LATENCIES,
    )


def _bound(limit: Limit) -> str:
    percentile = f"{limit.quantity.value.removeprefix('latency_')} " if limit.quantity in _LATENCIES else ""
    return f"{percentile}limit {figure_text.plain(limit.value, limit.unit)}"


def _quantities(found: Sequence[Leader], latency: Quantity) -> tuple[Quantity, ...]:
    wanted = (latency, Quantity.ENERGY, Quantity.PRICE, Quantity.METRIC, Quantity.MEMORY)
    return tuple(q for q in wanted if any(leader.verdict and q in leader.verdict.design.figures for leader in found))


def _title(quantity: Quantity, plan: Plan) -> str:
    title = figure_text.title(quantity, plan.metric)
    return title[:1].upper() + title[1:]


def _said(quantity: Quantity, found: Sequence[Leader], plan: Plan) -> tuple[str, ...]:
    """Sentences on a quantity; memory is left out, for an arena and a process's peak are not the same thing."""
    return () if quantity is Quantity.MEMORY else sentences(quantity, found, plan.metric)


# --- Panels -----------------------------------------------------------------------------------


def _panels(
    plan: Plan, found: Sequence[Leader], looks: Mapping[str, Look], ids: Mapping[str, str], latency: Quantity
) -> tuple[Panel, ...]:
    items = _items(plan, found, looks, ids)
    best = [item for item in items if item.feasible] or items
    sides = [q for q in (Quantity.PRICE, Quantity.ENERGY) if any(q in item.figures for item in items)]
    words = {Quantity.PRICE: "Price", Quantity.ENERGY: "Energy"}
    made = [
        panel(
            items, axis(side, plan), axis(latency, plan), title=f"{words[side]} against latency", groups=[(None, best)]
        )
        for side in sides or [Quantity.PRICE]
    ]
    return tuple(one for one in made if one)


def _items(plan: Plan, found: Sequence[Leader], looks: Mapping[str, Look], ids: Mapping[str, str]) -> list[Item]:
    leading = {leader.verdict.design.name for leader in found if leader.verdict}
    lanes = {leader.machine: number for number, leader in enumerate(one for one in found if one.verdict)}
    items = []
    for verdict in plan.verdicts:
        design = verdict.design
        if design.machine in lanes:
            here, leads = mark(verdict, plan), design.name in leading
            items.append(Item(
                id=ids[design.name], name=design.name, figures=design.figures,
                look=looks[design.machine], feasible=verdict.feasible,
                word=f"{place(design.machine)}, {here.word}", lane=lanes[design.machine],
                lead=f"{here.symbol} {_short(place(design.machine))}" if leads else "",
                ring="chosen" if design.name == plan.choice else "",
            ))  # fmt: skip
    return items


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _remarks(plan: Plan, latency: Quantity, panels: Sequence[Panel]) -> list[str]:
    """What the panels leave out."""
    said = []
    missing = sum(latency not in verdict.design.figures for verdict in plan.verdicts)
    if missing and panels:
        are = "1 design has no latency and is" if missing == 1 else f"{missing} designs have no latency and are"
        said.append(f"{are} in the table only.")
    for quantity, name in ((Quantity.PRICE, "price"), (Quantity.ENERGY, "energy")):
        if not any(quantity in verdict.design.figures for verdict in plan.verdicts):
            said.append(f"The {name} of no machine is known, so it is not compared.")
    return said


# --- The table --------------------------------------------------------------------------------


def _scale(figures: Sequence[Measurement], plan: Plan, quantity: Quantity) -> Scale:
    log = quantity is not Quantity.METRIC and all(figure.value > 0 for figure in figures)
    values = [figure.value for figure in figures]
    if log:
        values += [max(figure.low, figure.value / _REACH) for figure in figures]
        values += [min(figure.high, figure.value * _REACH) for figure in figures]
    else:
        values += [end for figure in figures for end in (figure.low, figure.high)]
    limit = axis(quantity, plan).limit
    return fit(reaching(values, limit.value if limit else None, log=log), log=log)


def _column(quantity: Quantity, scale: Scale, shown: Sequence[Mapping[Quantity, Measurement]], plan: Plan) -> Column:
    figures = [found[quantity] for found in shown if quantity in found]
    limit = axis(quantity, plan).limit
    inside = limit is not None and scale.contains(limit.value)
    return Column(
        title=_title(quantity, plan), limit=_bound(limit) if limit else "",
        unit=figure_text.common_unit([figure.value for figure in figures], figures[0].unit),
        limit_at=percent(scale.at(limit.value)) if inside and limit else None,
    )  # fmt: skip


def _line(leader: Leader, plan: Plan, its_look: Look, ids: Mapping[str, str], scales: Mapping[Quantity, Scale]) -> Line:
    verdict, title = leader.verdict, _called(leader.machine, plan.machines)
    if verdict is None:
        return Line(
            name=leader.machine, title=title, look=its_look, id="", design="", mark=None, reason=leader.reason, bars=()
        )
    figures = verdict.design.figures
    return Line(
        name=leader.machine, title=title, look=its_look, id=ids[verdict.design.name], design=verdict.design.name,
        mark=mark(verdict, plan), reason="" if verdict.feasible else verdict.reason,
        bars=tuple(_bar(figures.get(quantity), scale) for quantity, scale in scales.items()),
    )  # fmt: skip


def _called(name: str, known: Sequence[Machine]) -> str:
    return next((machine.title for machine in known if machine.name == name), name)


def _bar(figure: Measurement | None, scale: Scale) -> Bar | None:
    if figure is None:
        return None
    shown = figure_text.show(figure)
    return Bar(
        text=shown.value, interval=shown.interval, form=form(figure), full=figure_text.provenance(figure.provenance),
        at=percent(scale.at(figure.value)), low=percent(scale.at(figure.low)), high=percent(scale.at(figure.high)),
    )  # fmt: skip
