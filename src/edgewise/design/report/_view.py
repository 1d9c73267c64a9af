"""What the page shows and how it is worded: a plain view of each plan for the templates. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.design.report._advice import Counsel, advice
from edgewise.design.report._charts import Scatter, scatter
from edgewise.design.report._configurations import Configurations, configurations
from edgewise.design.report._coordinates import Coordinates, coordinates
from edgewise.design.report._detail import RUNTIMES, Detail, detail
from edgewise.design.report._facts import Fact, facts
from edgewise.design.report._machines import Machines, machines
from edgewise.design.report._marks import Mark, mark
from edgewise.design.report._trials import Trials, trials
from edgewise.nouns import Design, Measurement, Plan, ProvenanceKind, Quantity, Verdict

_SHORT = {Quantity.LATENCY_P50: "p50", Quantity.LATENCY_P99: "p99", Quantity.DROP: "Drop",
          Quantity.MEMORY: "Memory", Quantity.LOAD_TIME: "Load", Quantity.ENERGY: "Energy"}  # fmt: skip
_COLUMNS = (
    Quantity.LATENCY_P50, Quantity.LATENCY_P99, Quantity.METRIC, Quantity.DROP,
    Quantity.MEMORY, Quantity.FLASH, Quantity.LOAD_TIME,
)  # fmt: skip
_COLUMNS_OF_SEVERAL = (*_COLUMNS[:-1], Quantity.ENERGY, Quantity.PRICE)
"""Across machines price and energy decide; how long loading takes is told in the detail."""
_ALWAYS = (
    Quantity.LATENCY_P50, Quantity.LATENCY_P99, Quantity.METRIC, Quantity.DROP, Quantity.MEMORY, Quantity.FLASH,
)  # fmt: skip
_TILES = (
    *_ALWAYS, Quantity.LATENCY_P90, Quantity.LATENCY_MIN, Quantity.THROUGHPUT, Quantity.LOAD_TIME,
    Quantity.POWER, Quantity.ENERGY, Quantity.PRICE,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    quantity: Quantity
    title: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure in the table; `order` is what its column is sorted by, "" where there is no figure."""

    text: str
    order: str
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A design in the table, and its detail."""

    id: str
    name: str
    mark: Mark
    is_reference: bool
    feasible: bool
    reason: str
    runtime: str
    precision: str
    threads: int
    cells: tuple[Cell, ...]
    detail: Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure of the choice against its limit; `used` is the share of the limit in per cent, None without."""

    title: str
    shown: figure_text.Shown
    limit: str
    used: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """What would make a design feasible."""

    title: str
    asked: str
    needed: str
    row: Row | None
    sentence: str
    together: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    id: str
    plan: Plan
    sentence: str
    tiles: tuple[Tile, ...]
    sources: tuple[str, ...]
    choice: Row | None
    runner_up: Row | None
    runner_up_sentence: str
    relaxations: tuple[Relaxed, ...]
    facts: tuple[Fact, ...]
    scatter: Scatter | None
    coordinates: Coordinates | None
    not_drawn: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    feasible: int
    estimated: bool
    not_planned: tuple[tuple[str, str], ...]
    machines: Machines | None
    configurations: tuple[Configurations, ...]
    advice: tuple[Counsel, ...]
    trials: Trials | None


