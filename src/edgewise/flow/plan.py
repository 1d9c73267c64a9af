"""`plan`: from an edge.yaml to the answer for one site, as cached steps.

read -> propose -> build and evaluate -> time what is left -> judge -> choose. Every step's result is in the
store before the next begins, so that an interrupted plan goes on where it stopped, and a second one takes
seconds.
"""

import datetime
import os
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import edgewise
from edgewise.design import estimate, explain, figures, measure, metrics, models, sharing
from edgewise.design.advice import advise
from edgewise.design.choose import Choice, choose, in_order, mark_frontier, relax
from edgewise.design.device import Device
from edgewise.design.estimate import Estimated
from edgewise.design.judge import judge
from edgewise.design.measure import Contestant, Timing
from edgewise.design.statistics import Estimate
from edgewise.errors import NotFound, StoreUnusable
from edgewise.flow import absent, ground, metering, recalibration, record, toolchains
from edgewise.flow.absent import Elsewhere, proposed
from edgewise.flow.candidates import Evaluated, Work, evaluate
from edgewise.flow.edgefile import Project
from edgewise.flow.ground import Ground
from edgewise.flow.metering import Metering
from edgewise.hardware import catalogue
from edgewise.hardware.probe import identity
from edgewise.nouns import (
    Advice,
    Conditions,
    Design,
    Finding,
    Machine,
    Plan,
    Provenance,
    ProvenanceKind,
    Quantity,
    Rejection,
    Site,
    Stage,
    Verdict,
)
from edgewise.progress import SILENT, Progress
from edgewise.runtimes import child
from edgewise.runtimes.place import HERE
from edgewise.store import atomic, lock
from edgewise.store.steps import Store

BUSY = 1.25
"""Load a core, one-minute average at the end of timing, from which on other work is likely: timing itself makes 1."""


def plan(
    project: Project,
    site: Site,
    *,
    folder: Path,
    machines: Sequence[Path] = (),
    progress: Progress = SILENT,
    wait: bool = False,
    fresh: bool = False,
    device: Device | None = None,
    device_name: str | None = None,
    meter: str = "",
) -> Plan:
    """The best design for `site`, with every other one and why not.

    Args:
        folder: the store's.
        machines: folders with the user's own catalogue files.
        wait: wait for another plan that runs on this machine, instead of refusing.
        fresh: time again, whatever the store knows.
        device: stands for the machine at hand: candidates are evaluated and timed there.
        device_name: what the catalogue calls it; estimates for that machine lean on what is measured now.
        meter: of energy, as `flow.metering` names it; "" for the machine's own. A device has its own.

    Raises:
        BadInput: the model, the data, the metric or a machine cannot be used.
        NoRunnableDesign: no runtime here runs the model.
        Busy: another plan is running here.
        DeviceLost: the device is gone; what it has measured is kept.
        StoreFull, StoreUnusable: the store's folder.
    """
    store = Store(folder)
    if device_name is not None:
        catalogue.find(device_name, machines)
    try:
        with ExitStack() as held:
            if device is None:  # two at once would disturb each other's timing; a device has its own lease
                held.enter_context(lock.alone(machine_wide(), "plan", wait=wait))
            held.enter_context(lock.alone(folder, "plan", wait=wait))
            store.sweep()
            metered = held.enter_context(metering.opened(meter)) if device is None else metering.of_device(device)
            return _plan(
                project, site, store, machines, progress, metered, fresh=fresh, device=device, device_name=device_name
            )
    except OSError as error:
        raise atomic.explain(error, folder / "plan") from error
    finally:
        child.kill_all()


def propose(project: Project, site: Site, *, machines: Sequence[Path] = ()) -> Sequence[Design]:
    """The designs that `plan` would try, and those it would not, with the reason; nothing is run."""
    base = ground.read(project, site, machines)
    return (*base.designs, *proposed.designs(base.designs, base.absent))


