"""From proposals to designs that are worth timing: built, run once over the evaluation data, judged.

Cheap things first: what cannot be built, fails, or loses accuracy is never timed. Toolchains work side by
side, for nothing is timed here. Whatever fails becomes a design's `failure`; the others go on.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgewise import units
from edgewise.design.data import Data
from edgewise.design.evaluate import Predictions, predict
from edgewise.design.figures import measurement
from edgewise.design.metrics import Judge, check
from edgewise.design.statistics import ALPHA, Estimate
from edgewise.design.variants.build import Builder
from edgewise.design.variants.made import reference_labels
from edgewise.design.variants.recipes import GIVEN, SIMPLIFIED, may_saturate
from edgewise.errors import BadModel, ChildFailed, NoRunnableDesign, RecipeNotApplicable
from edgewise.flow import saturation
from edgewise.nouns import (
    Design,
    Machine,
    Measurement,
    Model,
    ModelFile,
    Provenance,
    ProvenanceKind,
    Quantity,
    Recipe,
    Rejection,
    Stage,
    Variant,
)
from edgewise.progress import Progress
from edgewise.runtimes import child
from edgewise.runtimes.place import HERE, Place
from edgewise.runtimes.samples import Array
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What every candidate of one plan shares.

    Attributes:
        sources: the model file and its other formats, as paths.
        models: what they are; the first is the reference.
        identity: of the machine, for cache keys.
        versions: of the toolchains.
    """

    sources: Sequence[Path]
    models: Sequence[Model]
    data: Data
    judge: Judge
    store: Store
    machine: Machine
    identity: str
    versions: Mapping[str, str]
    project: Path
    progress: Progress
    place: Place = HERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The designs after evaluation, and which of them the paired test finds worse than the reference.

    Attributes:
        labels, expected: labels and the reference's outputs of the evaluation split, [n, …]: what else is to be
            judged is judged against them.
    """

    designs: tuple[Design, ...]
    reference: str
    significant: frozenset[str]
    labels: Array
    expected: Sequence[Array]


def evaluate(designs: Sequence[Design], work: Work) -> Evaluated:
    """Build every design's variant, run it over the evaluation data, and compare it with the reference.

    Raises:
        NoRunnableDesign: no runtime runs the model as given.
        BadModel: its answers are not finite.
        BadData: the labels do not fit what the model answers.
    """
    cells = _cells(designs)
    work.progress.stage("building and evaluating", len(cells))
    reference, expected = _reference(cells, work)
    y = work.data.evaluation.y
    if y is None:
        y = reference_labels(expected.outputs, work.judge)
    check(work.judge, y, expected.outputs)
    outcomes = _outcomes(cells, work)
    finished: list[Design] = []
    significant = set()
    for cell in cells:
        outcome = outcomes[cell[0].name]
        drop = None
        if outcome.predictions is not None:
            drop = work.judge.drop(y, outcome.predictions.outputs, expected.outputs)
            if cell[0].name == reference:  # nothing is worse than itself, however few the samples
                drop = Estimate(value=0.0, low=0.0, high=0.0, n=drop.n, p=1.0)
            if drop.value > 0 and drop.p is not None and drop.p < ALPHA:
                significant |= {design.name for design in cell}
        finished += [_finish(design, outcome, y, expected.outputs, drop, work) for design in cell]
    return Evaluated(
        designs=tuple(_without_twins(finished, work)),
        reference=reference,
        significant=frozenset(significant),
        labels=y,
        expected=expected.outputs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    variant: Variant | None = None
    predictions: Predictions | None = None
    failure: str = ""
    rejection: Rejection | None = None
    log: str = ""


def _cells(designs: Sequence[Design]) -> list[list[Design]]:
    """Designs that differ in the number of threads only share variant and predictions."""
    cells: dict[str, list[Design]] = {}
    for design in designs:
        cells.setdefault(design.name.rpartition("@")[0], []).append(design)
    return list(cells.values())


def _reference(cells: Sequence[Sequence[Design]], work: Work) -> tuple[str, Predictions]:
    """The model as given, in the first runtime that runs it, and what it predicts."""
    failures = []
    as_given = (cell[0] for cell in cells if cell[0].recipe.method in (GIVEN, "openvino") and not cell[0].failure)
    with Builder(
        work.store, work.data, metric=work.judge.metric.name, project=work.project, versions=work.versions
    ) as builder:
        for design in as_given:
            outcome = _try(design, work, builder)
            if outcome.predictions is None:
                failures.append(f"{design.configuration.runtime}: {outcome.failure}")
                continue
            if not all(np.isfinite(output).all() for output in outcome.predictions.outputs):
                raise BadModel(
                    f"{work.models[0].name} answers NaN or infinity to the evaluation data",
                    hint="look at the model's training, or at how the data is scaled",
                )
            return design.name, outcome.predictions
    raise NoRunnableDesign(
        f"no runtime here runs {work.models[0].name}: {'; '.join(failures) or 'none is installed'}",
        hint="export it with standard operators, or install another runtime: pip install 'edgewise[design]'",
    )


def _outcomes(cells: Sequence[Sequence[Design]], work: Work) -> dict[str, _Outcome]:
    """The outcome of every cell by its first design's name; toolchains work in parallel."""
    outcomes: dict[str, _Outcome] = {}
    lanes: dict[str, list[Design]] = {}
    for cell in cells:
        lanes.setdefault(_lane(cell[0].recipe), []).append(cell[0])
    first = lanes.pop(SIMPLIFIED, [])
    lock = threading.Lock()

    def walk(lane: Sequence[Design]) -> dict[str, _Outcome]:
        found = {}
        with Builder(
            work.store, work.data, metric=work.judge.metric.name, project=work.project, versions=work.versions
        ) as builder:
            for design in lane:
                found[design.name] = _finite(_try(design, work, builder))
                with lock:
                    work.progress.step(design.name.rpartition("@")[0])
        return found

    outcomes |= walk(first)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(walk, lane) for lane in lanes.values()]
        try:
            for future in futures:
                outcomes |= future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            child.kill_all()
            work.place.kill_all()
            raise
    return outcomes


