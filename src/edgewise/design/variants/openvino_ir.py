"""OpenVINO's own format: float, weights in half precision, and int8 by NNCF with and without accuracy control."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nncf
import openvino as ov

from edgewise.design import metrics
from edgewise.design.variants.made import Array, Made, Material, Settings, reference_labels, rows
from edgewise.errors import RecipeNotApplicable
from edgewise.runtimes.samples import joined

_PRESETS = {
    "performance": nncf.QuantizationPreset.PERFORMANCE,
    "mixed": nncf.QuantizationPreset.MIXED,
}


def convert(source: Path, folder: Path, settings: Settings, material: Material) -> Made:  # noqa: ARG001
    """As OpenVINO reads it; setting `half`: weights kept in 16 bits, computed as the runtime is told to."""
    return _save(ov.Core().read_model(source), folder, half=bool(settings["half"]))


def post_training(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """NNCF's post-training int8; settings `preset` (performance, mixed), `transformer`, and
    `calibration`: mean (ranges averaged over samples, NNCF's default) or minmax.
    """
    model = ov.Core().read_model(source)
    feeds = _feeds(material)
    quantised = nncf.quantize(model, nncf.Dataset(feeds), subset_size=len(feeds), **_arguments(settings))
    if not _is_quantised(quantised):
        raise RecipeNotApplicable("NNCF found no operator to quantise")
    return _save(quantised, folder)


def accuracy_controlled(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """NNCF's int8 with operators put back to float until the metric holds on the calibration split.

    Settings as for `post_training`, and `tolerance` and `batched` as for `mixed.mixed`.

    Raises:
        RecipeNotApplicable: plain int8 holds the metric already, or nothing could stay in int8.
    """
    model = ov.Core().read_model(source)
    judge = metrics.find(material.metric, labelled=material.y is not None, folder=material.project)
    batched, feeds = bool(settings["batched"]), _feeds(material)

    def outputs(compiled: ov.CompiledModel) -> list[Array]:
        request = compiled.create_infer_request()
        results = [[tensor.copy() for tensor in request.infer(feed).values()] for feed in feeds]
        return joined(results, rows=rows(material, batched=batched))

    reference = outputs(ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))
    y = material.y if material.y is not None else reference_labels(reference, judge)
    sign = 1 if judge.metric.higher_is_better else -1
    exact = judge.score(y, reference)

    def validate(compiled: ov.CompiledModel, _: Iterable[Any]) -> tuple[float, None]:
        """The metric, moved so that the reference has 1: NNCF divides by it, and an error may be 0."""
        return 1 + sign * (judge.score(y, outputs(compiled)) - exact), None

    tolerance = float(settings["tolerance"])
    plain = nncf.quantize(model, nncf.Dataset(feeds), subset_size=len(feeds), **_arguments(settings))
    if judge.drop(y, outputs(ov.Core().compile_model(plain, "CPU")), reference).value <= tolerance:
        raise RecipeNotApplicable(
            "NNCF's plain int8 holds the metric on the calibration data, so nothing has to go back to float"
        )
    controlled = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(feeds),
        nncf.Dataset(feeds),
        validate,
        max_drop=tolerance,
        drop_type=nncf.DropType.ABSOLUTE,
        subset_size=len(feeds),
        **_arguments(settings, control=True),
    )
    if not _is_quantised(controlled):
        raise RecipeNotApplicable("every layer would have to stay in float to hold the metric on the calibration data")
    return _save(controlled, folder)


def _is_quantised(model: ov.Model) -> bool:
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def _arguments(settings: Settings, *, control: bool = False) -> dict[str, Any]:
    arguments: dict[str, Any] = {"preset": _PRESETS[str(settings["preset"])]}
    if settings["calibration"] == "minmax":
        arguments["advanced_parameters"] = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
        )
    if settings["transformer"]:
        arguments["model_type"] = nncf.ModelType.TRANSFORMER
    if not control:
        arguments["target_device"] = nncf.TargetDevice.CPU
    return arguments


def _save(model: ov.Model, folder: Path, *, half: bool = False) -> Made:
    ov.save_model(model, folder / "model.xml", compress_to_fp16=half)
    return Made(files=(folder / "model.xml", folder / "model.bin"))


def _feeds(material: Material) -> list[Mapping[int, Array]]:
    return [dict(enumerate(sample)) for sample in material.samples]