def check(project: Project, sites: Sequence[Site], *, machines: Sequence[Path] = ()) -> None:
    """See that every one of `sites` can be planned here, before the first of them takes its time.

    Raises:
        UnknownMachine: a machine that the catalogue does not have.
        BadDocument: a calibration file of the user's has faults.
        NotFound: a model file or data that is not there.
    """
    for path in project.model_paths:
        models.read(path)
    for site in sites:
        if ground.candidates(site, machines)[1]:
            estimate.published(machines)


def last(project: Project, site: Site, *, folder: Path) -> Plan:
    """The plan that was made last for this edge.yaml and site.

    Raises:
        NotFound: there is none.
    """
    known = record.recall(project, site.name, Store(folder))
    if known is None:
        raise NotFound(f"there is no plan for site {site.name} yet", hint=f"make one: edgewise plan {project.path}")
    return known


def logs(made: Plan, *, folder: Path) -> dict[str, str]:
    """What the tools wrote about each design, by the log's digest."""
    blobs = Store(folder).blobs
    digests = {verdict.design.log for verdict in made.verdicts if verdict.design.log}
    return {digest: blobs.get(digest).decode(errors="replace") for digest in sorted(digests) if digest in blobs}


def document(made: Plan) -> dict[str, Any]:
    """`made` as a JSON document; its format is stable and `schema` describes it."""
    body: dict[str, Any] = record.PLAN.dump_python(made, mode="json")
    return {"apiVersion": "edgewise/v1", "kind": "Plan"} | body


def schema() -> dict[str, Any]:
    """JSON Schema of `document`."""
    described = record.PLAN.json_schema(mode="serialization")
    head = {"apiVersion": {"const": "edgewise/v1"}, "kind": {"const": "Plan"}}
    described["properties"] = head | described["properties"]
    described["required"] = [*head, *described["required"]]
    return described


def machine_wide() -> Path:
    """Where this user's plans meet, whatever store they use: two at once would disturb each other's timing."""
    folder = Path(tempfile.gettempdir()) / f"edgewise-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():  # a trap that someone else has set
        raise StoreUnusable(f"{folder} is not a folder of yours", hint="remove it, or set TMPDIR to a folder of yours")
    return folder


def _plan(
    project: Project,
    site: Site,
    store: Store,
    machines: Sequence[Path],
    progress: Progress,
    metered: Metering,
    *,
    fresh: bool,
    device: Device | None,
    device_name: str | None,
) -> Plan:
    started = time.monotonic()
    progress.stage("reading", None)
    base = ground.read(project, site, machines, device=device)
    judged_by = metrics.find(
        project.metric, labelled=base.data.evaluation.y is not None, folder=project.path.resolve().parent
    )
    versions = toolchains.versions() | (
        {} if device is None else {name.value: v for name, v in device.versions.items()}
    )
    work = Work(
        sources=project.model_paths,
        models=base.models,
        data=base.data,
        judge=judged_by,
        store=store,
        machine=base.here,
        identity=identity(base.here) if device is None else device.identity,
        versions=versions,
        project=project.path.resolve().parent,
        progress=progress,
        place=device or HERE,
    )
    evaluated = evaluate(base.designs, work)
    answer, timings = _timed_answer(evaluated, site, base, work, metered, fresh=fresh)
    finished = absent.finished(answer, work)
    made = replace(
        finished,
        why=(*finished.why, *metered.caveats),
        conditions=_conditions(base.here, timings, versions, time.monotonic() - started),
    )
    record.remember(project, made, store)
    recalibration.remember(made, store, machine=device_name or work.identity, batch=base.data.batch)
    return made