def _lane(recipe: Recipe) -> str:
    """Recipes of one lane share a child and its calibration; others run beside it."""
    if recipe.method == "simplify":
        return SIMPLIFIED
    if recipe.method.startswith("nncf"):
        return recipe.method
    return str(recipe.settings.get("calibration", recipe.method))


def _try(design: Design, work: Work, builder: Builder) -> _Outcome:
    if design.failure:
        return _Outcome(failure=design.failure, rejection=design.rejection)
    variant, log = None, ""
    try:
        variant, log = _variant(design.recipe, work, builder)
        predictions = predict(
            variant, design.configuration, work.data, work.store, machine=work.identity, place=work.place
        )
    except RecipeNotApplicable as refusal:
        return _Outcome(failure=refusal.message, rejection=Rejection.NOT_APPLICABLE)
    except ChildFailed as error:
        what = "cannot run it" if variant else "cannot be made"
        failure = f"{what}: {error.message}"
        log = work.store.blobs.put(error.log.encode())
        return _Outcome(variant=variant, failure=failure, rejection=Rejection.FAILED, log=log)
    return _Outcome(variant=variant, predictions=predictions, log=_joined(work.store, log, predictions.log))


def _finite(outcome: _Outcome) -> _Outcome:
    """`outcome`, failed where it answers NaN or infinity: no metric could tell how bad that is."""
    if outcome.predictions is None or all(np.isfinite(output).all() for output in outcome.predictions.outputs):
        return outcome
    return replace(outcome, predictions=None, failure="it answers NaN or infinity to the evaluation data")


def _variant(recipe: Recipe, work: Work, builder: Builder) -> tuple[Variant, str]:
    if recipe.method == GIVEN:
        return given(recipe, work), ""
    source, digest = work.sources[0], whole(work.models[0])
    if recipe.settings["source"] == SIMPLIFIED:
        source, digest = _simplified(recipe, work, builder) or (source, digest)
    built = builder.build(recipe, source, digest)
    return built.variant, built.log


