"""The structures that a search tried, as people read them."""

from collections.abc import Sequence

from edgewise.cli._figures import count, figure
from edgewise.cli.output import Column, heading, sentence, table
from edgewise.nouns import Plan, Quantity, Trial, TrialStage

SHOWN = 10
"""Rows that the table has without `-o wide`."""


def show(plan: Plan, *, wide: bool = False) -> None:
    """Print the trials of `plan`, those that came farthest first; nothing where there are none."""
    if not plan.trials:
        return
    reached = [trial for trial in plan.trials if trial.stage in (TrialStage.TRAINED, TrialStage.PLANNED)]
    rows = plan.trials if wide else (reached or plan.trials)[:SHOWN]
    heading("Structures (latency and size as trained: float32, one thread)")
    table(rows, columns(plan), wide=wide)
    if not wide:
        for line in left_out(plan.trials, rows):
            sentence(line)


def columns(plan: Plan) -> list[Column[Trial]]:
    """One for each dimension, then the figures."""
    return [
        Column(title="TRIAL", text=lambda trial: trial.name),
        *(_dimension(name, place) for place, name in enumerate(plan.trials[0].structure)),
        Column(title="STAGE", text=lambda trial: trial.stage, drop=40),
        _figure(plan.metric.name.rpartition(":")[2].upper(), Quantity.METRIC),
        _figure("DROP", Quantity.DROP),
        _figure("P50", Quantity.LATENCY_P50),
        _figure("SIZE", Quantity.FLASH, drop=25),
        Column(title="MACS", text=lambda trial: count(trial.macs), right=True, drop=30),
        Column(
            title="TRAINED IN",
            text=lambda trial: "-" if trial.duration_s is None else f"{trial.duration_s:.1f} s",
            right=True,
            wide=True,
        ),
        Column(title="WHY NOT", text=lambda trial: trial.failure, wide=True),
    ]


def left_out(trials: Sequence[Trial], shown: Sequence[Trial]) -> list[str]:
    """How many trials the table leaves out, by what became of them."""
    names = {trial.name for trial in shown}
    rest = [trial for trial in trials if trial.name not in names]
    stopped = sum(bool(trial.failure) for trial in rest)
    further = sum(trial.duration_s is not None and not trial.failure for trial in rest)
    waiting = len(rest) - stopped - further
    parts = [
        f"{number} {what}"
        for number, what in (
            (further, "trained"),
            (waiting, "built and not trained"),
            (stopped, "ruled out or failed"),
        )
        if number
    ]
    return [f"{len(rest)} more: {', '.join(parts)}. Each with its reason: -o wide."] if parts else []


def _dimension(name: str, place: int) -> Column[Trial]:
    def text(trial: Trial) -> str:
        value = trial.structure[name]
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return Column(title=name.upper(), text=text, drop=10 + place)


def _figure(title: str, quantity: Quantity, *, drop: int = 0) -> Column[Trial]:
    return Column(title=title, text=lambda trial: figure(trial.figures.get(quantity)), right=True, drop=drop)