def _timed_answer(
    evaluated: Evaluated, site: Site, base: Ground, work: Work, metered: Metering, *, fresh: bool
) -> tuple[Plan, dict[str, Timing]]:
    """The answer with its timings; what misses accuracy or size is timed too where nothing else fits.

    Only then does it matter how fast it would be: to tell by how much a limit must give way.
    """
    for everything in (False, True):
        timings = _time(_contestants(evaluated, site, work, everything=everything), site, work, metered, fresh=fresh)
        designs = [_timed(design, timings.get(design.name), base, metered.name) for design in evaluated.designs]
        elsewhere = absent.designs(designs, evaluated, site, base, work)
        answer = _answer(designs, elsewhere, evaluated, site, base, timings, work)
        if answer.choice is not None:
            break
    return answer, timings


def _contestants(evaluated: Evaluated, site: Site, work: Work, *, everything: bool) -> list[Contestant]:
    """The designs that passed, and the reference for comparison; with `everything` also what only misses a limit."""
    contestants = []
    sign = 1 if work.judge.metric.higher_is_better else -1
    for design in evaluated.designs:
        if design.variant is None or design.failure or Quantity.METRIC not in design.figures:
            continue
        verdict = judge(design, site.budget, work.judge.metric, significant=design.name in evaluated.significant)
        known = [f for f in verdict.findings if f.limit.quantity in (Quantity.DROP, Quantity.FLASH)]
        misses = any(finding.finding is Finding.MISSES for finding in known)
        if misses and design.name != evaluated.reference and not everything:
            continue
        contestants.append(
            Contestant(
                name=design.name,
                variant=design.variant,
                configuration=design.configuration,
                quality=sign * design.figures[Quantity.METRIC].value,
            )
        )
    return contestants


def _time(
    contestants: Sequence[Contestant], site: Site, work: Work, metered: Metering, *, fresh: bool
) -> dict[str, Timing]:
    return measure.time_designs(
        contestants,
        work.data,
        work.store,
        budget=site.budget,
        machine=work.identity,
        meter=metered.around_burst if metered.fast else None,
        windows=metered.windows,
        progress=work.progress,
        fresh=fresh,
        place=work.place,
    )


def _timed(design: Design, timing: Timing | None, base: Ground, meter: str) -> Design:
    of_machine = figures.of_machine(base.here, base.choice)
    figures_now = dict(design.figures) | {key: of_machine[key] for key in of_machine if key is Quantity.PRICE}
    if timing is None:
        return replace(design, figures=figures_now)
    if timing.failure or not timing.bursts_ns:
        failure = f"failed while it was timed: {timing.failure}"
        return replace(design, figures=figures_now, failure=failure, rejection=Rejection.FAILED)
    figures_now |= figures.of_timing(
        timing,
        _provenance(base.here, timing.date, timing.load_before),
        meter=meter,
        declared_watt=base.choice.power_watt if base.choice else None,
    )
    caveats = (*design.caveats, f"not measured further: {timing.stopped}") if timing.stopped else design.caveats
    return replace(design, stage=Stage.TIMED, figures=figures_now, caveats=caveats)


def _answer(
    here: Sequence[Design],
    elsewhere: Elsewhere,
    evaluated: Evaluated,
    site: Site,
    base: Ground,
    timings: Mapping[str, Timing],
    work: Work,
) -> Plan:
    def ratio(slower: str, faster: str) -> Estimate | None:
        return measure.ratio(timings[slower], timings[faster]) if {slower, faster} <= set(timings) else None

    metric = work.judge.metric
    significant = evaluated.significant | elsewhere.significant
    ours = [_beside_other_work(design, base) for design in here]
    if base.choice is None:
        ours = _reference_only(here, evaluated.reference)
    budgets = {choice.name: sharing.within(site.budget, choice) for choice in site.machines}
    verdicts: list[Verdict] = [
        judge(design, budgets.get(design.machine, site.budget), metric, significant=design.name in significant)
        for design in (*ours, *elsewhere.designs)
    ]
    verdicts = mark_frontier(verdicts, metric)
    choice = choose(verdicts, ratio)
    return Plan(
        edgewise=edgewise.__version__,
        site=site,
        model=work.models[0],
        metric=metric,
        data=work.data.summary,
        conditions=_conditions(work.machine, timings, work.versions, 0.0),
        machines=(*([base.here] if base.choice else []), *(entry.machine for entry in base.absent)),
        reference=evaluated.reference,
        verdicts=tuple(in_order(verdicts, choice)),
        choice=choice.chosen,
        runner_up=choice.runner_up,
        why=(*explain.why(verdicts, choice, evaluated.reference, ratio), *_busy(work.machine, timings)),
        relaxations=() if choice.chosen else relax(verdicts),
        not_planned=elsewhere.not_planned,
        advice=_advice(elsewhere, verdicts, choice, base),
    )