def given(recipe: Recipe, work: Work) -> Variant:
    """A model as it was given to us, its files in the store."""
    index = int(recipe.settings["source"])
    folder = work.sources[index].parent
    files = tuple(
        ModelFile(name=file.name, digest=work.store.blobs.put_file(folder / file.name), size_bytes=file.size_bytes)
        for file in work.models[index].files
    )
    return Variant(recipe=recipe, files=files)


def _simplified(recipe: Recipe, work: Work, builder: Builder) -> tuple[Path, str] | None:
    """The simplified model as a source; None where the model cannot be simplified."""
    simplify = replace(
        recipe, name="fp32-simplified", method="simplify", precision="fp32", settings={"source": "original"}
    )
    try:
        file = builder.build(simplify, work.sources[0], whole(work.models[0])).variant.files[0]
    except (RecipeNotApplicable, ChildFailed):
        return None
    return work.store.blobs.path(file.digest), file.digest


def whole(model: Model) -> str:
    """Digest of the model with what it refers to: retrained, only its external weights may differ."""
    return model.digest if len(model.files) == 1 else digest_of("".join(file.digest for file in model.files).encode())


def _joined(store: Store, *digests: str) -> str:
    text = b"".join(store.blobs.get(digest) for digest in digests if digest)
    return store.blobs.put(text) if text else ""


def _finish(
    design: Design, outcome: _Outcome, y: Array, expected: Sequence[Array], drop: Estimate | None, work: Work
) -> Design:
    """`design` with what is known of it after evaluation."""
    if outcome.variant is None:
        return replace(design, failure=outcome.failure, rejection=outcome.rejection, log=outcome.log)
    counted = Provenance(kind=ProvenanceKind.MEASURED, by="its files")
    flash = Measurement.exact(float(outcome.variant.size_bytes), units.SIZE.base, counted)
    figures = {Quantity.FLASH: flash}
    built = replace(
        design,
        variant=outcome.variant,
        stage=Stage.BUILT,
        figures=figures,
        caveats=outcome.variant.notes,
        log=outcome.log,
    )
    if outcome.predictions is None or drop is None:
        return replace(built, failure=outcome.failure, rejection=outcome.rejection)
    judged = work.judge.judge(y, outcome.predictions.outputs)
    provenance = Provenance(kind=ProvenanceKind.MEASURED, by=work.machine.cpu.title, date=outcome.predictions.date)
    figures = figures | {
        Quantity.METRIC: measurement(judged, "", provenance),
        Quantity.DROP: measurement(drop, "", provenance),
    }
    evaluated = replace(built, stage=Stage.EVALUATED, figures=figures)
    if not may_saturate(design, work.machine):
        return evaluated
    reason = saturation.reason(
        outcome.variant,
        design.configuration,
        drop,
        y=y,
        expected=expected,
        judge=work.judge,
        data=work.data,
        store=work.store,
        machine=work.machine,
    )
    return replace(evaluated, failure=reason, rejection=Rejection.RULED_OUT)


def _without_twins(designs: Sequence[Design], work: Work) -> Iterator[Design]:
    """Of designs that differ in calibration alone, and so run the same kernels, only the most accurate goes on."""
    best: dict[str, Design] = {}
    sign = 1 if work.judge.metric.higher_is_better else -1

    def quality(design: Design) -> float:
        return sign * design.figures[Quantity.METRIC].value

    for design in designs:
        if _has_twins(design) and (_graph(design) not in best or quality(design) > quality(best[_graph(design)])):
            best[_graph(design)] = design
    for design in designs:
        winner = best.get(_graph(design)) if _has_twins(design) else None
        if winner is None or winner.name == design.name:
            yield design
        else:
            kept = f"whose calibration keeps {work.judge.metric.name} as well or better"
            reason = f"runs the same kernels as {winner.name}, {kept}"
            yield replace(design, failure=reason, rejection=Rejection.RULED_OUT)


def _has_twins(design: Design) -> bool:
    return design.stage is Stage.EVALUATED and not design.failure and "calibration" in design.recipe.settings


def _graph(design: Design) -> str:
    settings = {key: value for key, value in design.recipe.settings.items() if key != "calibration"}
    configuration = design.configuration
    return repr((configuration, design.recipe.method, settings))
