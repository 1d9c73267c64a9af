"""Geometry of the scatter chart: latency against metric, with the budget as a box.

Places along x are per cent of the plot's width, places along y pixels: a chart then fills any width
without scaling its text, and without JavaScript. The templates turn this into SVG. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.design.report._labels import CHARACTER, LINE, Box, Placed, around, place
from edgewise.design.report._marks import is_measured, mark, role
from edgewise.design.report._scale import Scale, aligned, fit, number, percent, reaching, ticks
from edgewise.nouns import Limit, Plan, Quantity, Verdict

HEIGHT = 380.0
_WIDTHS = {"wide": 520.0, "narrow": 280.0}
_TICKS_NARROW = 4
_X, _TAIL = Quantity.LATENCY_P50, Quantity.LATENCY_P99


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A round value at `at` (per cent or pixels); `minor` ones are left out where it is narrow."""

    at: str
    text: str
    minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One design: its mark, its error bars, and how far p99 lies from p50."""

    id: str
    name: str
    kind: str
    role: str
    measured: bool
    feasible: bool
    label: str
    x: str
    y: str
    left: str
    right: str
    top: str
    bottom: str
    tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The role of a point, written beside it; `width` says in which layout."""

    width: str
    x: str
    y: str
    placed: Placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One side of the budget's box. `at` is None where the limit lies outside the plot."""

    at: str | None
    share: float
    text: str
    left: bool = False
    above: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    points: tuple[Point, ...]
    labels: tuple[Label, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    y_title: str
    higher_is_better: bool
    frontier: str
    latency: Edge | None
    metric: Edge | None
    region: tuple[str, str, str, str] | None
    estimated: bool
    height: float = HEIGHT


def scatter(plan: Plan, ids: Mapping[str, str]) -> Scatter | None:
    """Latency p50 against metric for every design that has both; None where no design has."""
    drawn = [v for v in plan.verdicts if _X in v.design.figures and Quantity.METRIC in v.design.figures]
    if not drawn:
        return None
    latency, floor = _latency_limit(plan), metric_limit(plan)
    x, y = _x_scale(drawn, plan, latency), _y_scale(drawn, floor)
    unit = figure_text.common_unit([v.design.figures[_X].value for v in drawn], "ms")
    drawn.sort(key=lambda v: (bool(role(v.design, plan)), v.design.name == plan.choice, v.feasible))
    points = tuple(_point(v, plan, ids, x, y) for v in drawn)
    across = None if latency is None else _latency_edge(latency, x)
    up = (
        None
        if floor is None
        else _metric_edge(
            floor,
            y,
            plan,
            [(x.at(v.design.figures[_X].value), y.at(v.design.figures[Quantity.METRIC].value)) for v in drawn],
        )
    )
    return Scatter(
        points=points, labels=_labels(drawn, plan, x, y), x_ticks=_x_ticks(x, unit), y_ticks=_y_ticks(y),
        x_title=f"Latency p50, {unit}", y_title=figure_text.short_name(plan.metric),
        higher_is_better=plan.metric.higher_is_better,
        frontier=_frontier(drawn, plan, x, y), latency=across, metric=up,
        region=_region(across, up, plan.metric.higher_is_better),
        estimated=not all(point.measured for point in points),
    )  # fmt: skip


# --- Limits -----------------------------------------------------------------------------------


def _latency_limit(plan: Plan) -> Limit | None:
    """The limit on latency; on several, the strictest bounds the box from the right."""
    order = (_X, Quantity.LATENCY_P90, Quantity.LATENCY_P99)
    limits = [limit for quantity in order if (limit := plan.site.budget.limit(quantity))]
    return min(limits, key=lambda limit: limit.value) if limits else None


def metric_limit(plan: Plan) -> float | None:
    """The worst metric that the drop's limit admits, from the reference's own metric."""
    limit = plan.site.budget.limit(Quantity.DROP)
    named = {verdict.design.name: verdict.design for verdict in plan.verdicts}
    reference = named.get(plan.reference)
    figure = reference.figures.get(Quantity.METRIC) if reference else None
    if limit is None or figure is None:
        return None
    return figure.value - limit.value if plan.metric.higher_is_better else figure.value + limit.value


def _latency_edge(limit: Limit, x: Scale) -> Edge:
    percentile = limit.quantity.value.removeprefix("latency_")
    share = x.at(limit.value)
    text = f"{percentile} limit {figure_text.plain(limit.value, limit.unit)}"
    if x.contains(limit.value):
        return Edge(at=percent(share), share=share, text=text)
    return Edge(at=None, share=share, text=f"{text} →" if limit.value > x.high else f"← {text}")


def _metric_edge(floor: float, y: Scale, plan: Plan, points: Sequence[tuple[float, float]]) -> Edge:
    """The limit on the metric, its text at the end of the line where fewest points lie."""
    share = y.at(floor)
    text = f"{figure_text.short_name(plan.metric)} limit {figure_text.plain(floor, '')}"
    higher = plan.metric.higher_is_better

    def crowd(place: tuple[bool, bool]) -> tuple[int, bool]:
        left, above = place
        length, down = len(text) * CHARACTER / _WIDTHS["narrow"], (-10 if above else 10) / HEIGHT
        near = [
            1 for x, rise in points
            if (x < length if left else x > 1 - length) and abs(share - down - rise) * HEIGHT < LINE
        ]  # fmt: skip
        return len(near), above is higher

    left, above = min([(False, False), (False, True), (True, False), (True, True)], key=crowd)
    at = _down(share) if y.contains(floor) else None
    return Edge(at=at, share=share, text=text, left=left, above=above)


def _region(across: Edge | None, up: Edge | None, higher_is_better: bool) -> tuple[str, str, str, str] | None:
    """x, y, width and height of the admissible box within the plot; None where there is no box."""
    if across is None and up is None:
        return None
    right = across.share if across else 1.0
    edge = HEIGHT * (1 - up.share) if up else (HEIGHT if higher_is_better else 0.0)
    top, bottom = (0.0, edge) if higher_is_better else (edge, HEIGHT)
    return ("0%", number(top), percent(right), number(bottom - top))


# --- Scales and ticks -------------------------------------------------------------------------


def _x_scale(drawn: Sequence[Verdict], plan: Plan, limit: Limit | None) -> Scale:
    values = []
    for verdict in drawn:
        figure = verdict.design.figures[_X]
        values += [figure.value, max(figure.low, figure.value / 3), min(figure.high, figure.value * 3)]
        if role(verdict.design, plan) and _TAIL in verdict.design.figures:
            values.append(verdict.design.figures[_TAIL].value)
    return fit(reaching(values, limit.value if limit else None, log=True), log=True)


def _y_scale(drawn: Sequence[Verdict], floor: float | None) -> Scale:
    """Points with their intervals, but the widest intervals are cut before they flatten everything."""
    figures = [verdict.design.figures[Quantity.METRIC] for verdict in drawn]
    low, high = min(f.value for f in figures), max(f.value for f in figures)
    room = (high - low) or max(f.high - f.low for f in figures)
    ends = [max(f.low, low - 1.5 * room) for f in figures] + [min(f.high, high + 1.5 * room) for f in figures]
    return fit(reaching([low, high, *ends], floor, log=False), log=False)


def _x_ticks(scale: Scale, unit: str) -> tuple[Tick, ...]:
    values = ticks(scale)
    every = -(-len(values) // _TICKS_NARROW)
    return tuple(
        Tick(at=percent(scale.at(value)), text=_bare(value, unit, "ms"), minor=bool(index % every))
        for index, value in enumerate(values)
    )


def _y_ticks(scale: Scale) -> tuple[Tick, ...]:
    values = ticks(scale)
    texts = aligned(values)
    return tuple(Tick(at=_down(scale.at(value)), text=text) for value, text in zip(values, texts, strict=True))


def _bare(value: float, unit: str, base: str) -> str:
    """`value` in `unit`, without writing the unit."""
    return figure_text.plain(value / figure_text.factor_of(unit, base), "", digits=2)


# --- Points, labels, frontier -----------------------------------------------------------------


def _point(verdict: Verdict, plan: Plan, ids: Mapping[str, str], x: Scale, y: Scale) -> Point:
    design = verdict.design
    fast, good = design.figures[_X], design.figures[Quantity.METRIC]
    tail = design.figures.get(_TAIL)
    here, metric = mark(verdict, plan), figure_text.short_name(plan.metric)
    return Point(
        id=ids[design.name], name=design.name, kind=here.kind, role=role(design, plan),
        measured=is_measured(design, _X, Quantity.METRIC), feasible=verdict.feasible,
        label=f"{here.word}, {figure_text.show(fast).value}, {metric} {figure_text.show(good).value}",
        x=percent(x.at(fast.value)), y=_down(y.at(good.value)),
        left=percent(x.at(fast.low)), right=percent(x.at(fast.high)),
        top=_down(y.at(good.high)), bottom=_down(y.at(good.low)),
        tail=percent(x.at(tail.value)) if tail else "",
    )  # fmt: skip


def _labels(drawn: Sequence[Verdict], plan: Plan, x: Scale, y: Scale) -> tuple[Label, ...]:
    labels = []
    for layout, width in _WIDTHS.items():
        frame = Box(left=0, top=0, right=width, bottom=HEIGHT)
        spots = {v.design.name: _spot(v, x, y, width) for v in drawn}
        marks, texts = [around(*spot) for spot in spots.values()], list[Box]()
        for verdict in drawn:
            if text := role(verdict.design, plan):
                spot = spots[verdict.design.name]
                placed = place(text, *spot, marks, texts, frame)
                texts.append(placed.box)
                labels.append(Label(width=layout, x=percent(spot[0] / width), y=number(spot[1]), placed=placed))
    return tuple(labels)


def _spot(verdict: Verdict, x: Scale, y: Scale, width: float) -> tuple[float, float]:
    figures = verdict.design.figures
    return x.at(figures[_X].value) * width, (1 - y.at(figures[Quantity.METRIC].value)) * HEIGHT


def _frontier(drawn: Sequence[Verdict], plan: Plan, x: Scale, y: Scale) -> str:
    """Steps through the designs that no drawn one beats in both point values; x runs from 0 to 1000."""
    sign = 1 if plan.metric.higher_is_better else -1
    by_speed = sorted((v.design.figures[_X].value, -sign * v.design.figures[Quantity.METRIC].value) for v in drawn)
    path, best = "", float("inf")
    for latency, loss in by_speed:
        if loss < best:
            best = loss
            across, down = number(1000 * x.at(latency)), _down(y.at(-sign * loss))
            path += f"H{across}V{down}" if path else f"M{across} {down}"
    return path + "H1000"


def _down(share: float) -> str:
    return number(HEIGHT * (1 - share))
