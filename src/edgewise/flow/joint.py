"""One answer over the plans of several trained structures.

`accuracy_drop` counts against the best trained structure, for there is no model as given; the choice is the
cheapest design that keeps it, by the same rules as among the variants of one model. What is in question is
timed once more, all structures in the same rounds, so that it is compared in pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgewise.design import explain, figures, measure, words
from edgewise.design.choose import Choice, choose, in_order, mark_frontier, relax
from edgewise.design.data import Data
from edgewise.design.evaluate import predict
from edgewise.design.figures import measurement
from edgewise.design.judge import judge
from edgewise.design.measure import Contestant, Timing
from edgewise.design.metrics import Judge
from edgewise.design.statistics import ALPHA, Estimate
from edgewise.errors import ChildFailed
from edgewise.flow import plan as planning
from edgewise.flow import record
from edgewise.flow.edgefile import Project
from edgewise.flow.metering import Metering
from edgewise.hardware.probe import NAME, identity
from edgewise.nouns import (
    Design,
    Machine,
    Plan,
    Provenance,
    ProvenanceKind,
    Quantity,
    Site,
    Stage,
    Trial,
    TrialStage,
    Verdict,
)
from edgewise.progress import Progress
from edgewise.store import lock
from edgewise.store.steps import Store

MOST_TIMED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the plans share.

    Attributes:
        expected: outputs of the best trained structure on the evaluation split.
        best: its name.
    """

    project: Project
    site: Site
    store: Store
    data: Data
    judge: Judge
    machine: Machine
    expected: tuple[Any, ...]
    best: str
    trials: tuple[Trial, ...]


def choose_over(
    plans: Mapping[str, Plan], ground: Ground, metered: Metering, *, progress: Progress, fresh: bool
) -> Plan:
    """One plan with all designs of `plans`, each called `structure/design`; it is remembered as the site's last.

    Args:
        plans: by name of the structure, in the order in which they were made; the best one's is among them.
    """
    significant: set[str] = set()
    designs: list[Design] = []
    for structure, made in plans.items():
        for verdict in made.verdicts:
            design = replace(verdict.design, name=f"{structure}/{verdict.design.name}")
            drop = _drop(design, structure, ground)
            if drop is not None:
                provenance = design.figures[Quantity.METRIC].provenance
                against = {Quantity.DROP: measurement(drop, "", provenance)}
                design = replace(design, figures=dict(design.figures) | against)
                if drop.value > 0 and (drop.low > 0 if drop.p is None else drop.p < ALPHA):
                    significant.add(design.name)
            designs.append(design)
    anchor = ground.best if ground.best in plans else next(iter(plans))
    reference = f"{anchor}/{plans[anchor].reference}"
    asked = {reference} | {f"{label}/{name}" for label, each in plans.items() for name in (each.choice, each.runner_up)}
    timings = _timed_together(_verdicts(designs, significant, ground), asked, ground, metered, progress, fresh=fresh)
    designs = [_with(design, timings.get(design.name), ground, metered.name) for design in designs]
    verdicts = mark_frontier(_verdicts(designs, significant, ground), ground.judge.metric)

    def ratio(slower: str, faster: str) -> Estimate | None:
        return measure.ratio(timings[slower], timings[faster]) if {slower, faster} <= set(timings) else None

    choice = choose(verdicts, ratio)
    why = explain.why(verdicts, choice, reference, ratio, label="the best trained structure, as trained")
    chosen = plans[choice.chosen.partition("/")[0] if choice.chosen else anchor]
    first = next(iter(plans.values()))
    made = replace(
        chosen,
        reference=reference,
        verdicts=tuple(in_order(verdicts, choice)),
        choice=choice.chosen,
        runner_up=choice.runner_up,
        why=(*_searched(ground, choice), *why, *_warnings(plans), *metered.caveats),
        relaxations=() if choice.chosen else relax(verdicts),
        conditions=replace(
            chosen.conditions,
            load_before=first.conditions.load_before,
            duration_s=round(sum(each.conditions.duration_s for each in plans.values()), 1),
        ),
        trials=ground.trials,
    )
    record.remember(ground.project, made, ground.store)
    return made


def _verdicts(designs: Sequence[Design], significant: set[str], ground: Ground) -> list[Verdict]:
    return [
        judge(design, ground.site.budget, ground.judge.metric, significant=design.name in significant)
        for design in designs
    ]


