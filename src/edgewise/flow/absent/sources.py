"""What can be taken to a machine that is not here: variants, with their accuracy as the target computes it.

Floating point and int8 with 32-bit sums answer elsewhere as they do here, but for rounding; int8 TFLite files answer
as TFLite's reference kernels do, which microcontrollers and NPUs follow, and these are emulated.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise import units
from edgewise.design import models
from edgewise.design.elsewhere import answers_in_tflite_reference
from edgewise.design.evaluate import predict
from edgewise.design.figures import measurement
from edgewise.design.statistics import ALPHA
from edgewise.design.variants.build import Builder
from edgewise.design.variants.recipes import is_quantised
from edgewise.errors import BadModel, ChildFailed, RecipeNotApplicable
from edgewise.flow.candidates import Evaluated, Work, given, whole
from edgewise.nouns import (
    Measurement,
    Model,
    ModelFormat,
    Provenance,
    ProvenanceKind,
    Quantity,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Variant,
)
from edgewise.runtimes.samples import Array

CALIBRATIONS = ("minmax", "percentile")
HALF = "this machine, rounded to fp16 at every node"
REFERENCE = "an emulation of TFLite's reference kernels, exact to the bit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A variant that machines elsewhere can be given.

    Attributes:
        figures: the metric, its drop and the size of the files.
        significant: whether the paired test calls the drop a drop.
    """

    variant: Variant
    model: Model
    figures: Mapping[Quantity, Measurement]
    significant: bool
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSource:
    """Why there is no such variant, in a sentence."""

    recipe: Recipe
    reason: str


def int8_tflite(evaluated: Evaluated, work: Work) -> Source | NoSource:
    """The most accurate full-int8 TFLite file, as TFLite's reference kernels would answer."""
    variants = _variants(work)
    judged = [_judged(variant, evaluated, work) for variant in variants if isinstance(variant, Variant)]
    sources = [source for source in judged if isinstance(source, Source)]
    if not sources:
        return next(entry for entry in (*judged, *variants) if isinstance(entry, NoSource))
    sign = 1 if work.judge.metric.higher_is_better else -1
    return max(sources, key=lambda source: sign * source.figures[Quantity.METRIC].value)


def _variants(work: Work) -> Sequence[Variant | NoSource]:
    """Int8 TFLite files as given, then of our own making where the model can be quantised."""
    own = [
        given(_as_given(work.models[index], index), work)
        for index in range(len(work.models))
        if work.models[index].format is ModelFormat.TFLITE and is_quantised(work.models[index])
    ]
    if own:
        return own
    return [_made(_recipe(calibration), work) for calibration in CALIBRATIONS]


def _recipe(calibration: str) -> Recipe:
    """Integers go in and come out too: conversions would run on the CPU beside the NPU."""
    return Recipe(
        name=f"tflite-int8io-{calibration}",
        method="tflite-int8",
        format=ModelFormat.TFLITE,
        precision="int8",
        settings={"source": "original", "calibration": calibration, "io": "int8"},
    )


def _as_given(model: Model, index: int) -> Recipe:
    return Recipe(
        name=f"given-{model.name}" if index else "given",
        method="given",
        format=model.format,
        precision="int8",
        settings={"source": index},
    )


def _made(recipe: Recipe, work: Work) -> Variant | NoSource:
    path = f"no {recipe.precision} path"
    index = next((i for i, model in enumerate(work.models) if model.format is ModelFormat.ONNX), None)
    if index is None:
        return NoSource(recipe=recipe, reason=f"{path}: variants are made of ONNX models only")
    model = work.models[index]
    if is_quantised(model):
        return NoSource(recipe=recipe, reason=f"{path}: the model is quantised already")
    with Builder(
        work.store, work.data, metric=work.judge.metric.name, project=work.project, versions=work.versions
    ) as builder:
        try:
            return builder.build(recipe, work.sources[index], whole(model)).variant
        except (RecipeNotApplicable, ChildFailed) as error:
            return NoSource(recipe=recipe, reason=f"{path}: {error.message}")


def _judged(variant: Variant, evaluated: Evaluated, work: Work) -> Source | NoSource:
    """`variant` with its accuracy in TFLite's reference arithmetic."""
    try:
        model = models.read(work.store.blobs.path(variant.files[0].digest))
        answers = answers_in_tflite_reference(variant, work.data, work.store, macs=model.macs)
    except (BadModel, ChildFailed) as error:
        return NoSource(recipe=variant.recipe, reason=f"what it answers cannot be told: {error.message}")
    return _source(variant, model, answers, REFERENCE, evaluated, work)


def half(evaluated: Evaluated, work: Work) -> Source | NoSource:
    """The model in fp16, its answers rounded to fp16 at every node; of the shape of the model as given."""
    settings = {"source": "original"}
    recipe = Recipe(name="fp16", method="half", format=ModelFormat.ONNX, precision="fp16", settings=settings)
    version = work.versions.get("onnxruntime", "")
    configuration = RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version=version, threads=1)
    variant = _made(recipe, work)
    if isinstance(variant, NoSource):
        return variant
    try:
        predictions = predict(variant, configuration, work.data, work.store, machine=work.identity, place=work.place)
    except ChildFailed as error:
        return NoSource(recipe=recipe, reason=f"what it answers in fp16 cannot be told: {error.message}")
    if not all(np.isfinite(output).all() for output in predictions.outputs):
        return NoSource(recipe=recipe, reason="no fp16 path: it answers NaN or infinity in fp16")
    return _source(variant, work.models[0], list(predictions.outputs), HALF, evaluated, work)


def _source(
    variant: Variant, model: Model, answers: Sequence[Array], by: str, evaluated: Evaluated, work: Work
) -> Source:
    """`variant` with its accuracy by `answers` for the first evaluation samples, [n, …] each."""
    n = len(answers[0])
    y, expected = evaluated.labels[:n], [output[:n] for output in evaluated.expected]
    drop = work.judge.drop(y, answers, expected)
    provenance = Provenance(kind=ProvenanceKind.MEASURED, by=by, date=_today())
    return Source(
        variant=variant,
        model=model,
        figures={
            Quantity.METRIC: measurement(work.judge.judge(y, answers), "", provenance),
            Quantity.DROP: measurement(drop, "", provenance),
            Quantity.FLASH: _size(variant),
        },
        significant=drop.value > 0 and drop.p is not None and drop.p < ALPHA,
        caveats=variant.notes,
    )


def _size(variant: Variant) -> Measurement:
    counted = Provenance(kind=ProvenanceKind.MEASURED, by="its files")
    return Measurement.exact(float(variant.size_bytes), units.SIZE.base, counted)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
