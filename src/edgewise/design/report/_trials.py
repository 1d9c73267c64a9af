"""Structures that were tried: the metric of the trained ones against their latency, and how far each came. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.design.report._forms import Form, Look, forms
from edgewise.design.report._panels import Axis, Item, Panel, panel
from edgewise.nouns import Measurement, Plan, Quantity, Trial, TrialStage

_STAGES = {
    TrialStage.PLANNED: ("★", "trained and planned"),
    TrialStage.TRAINED: ("✓", "trained"),
    TrialStage.BUILT: ("–", "built, not trained"),
    TrialStage.PROPOSED: ("–", "proposed"),
}
_LOOKS = {TrialStage.PLANNED: Look(shape=1, hue=1), TrialStage.TRAINED: Look(shape=0, hue=0)}
_QUANTITIES = (Quantity.METRIC, Quantity.LATENCY_P50, Quantity.FLASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One structure; `cells` are the texts of the columns, "" where nothing is known."""

    id: str
    name: str
    symbol: str
    stage: str
    failure: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """`looks` are the stages in the panel, each with its look and words."""

    panel: Panel | None
    forms: tuple[Form, ...]
    looks: tuple[tuple[Look, str], ...]
    columns: tuple[str, ...]
    rows: tuple[TrialRow, ...]
    trained: int


def trials(plan: Plan, prefix: str) -> Trials | None:
    """The structures of a plan in their order; None where none were tried.

    Args:
        prefix: of the rows' ids in the page.
    """
    if not plan.trials:
        return None
    trained = [trial for trial in plan.trials if Quantity.METRIC in trial.figures]
    stages = {trial.stage for trial in trained}
    known = [quantity for quantity in _QUANTITIES if any(quantity in trial.figures for trial in plan.trials)]
    names = tuple(figure_text.title(quantity, plan.metric) for quantity in known)
    return Trials(
        panel=_panel(plan, prefix), trained=len(trained), columns=(*names, "MACs", "Parameters", "Training"),
        forms=forms([trial.figures[Quantity.METRIC] for trial in trained]),
        looks=tuple((look, _STAGES[stage][1]) for stage, look in _LOOKS.items() if stage in stages),
        rows=tuple(_row(trial, known, f"{prefix}-t{number}") for number, trial in enumerate(plan.trials)),
    )  # fmt: skip


def _panel(plan: Plan, prefix: str) -> Panel | None:
    items = [
        Item(
            id=f"{prefix}-t{number}", name=trial.name, figures=trial.figures, feasible=True,
            look=_LOOKS.get(trial.stage, _LOOKS[TrialStage.TRAINED]), word=_STAGES[trial.stage][1],
            lead=trial.name if trial.stage is TrialStage.PLANNED else "",
        )
        for number, trial in enumerate(plan.trials)
    ]  # fmt: skip
    name = figure_text.short_name(plan.metric)
    title = f"{name[:1].upper()}{name[1:]} against latency"
    across = Axis(quantity=Quantity.LATENCY_P50, title="Latency p50 in float32", log=True)
    upward = Axis(quantity=Quantity.METRIC, title=name, up=plan.metric.higher_is_better)
    return panel(items, across, upward, title=title, groups=[(None, items)], linked=False)


def _row(trial: Trial, known: Sequence[Quantity], identity: str) -> TrialRow:
    symbol, stage = _STAGES[trial.stage]
    took = "" if trial.duration_s is None else figure_text.plain(trial.duration_s * 1e3, "ms")
    return TrialRow(
        id=identity, name=trial.name, symbol=symbol, stage=stage, failure=trial.failure,
        cells=(*_shown(trial.figures, known), _count(trial.macs), _count(trial.parameters), took),
    )  # fmt: skip


def _shown(figures: Mapping[Quantity, Measurement], quantities: Sequence[Quantity]) -> list[str]:
    return [figure_text.show(figures[quantity]).value if quantity in figures else "" for quantity in quantities]


def _count(number: int | None) -> str:
    return "" if number is None else figure_text.count(number, "").strip()