def view(plan: Plan, number: int, logs: Mapping[str, str], room: int) -> PlanView:
    """The view of the page's plan `number`; every log in at most `room` bytes."""
    ids = {verdict.design.name: f"p{number}-d{index}" for index, verdict in enumerate(plan.verdicts)}
    columns = _columns(plan)
    rows = tuple(_row(verdict, plan, ids, columns, logs, room) for verdict in plan.verdicts)
    by_name = {row.name: row for row in rows}
    chart = scatter(plan, ids)
    choice = plan.verdict(plan.choice).design if plan.choice else None
    runner_up = plan.verdict(plan.runner_up).design if plan.runner_up else None
    return PlanView(
        id=f"p{number}", plan=plan, columns=columns, rows=rows,
        sentence=_sentence(choice, plan) if choice else _nothing_fits(plan),
        tiles=_tiles(choice, plan) if choice else (), sources=_sources(choice, plan) if choice else (),
        choice=by_name[plan.choice] if plan.choice else None,
        runner_up=by_name[plan.runner_up] if plan.runner_up else None,
        runner_up_sentence=_in_short(runner_up, plan) if runner_up else "",
        relaxations=_relaxed(plan, by_name), facts=facts(plan), scatter=chart,
        coordinates=coordinates(plan, ids), not_drawn=_not_drawn(plan, chart),
        feasible=sum(row.feasible for row in rows),
        estimated=any(not cell.measured for row in rows for cell in row.cells),
        not_planned=tuple(sorted(plan.not_planned.items())), machines=machines(plan, ids),
        configurations=configurations(plan, ids), advice=advice(plan, ids),
        trials=trials(plan, f"p{number}"),
    )  # fmt: skip


# --- The answer -------------------------------------------------------------------------------


def _sentence(design: Design, plan: Plan) -> str:
    """The choice in one sentence with its figures, as far as it has them."""
    said = {quantity: figure_text.show(figure).value for quantity, figure in design.figures.items()}
    speed = [
        f"{said[quantity]} {words}"
        for quantity, words in ((Quantity.LATENCY_P50, "at the median"), (Quantity.LATENCY_P99, "at p99"))
        if quantity in said
    ]
    parts = [f"answers in {' and '.join(speed)}"] if speed else []
    if Quantity.METRIC in said:
        drop = f", {_drop(design, plan)}" if Quantity.DROP in said else ""
        parts.append(f"with {plan.metric.name} {said[Quantity.METRIC]}{drop}")
    room = [
        f"{said[quantity]} of {word}"
        for quantity, word in ((Quantity.MEMORY, "memory"), (Quantity.FLASH, "flash"))
        if quantity in said
    ]
    if room:
        parts.append(f"in {' and '.join(room)}")
    return f"{plan.model.name} {', '.join(parts)}." if parts else f"{plan.model.name} runs as {design.name}."


def _drop(design: Design, plan: Plan) -> str:
    """The drop in words; no direction is claimed where the interval holds zero."""
    figure = design.figures[Quantity.DROP]
    if design.name == plan.reference:
        return "as the model was given"
    if figure.low == figure.high == 0:
        return "the same as the model as given"
    if figure.low <= 0 <= figure.high:
        return "no different from the model as given within the interval"
    worse = "worse" if figure.value > 0 else "better"
    size = figure_text.show(figure).value.lstrip(figure_text.MINUS)
    return f"{size} {worse} than the model as given"


def _in_short(design: Design, plan: Plan) -> str:
    parts = []
    for quantity in (Quantity.LATENCY_P50, Quantity.LATENCY_P99, Quantity.METRIC, Quantity.MEMORY):
        if quantity in design.figures:
            title = _SHORT.get(quantity) or figure_text.short_name(plan.metric)
            parts.append(f"{title.lower()} {figure_text.show(design.figures[quantity]).value}")
    return ", ".join(parts)


def _nothing_fits(plan: Plan) -> str:
    """What was considered when nothing fits."""
    count = len(plan.verdicts)
    considered = "The one design that was" if count == 1 else f"None of the {count} designs that were"
    ending = " does not keep" if count == 1 else " keeps"
    return f"{considered} considered for {plan.model.name}{ending} every limit of the budget with its whole interval."


def _tiles(design: Design, plan: Plan) -> tuple[Tile, ...]:
    return tuple(_tile(quantity, design, plan) for quantity in _told(design, plan))


def _told(design: Design, plan: Plan) -> list[Quantity]:
    """The figures that the answer gives: the usual ones, and whatever else the budget limits."""
    budget = plan.site.budget
    return [q for q in _TILES if q in design.figures and (q in _ALWAYS or budget.limit(q))]


