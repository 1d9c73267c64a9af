"""`plan`: from an edge.yaml to the answer for one site, as cached steps.

read -> propose -> build and evaluate -> time what is left -> judge -> choose. Every step's result is in the
store before the next begins, so that an interrupted plan goes on where it stopped, and a second one takes
seconds.
"""

import datetime
import importlib.metadata
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import edgewise
from edgewise import units
from edgewise.design import data as design_data
from edgewise.design import explain, figures, measure, metrics, models
from edgewise.design.choose import choose, in_order, mark_frontier, relax
from edgewise.design.judge import judge
from edgewise.design.measure import Contestant, Timing
from edgewise.design.statistics import Estimate
from edgewise.design.variants.recipes import Situation
from edgewise.design.variants.recipes import propose as propose_designs
from edgewise.errors import BadModel, NoRunnableDesign, NotFound, StoreUnusable
from edgewise.flow.candidates import Evaluated, Work, evaluate
from edgewise.flow.edgefile import Project
from edgewise.hardware import catalogue, meters
from edgewise.hardware.probe import identity, probe
from edgewise.nouns import (
    Conditions,
    Design,
    Finding,
    Machine,
    MachineChoice,
    Measurement,
    Model,
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
from edgewise.runtimes import child, protocol
from edgewise.store import atomic, lock, steps
from edgewise.store.steps import Store

THIS = "this"
DEFAULT_TOLERANCE = 0.005
"""Drop that accuracy-controlled recipes aim at where the budget names none; the paired test still decides."""

BUSY = 1.25
"""Load a core, one-minute average at the end of timing, from which on other work is likely: timing itself makes 1."""

TOOLCHAINS = ("onnx", "onnxslim", "onnxruntime", "openvino", "nncf", "ai-edge-litert", "numpy")
_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What a plan stands on: everything read and checked, nothing tried yet."""

    machine: Machine
    choice: MachineChoice
    not_planned: Mapping[str, str]
    models: tuple[Model, ...]
    data: design_data.Data
    designs: tuple[Design, ...]


def plan(
    project: Project,
    site: Site,
    *,
    folder: Path,
    machines: Sequence[Path] = (),
    progress: Progress = SILENT,
    wait: bool = False,
    fresh: bool = False,
) -> Plan:
    """The best design for `site`, with every other one and why not.

    Args:
        folder: the store's.
        machines: folders with the user's own catalogue files.
        wait: wait for another plan that runs on this machine, instead of refusing.
        fresh: time again, whatever the store knows.

    Raises:
        BadInput: the model, the data, the metric or a machine cannot be used.
        NoRunnableDesign: no runtime here runs the model.
        Busy: another plan is running here.
        StoreFull, StoreUnusable: the store's folder.
    """
    store = Store(folder)
    try:
        with lock.alone(_machine_wide(), "plan", wait=wait), lock.alone(folder, "plan", wait=wait):
            store.sweep()
            return _plan(project, site, store, machines, progress, fresh=fresh)
    except OSError as error:
        raise atomic.explain(error, folder / "plan") from error
    finally:
        child.kill_all()


def propose(project: Project, site: Site, *, machines: Sequence[Path] = ()) -> Sequence[Design]:
    """The designs that `plan` would try, and those it would not, with the reason; nothing is run."""
    return _ground(project, site, machines).designs


def check(project: Project, sites: Sequence[Site], *, machines: Sequence[Path] = ()) -> None:
    """See that every one of `sites` can be planned here, before the first of them takes its time.

    Raises:
        UnknownMachine: a machine that the catalogue does not have.
        NoRunnableDesign: a site that does not name the machine at hand.
        NotFound: a model file or data that is not there.
    """
    for path in project.model_paths:
        models.read(path)
    for site in sites:
        _this(site, machines)


def last(project: Project, site: Site, *, folder: Path) -> Plan:
    """The plan that was made last for this edge.yaml and site.

    Raises:
        NotFound: there is none.
    """
    known = Store(folder).recall(_plan_key(project, site.name))
    if known is None:
        raise NotFound(f"there is no plan for site {site.name} yet", hint=f"make one: edgewise plan {project.path}")
    return _PLAN.validate_python(known)


def logs(made: Plan, *, folder: Path) -> dict[str, str]:
    """What the tools wrote about each design, by the log's digest."""
    blobs = Store(folder).blobs
    digests = {verdict.design.log for verdict in made.verdicts if verdict.design.log}
    return {digest: blobs.get(digest).decode(errors="replace") for digest in sorted(digests) if digest in blobs}


def document(made: Plan) -> dict[str, Any]:
    """`made` as a JSON document; its format is stable and `schema` describes it."""
    body: dict[str, Any] = _PLAN.dump_python(made, mode="json")
    return {"apiVersion": "edgewise/v1", "kind": "Plan"} | body


def schema() -> dict[str, Any]:
    """JSON Schema of `document`."""
    described = _PLAN.json_schema(mode="serialization")
    head = {"apiVersion": {"const": "edgewise/v1"}, "kind": {"const": "Plan"}}
    described["properties"] = head | described["properties"]
    described["required"] = [*head, *described["required"]]
    return described


def _machine_wide() -> Path:
    """Where this user's plans meet, whatever store they use: two at once would disturb each other's timing."""
    folder = Path(tempfile.gettempdir()) / f"edgewise-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():  # a trap that someone else has set
        raise StoreUnusable(f"{folder} is not a folder of yours", hint="remove it, or set TMPDIR to a folder of yours")
    return folder


def _plan_key(project: Project, site: str) -> str:
    return steps.key("plan", path=str(project.path.resolve()), site=site)


def _ground(project: Project, site: Site, machines: Sequence[Path]) -> _Ground:
    choice, not_planned = _this(site, machines)
    machine = probe(bandwidth=False)
    read = tuple(models.read(path) for path in project.model_paths)
    for other, path in zip(read[1:], project.model_paths[1:], strict=True):
        _check_same(read[0], other, path)
    data = design_data.load(project.data, read[0], seed=project.seed, folder=project.path.resolve().parent)
    limit = site.budget.limit(Quantity.DROP)
    cores = machine.cpu.cores or 1
    situation = Situation(
        model=replace(read[0], name=project.name),
        further=read[1:],
        machine=machine,
        versions=protocol.versions(),
        threads=choice.threads or tuple(sorted({1, cores})),
        tolerance=DEFAULT_TOLERANCE if limit is None else limit.value,
        batched=data.batched,
    )
    return _Ground(
        machine=machine,
        choice=choice,
        not_planned=not_planned,
        models=(situation.model, *read[1:]),
        data=data,
        designs=propose_designs(situation),
    )


def _this(site: Site, machines: Sequence[Path]) -> tuple[MachineChoice, dict[str, str]]:
    """The machine at hand among the site's, and what is said of the others."""
    elsewhere = [choice.name for choice in site.machines if choice.name != THIS]
    not_planned = {
        name: f"{catalogue.find(name, machines).title} is not at hand, and only the machine at hand is measured"
        for name in elsewhere
    }
    for choice in site.machines:
        if choice.name == THIS:
            return choice, not_planned
    raise NoRunnableDesign(
        f"site {site.name} names {', '.join(elsewhere)} only, and plan measures the machine that it runs on",
        hint=f"run it on that machine with `machines: [{THIS}]`",
    )


def _check_same(reference: Model, other: Model, path: Path) -> None:
    """See that `other` has the inputs and outputs of `reference`, whatever they are called."""
    for side in ("inputs", "outputs"):
        ours, theirs = getattr(reference.signature, side), getattr(other.signature, side)
        if len(ours) != len(theirs):
            raise BadModel(
                f"{path.name} has {len(theirs)} {side} and the first model has {len(ours)}",
                hint="model.file lists the same model in several formats",
            )
        for a, b in zip(ours, theirs, strict=True):
            if len(a.shape) != len(b.shape) or not all(
                isinstance(x, str) or isinstance(y, str) or x == y for x, y in zip(a.shape, b.shape, strict=True)
            ):
                raise BadModel(
                    f"{path.name} takes or gives {list(b.shape)} where the first model has {list(a.shape)}",
                    hint="model.file lists the same model in several formats, with the same layout of axes",
                )


def _plan(
    project: Project, site: Site, store: Store, machines: Sequence[Path], progress: Progress, *, fresh: bool
) -> Plan:
    started = time.monotonic()
    progress.stage("reading", None)
    ground = _ground(project, site, machines)
    judged_by = metrics.find(
        project.metric, labelled=ground.data.evaluation.y is not None, folder=project.path.resolve().parent
    )
    versions = _versions()
    work = Work(
        sources=project.model_paths,
        models=ground.models,
        data=ground.data,
        judge=judged_by,
        store=store,
        machine=ground.machine,
        identity=identity(ground.machine),
        versions=versions,
        project=project.path.resolve().parent,
        progress=progress,
    )
    evaluated = evaluate(ground.designs, work)
    answer, timings = _timed_answer(evaluated, site, ground, work, fresh=fresh)
    made = replace(
        answer,
        conditions=_conditions(ground.machine, timings, versions, time.monotonic() - started),
        not_planned=ground.not_planned,
    )
    blobs = tuple(sorted({verdict.design.log for verdict in made.verdicts if verdict.design.log}))
    store.record(_plan_key(project, site.name), _PLAN.dump_python(made, mode="json"), blobs=blobs)
    return made


def _timed_answer(
    evaluated: Evaluated, site: Site, ground: _Ground, work: Work, *, fresh: bool
) -> tuple[Plan, dict[str, Timing]]:
    """The answer with its timings; what misses accuracy or size is timed too where nothing else fits.

    Only then does it matter how fast it would be: to tell by how much a limit must give way.
    """
    for everything in (False, True):
        timings = _time(_contestants(evaluated, site, work, everything=everything), site, work, fresh=fresh)
        designs = [_timed(design, timings.get(design.name), ground) for design in evaluated.designs]
        answer = _answer(designs, evaluated, site, work, timings)
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


def _time(contestants: Sequence[Contestant], site: Site, work: Work, *, fresh: bool) -> dict[str, Timing]:
    return measure.time_designs(
        contestants,
        work.data,
        work.store,
        budget=site.budget,
        machine=work.identity,
        meter=_meter(),
        progress=work.progress,
        fresh=fresh,
    )


def _meter() -> Callable[[], float] | None:
    found = [meter for meter in meters.available() if meter.measured]
    return found[0].read_joules if found else None


def _timed(design: Design, timing: Timing | None, ground: _Ground) -> Design:
    price = _price(ground)
    figures_now = dict(design.figures) | ({} if price is None else {Quantity.PRICE: price})
    if timing is None:
        return replace(design, figures=figures_now)
    if timing.failure or not timing.bursts_ns:
        failure = f"failed while it was timed: {timing.failure}"
        return replace(design, figures=figures_now, failure=failure, rejection=Rejection.FAILED)
    metered = [meter.name for meter in meters.available() if meter.measured]
    figures_now |= figures.of_timing(
        timing,
        _provenance(ground.machine, timing.date, timing.load_before),
        meter=metered[0] if metered else "",
        declared_watt=ground.choice.power_watt,
    )
    caveats = (*design.caveats, f"not measured further: {timing.stopped}") if timing.stopped else design.caveats
    return replace(design, stage=Stage.TIMED, figures=figures_now, caveats=caveats)


def _price(ground: _Ground) -> Measurement | None:
    if ground.choice.price_usd is None:
        return ground.machine.price
    declared = Provenance(kind=ProvenanceKind.DECLARED, by="edge.yaml")
    return Measurement.exact(ground.choice.price_usd, units.PRICE.base, declared)


def _answer(
    designs: Sequence[Design], evaluated: Evaluated, site: Site, work: Work, timings: Mapping[str, Timing]
) -> Plan:
    def ratio(slower: str, faster: str) -> Estimate | None:
        return measure.ratio(timings[slower], timings[faster]) if {slower, faster} <= set(timings) else None

    metric = work.judge.metric
    verdicts: list[Verdict] = [
        judge(design, site.budget, metric, significant=design.name in evaluated.significant) for design in designs
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
        reference=evaluated.reference,
        verdicts=tuple(in_order(verdicts, choice)),
        choice=choice.chosen,
        runner_up=choice.runner_up,
        why=(*explain.why(verdicts, choice, evaluated.reference, ratio), *_busy(work.machine, timings)),
        relaxations=() if choice.chosen else relax(verdicts),
    )


def _busy(machine: Machine, timings: Mapping[str, Timing]) -> tuple[str, ...]:
    """A warning where the machine had much else to do, "" where not: ratios bear it better than milliseconds."""
    cores = machine.cpu.cores or 1
    load = max((timing.load_after for timing in timings.values()), default=0.0)
    if load <= BUSY * cores:
        return ()
    return (
        f"the machine was busy while timing (load {load:.1f} on {cores} cores): the ratios hold, but the times would be"
        " others on a quiet one; time again with --fresh",
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


def _versions() -> dict[str, str]:
    found = {"edgewise": edgewise.__version__}
    for package in TOOLCHAINS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
