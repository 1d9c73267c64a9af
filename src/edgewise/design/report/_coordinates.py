"""Geometry of the parallel coordinates: every timed design across everything a budget can limit.

Better values are up on every axis. Places as in `_charts.py`. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.design.report._charts import Tick, metric_limit
from edgewise.design.report._marks import is_measured, mark, role
from edgewise.design.report._scale import Scale, aligned, fit, number, percent, reaching, ticks
from edgewise.nouns import Plan, Quantity, Verdict

HEIGHT = 300.0
_AXES = (Quantity.LATENCY_P99, Quantity.METRIC, Quantity.MEMORY, Quantity.FLASH, Quantity.ENERGY, Quantity.PRICE)
_SHORT = {Quantity.LATENCY_P99: "p99", Quantity.MEMORY: "Memory", Quantity.ENERGY: "Energy"}
_MARGIN = 0.09
_TICK_GAP = 0.07
_NAME = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis, better values up. `bottom` and `top` are the values at its ends, in `unit`."""

    title: str
    unit: str
    x: str
    last: bool
    log: bool
    bottom: float
    top: float
    ticks: tuple[Tick, ...]
    limit: str
    limit_y: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One design across the axes. `places` are pixels per axis, "" where it has no figure."""

    id: str
    kind: str
    role: str
    measured: bool
    feasible: bool
    path: str
    places: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]
    left_out: int
    height: float = HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Along:
    """A quantity along an axis: where a value lies, in pixels from the top."""

    quantity: Quantity
    scale: Scale
    up: bool

    def down(self, value: float) -> float:
        share = self.scale.at(value)
        return HEIGHT * (1 - share if self.up else share)


def coordinates(plan: Plan, ids: Mapping[str, str]) -> Coordinates | None:
    """Every design that was timed across the axes that at least two of them have; None below two axes."""
    drawn = [v for v in plan.verdicts if _AXES[0] in v.design.figures]
    along = [found for quantity in _AXES if (found := _along(quantity, drawn, plan))]
    if len(along) < 2:
        return None
    step = (1 - 2 * _MARGIN) / (len(along) - 1)
    drawn.sort(key=lambda v: (v.feasible, bool(role(v.design, plan)), v.design.name == plan.choice))
    lines = tuple(_line(v, plan, ids, along, step) for v in drawn)
    axes = tuple(_axis(one, drawn, plan, index, len(along), step) for index, one in enumerate(along))
    return Coordinates(axes=axes, lines=lines, left_out=len(plan.verdicts) - len(drawn))


def _values(quantity: Quantity, drawn: Sequence[Verdict]) -> list[float]:
    return [v.design.figures[quantity].value for v in drawn if quantity in v.design.figures]


def _bound(quantity: Quantity, plan: Plan) -> float | None:
    if quantity is Quantity.METRIC:
        return metric_limit(plan)
    limit = plan.site.budget.limit(quantity)
    return limit.value if limit else None


def _along(quantity: Quantity, drawn: Sequence[Verdict], plan: Plan) -> _Along | None:
    values = _values(quantity, drawn)
    if len(values) < 2:
        return None
    log = quantity is not Quantity.METRIC and min(values) > 0
    scale = fit(reaching(values, _bound(quantity, plan), log=log), log=log)
    return _Along(quantity=quantity, scale=scale, up=quantity is Quantity.METRIC and plan.metric.higher_is_better)


def _axis(one: _Along, drawn: Sequence[Verdict], plan: Plan, index: int, count: int, step: float) -> Axis:
    values = _values(one.quantity, drawn)
    base = next(v.design.figures[one.quantity].unit for v in drawn if one.quantity in v.design.figures)
    unit = figure_text.common_unit(values, base)
    factor = figure_text.factor_of(unit, base)
    shown = Scale(low=one.scale.low / factor, high=one.scale.high / factor, log=one.scale.log)
    bottom, top = (shown.low, shown.high) if one.up else (shown.high, shown.low)
    bound = _bound(one.quantity, plan)
    inside = bound is not None and one.scale.contains(bound)
    sign = "≥" if one.up else "≤"
    return Axis(
        title=_title(one.quantity, plan), unit=unit,
        x=percent(_MARGIN + index * step), last=index == count - 1, log=shown.log, bottom=bottom, top=top,
        ticks=_axis_ticks(shown, one, factor),
        limit="" if bound is None else f"{sign}\u00a0{figure_text.plain(bound / factor, '')}",
        limit_y=number(one.down(bound)) if inside and bound is not None else None,
    )  # fmt: skip


def _title(quantity: Quantity, plan: Plan) -> str:
    if quantity is Quantity.METRIC:
        return figure_text.short_name(plan.metric, _NAME)
    return _SHORT.get(quantity) or figure_text.title(quantity, plan.metric)


def _axis_ticks(shown: Scale, one: _Along, factor: float) -> tuple[Tick, ...]:
    """Round values that stand at least a line apart."""
    found: list[Tick] = []
    values = ticks(shown)
    texts = [figure_text.plain(value, "", digits=2) for value in values] if shown.log else aligned(values)
    for value, text in zip(values, texts, strict=True):
        place_ = one.down(value * factor)
        if all(abs(place_ - float(other.at)) > HEIGHT * _TICK_GAP for other in found):
            found.append(Tick(at=number(place_), text=text))
    return tuple(found)


def _line(verdict: Verdict, plan: Plan, ids: Mapping[str, str], along: Sequence[_Along], step: float) -> Line:
    design = verdict.design
    path, places, pen = "", [], "M"
    for index, one in enumerate(along):
        figure = design.figures.get(one.quantity)
        if figure is None:
            places.append("")
            pen = "M"
            continue
        down = number(one.down(figure.value))
        path += f"{pen}{number(1000 * (_MARGIN + index * step))} {down}"
        places.append(down)
        pen = "L"
    return Line(
        id=ids[design.name], kind=mark(verdict, plan).kind, role=role(design, plan), feasible=verdict.feasible,
        measured=is_measured(design, Quantity.LATENCY_P99, Quantity.METRIC), path=path, places=",".join(places),
    )  # fmt: skip