def _drop(design: Design, structure: str, ground: Ground) -> Estimate | None:
    """How much worse `design` is than the best trained structure.

    Paired, from predictions that the store has. What a machine elsewhere would answer is not among them: there the
    design's drop against its own structure and the structure's against the best add up, and so do their intervals,
    which is wider than it need be and never too narrow.
    """
    y = ground.data.evaluation.y
    if y is None or design.variant is None or not {Quantity.METRIC, Quantity.DROP} <= set(design.figures):
        return None
    if design.machine != NAME:
        own = design.figures[Quantity.DROP]
        trial = next(trial for trial in ground.trials if trial.name == structure).figures[Quantity.DROP]
        low, high = own.low + trial.low, own.high + trial.high
        return Estimate(value=own.value + trial.value, low=low, high=high, n=own.n)
    try:
        found = predict(
            design.variant, design.configuration, ground.data, ground.store, machine=identity(ground.machine)
        )
    except ChildFailed:
        return None
    return ground.judge.drop(y, found.outputs, ground.expected)


def _timed_together(
    verdicts: Sequence[Verdict],
    asked: set[str],
    ground: Ground,
    metered: Metering,
    progress: Progress,
    *,
    fresh: bool,
) -> dict[str, Timing]:
    """Timings of the frontier over all structures and of those `asked` for, in one session; none for one design."""
    marked = mark_frontier(verdicts, ground.judge.metric)
    front = [v.design for v in marked if v.feasible and v.on_frontier and v.design.machine == NAME]
    front.sort(key=lambda design: design.figures[Quantity.LATENCY_P50].value)
    also = [v.design for v in verdicts if v.design.name in asked and v.design.stage is Stage.TIMED]
    wanted = [design for design in front[:MOST_TIMED] if design.name not in asked]
    wanted += [design for design in also if design.machine == NAME]
    if not front or len(wanted) < 2:
        return {}
    with lock.alone(planning.machine_wide(), "plan", wait=True):
        return _session(wanted, ground, metered, progress, fresh=fresh)


def _session(
    wanted: Sequence[Design], ground: Ground, metered: Metering, progress: Progress, *, fresh: bool
) -> dict[str, Timing]:
    sign = 1 if ground.judge.metric.higher_is_better else -1
    return measure.time_designs(
        [
            Contestant(
                name=design.name,
                variant=design.variant,
                configuration=design.configuration,
                quality=sign * design.figures[Quantity.METRIC].value,
            )
            for design in wanted
            if design.variant is not None
        ],
        ground.data,
        ground.store,
        budget=ground.site.budget,
        machine=identity(ground.machine),
        meter=metered.around_burst if metered.fast else None,
        windows=metered.windows,
        progress=progress,
        fresh=fresh,
    )


def _with(design: Design, timing: Timing | None, ground: Ground, meter: str) -> Design:
    """`design` with the figures of the common session, where it was in it and lived."""
    if timing is None or timing.failure or not timing.bursts_ns:
        return design
    here = Provenance(
        kind=ProvenanceKind.MEASURED, by=ground.machine.cpu.title, date=timing.date, load=timing.load_before
    )
    declared = next((choice.power_watt for choice in ground.site.machines if choice.name == design.machine), None)
    taken = figures.of_timing(timing, here, meter=meter, declared_watt=declared)
    return replace(design, stage=Stage.TIMED, figures=dict(design.figures) | taken)


def _searched(ground: Ground, choice: Choice) -> list[str]:
    """What was searched, and what the drop counts against."""
    trials = ground.trials
    trained = [trial for trial in trials if trial.stage in (TrialStage.TRAINED, TrialStage.PLANNED)]
    planned = [trial for trial in trials if trial.stage is TrialStage.PLANNED]
    failed = sum(trial.duration_s is not None for trial in trials) - len(trained)
    missed = f" ({failed} more failed)" if failed else ""
    sentences = [
        f"{len(trials)} structures were tried: {len(trained)} of them trained{missed}, {len(planned)} planned in full"
    ]
    metric = ground.judge.metric
    best = next(trial for trial in trials if trial.name == ground.best)
    reached = words.value(Quantity.METRIC, best.figures[Quantity.METRIC].value)
    sentences.append(
        f"the best trained structure is {_spelt(best)}, with {metric.name} {reached}; drops count against it, and the"
        " choice is the cheapest design that keeps the allowed one"
    )
    structure = choice.chosen.partition("/")[0] if choice.chosen else ground.best
    own = next(trial for trial in trials if trial.name == structure)
    if structure != ground.best:
        drop = words.change(metric, own.figures[Quantity.DROP].value)
        sentences.append(f"the choice is made of {_spelt(own)}: as trained, {drop} with it")
    return sentences


def _spelt(trial: Trial) -> str:
    return f"{trial.name} ({', '.join(f'{name} {value}' for name, value in trial.structure.items())})"


def _warnings(plans: Mapping[str, Plan]) -> list[str]:
    """What single plans say about the machine, once."""
    said = [sentence for made in plans.values() for sentence in made.why if sentence.startswith("the machine was busy")]
    return said[:1]