def _tile(quantity: Quantity, design: Design, plan: Plan) -> Tile:
    limit, figure = plan.site.budget.limit(quantity), design.figures[quantity]
    word = "at least" if quantity.higher_is_better else "limit"
    used = None
    if limit and limit.value > 0 and not quantity.higher_is_better:
        used = f"{100 * min(1.0, max(0.0, figure.value / limit.value)):.1f}"
    return Tile(
        title=_capital(figure_text.title(quantity, plan.metric)), shown=figure_text.show(figure), used=used,
        limit=f"{word} {figure_text.plain(limit.value, limit.unit)}" if limit else "",
    )  # fmt: skip


def _sources(design: Design, plan: Plan) -> tuple[str, ...]:
    """Where the figures of the choice come from, each source once, measured ones first."""
    found = {design.figures[quantity].provenance for quantity in _told(design, plan)}
    ordered = sorted(found, key=lambda p: (p.kind is not ProvenanceKind.MEASURED, p.kind, p.by, p.date, -(p.load or 0)))
    words: dict[tuple[str, str], str] = {}
    for source in ordered:
        words.setdefault((source.kind, source.by), figure_text.provenance(source))
    return tuple(words.values())


def _relaxed(plan: Plan, rows: Mapping[str, Row]) -> tuple[Relaxed, ...]:
    return tuple(
        Relaxed(
            title=_capital(figure_text.title(one.limit.quantity, plan.metric)), row=rows.get(one.design),
            asked=figure_text.plain(one.limit.value, one.limit.unit), sentence=one.sentence,
            needed="known" if one.needed == one.limit.value else figure_text.plain(one.needed, one.limit.unit),
            together=one.together,
        )
        for one in plan.relaxations
    )  # fmt: skip


# --- The table --------------------------------------------------------------------------------


def _columns(plan: Plan) -> tuple[Column, ...]:
    several = len({verdict.design.machine for verdict in plan.verdicts}) > 1
    columns = []
    for quantity in _COLUMNS_OF_SEVERAL if several else _COLUMNS:
        figures = [v.design.figures[quantity] for v in plan.verdicts if quantity in v.design.figures]
        base = figures[0].unit if figures else ""
        unit = figure_text.common_unit([figure.value for figure in figures], base)
        title = _SHORT.get(quantity) or _capital(figure_text.title(quantity, plan.metric))
        columns.append(Column(quantity=quantity, title=title, unit=unit))
    return tuple(columns)


def _row(
    verdict: Verdict,
    plan: Plan,
    ids: Mapping[str, str],
    columns: Sequence[Column],
    logs: Mapping[str, str],
    room: int,
) -> Row:
    design = verdict.design
    runtime = design.configuration.runtime.value
    return Row(
        id=ids[design.name], name=design.name, mark=mark(verdict, plan), feasible=verdict.feasible,
        is_reference=design.name == plan.reference, reason=verdict.reason,
        runtime=RUNTIMES.get(runtime, runtime), precision=design.recipe.precision,
        threads=design.configuration.threads, detail=detail(verdict, plan, logs, room),
        cells=tuple(_cell(design.figures.get(column.quantity), column.unit) for column in columns),
    )  # fmt: skip


def _cell(figure: Measurement | None, unit: str) -> Cell:
    if figure is None:
        return Cell(text="–", order="", measured=True)
    shown = figure_text.show(figure, unit)
    return Cell(text=shown.number, order=f"{figure.value:.6g}", measured=shown.measured)


def _not_drawn(plan: Plan, chart: Scatter | None) -> str:
    """How many designs the scatter leaves out, "" for none."""
    count = len(plan.verdicts) - (len(chart.points) if chart else 0)
    if not count:
        return ""
    return "1 design was never timed" if count == 1 else f"{count} designs were never timed"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