def _beside_other_work(design: Design, base: Ground) -> Design:
    """`design` in what other work leaves of the machine at hand."""
    if base.choice is None or base.choice.idle is None or design.stage is not Stage.TIMED:
        return design
    cores = base.here.cpu.cores or 1
    left = sharing.left_over(design.figures, idle=base.choice.idle, cores=cores, threads=design.configuration.threads)
    return replace(design, figures=left)


def _advice(elsewhere: Elsewhere, verdicts: Sequence[Verdict], choice: Choice, base: Ground) -> tuple[Advice, ...]:
    """What binds the choice and what is nearly feasible: read off the compiler, else off a roofline."""
    found = {entry.design: entry for entry in elsewhere.advice}
    shares: dict[str, Estimated | None] = {}
    for design in explain.worth_advice(verdicts, choice):
        if design.name in found or design.stage is not Stage.TIMED:
            continue
        precision = design.recipe.precision
        split = elsewhere.estimated.get(design.name)
        if split is None and design.machine == ground.THIS:
            if precision not in shares:
                rows = estimate.published(base.folders)
                shares[precision] = estimate.split(base.models[0], base.here, precision=precision, observations=rows)
            split = shares[precision]
        if split is not None:
            found[design.name] = advise(design, split, verdicts)
    return tuple(found[design.name] for design in explain.worth_advice(verdicts, choice) if design.name in found)


def _reference_only(here: Sequence[Design], reference: str) -> list[Design]:
    """The model as given, for comparison: the machine at hand is none of the site's."""
    ruled_out = "for comparison: the machine at hand is none of this site's"
    return [
        replace(design, failure=ruled_out, rejection=Rejection.RULED_OUT) for design in here if design.name == reference
    ]


def _busy(machine: Machine, timings: Mapping[str, Timing]) -> tuple[str, ...]:
    """A warning where the machine had much else to do, "" where not: ratios bear it better than milliseconds."""
    cores = machine.cpu.cores or 1
    load = max((timing.load_after for timing in timings.values()), default=0.0)
    if load <= BUSY * cores:
        return ()
    return (
        f"the machine was busy while timing (load {load:.1f} on {cores} cores): the ratios hold, but the times would be"
        " others on a quiet one, and so would p90 and p99 of machines elsewhere, which lean on them; time again with"
        " --fresh",
    )


def _conditions(
    machine: Machine, timings: Mapping[str, Timing], versions: Mapping[str, str], duration_s: float
) -> Conditions:
    any_timing = next(iter(timings.values()), None)
    return Conditions(
        machine=machine.title,
        cpu=machine.cpu.title,
        cores=machine.cpu.cores or 1,
        isa=machine.cpu.isa,
        load_before=any_timing.load_before if any_timing else os.getloadavg()[0],
        load_after=any_timing.load_after if any_timing else os.getloadavg()[0],
        date=any_timing.date if any_timing else _now(),
        versions=versions,
        duration_s=round(duration_s, 1),
    )


def _provenance(machine: Machine, date: str, load: float) -> Provenance:
    return Provenance(kind=ProvenanceKind.MEASURED, by=machine.cpu.title, date=date, load=load)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
