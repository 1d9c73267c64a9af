"""int8 for ONNX Runtime: static QDQ in its useful recipes, dynamic, and mixed precision.

Names of recipes follow ONNX Runtime: u8s8 is unsigned activations and signed weights. `reduced` keeps
weights in 7 bits, so that pairs of products cannot saturate 16 bits on x86 CPUs without VNNI. Activation
ranges are calibrated once for each method and shared.
"""

import math
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edgewise.design.variants.made import Array, Made, Material, Settings
from edgewise.errors import RecipeNotApplicable

COMPUTE = ("Conv", "ConvTranspose", "Gemm", "MatMul")
NOTHING_TO_DO = f"the model has none of {', '.join(COMPUTE)}, so int8 has nothing to speed up"
MAX_HISTOGRAM_SAMPLES = 64
PERCENTILE = 99.99
PER_CHANNEL_OPSET = 13
EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)

_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """The calibration split, one inference at a time."""

    def __init__(self, names: Sequence[str], samples: Sequence[Sequence[Array]]) -> None:
        self._feeds: Iterator[Mapping[str, Array]] = iter([dict(zip(names, sample, strict=True)) for sample in samples])

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._feeds, None)


def prepared(source: Path, material: Material) -> Path:
    """`source` as the quantiser needs it, once for each child: nodes named, scales per channel known, shapes inferred.

    Raises:
        RecipeNotApplicable: the model's opset is older than scales per channel and cannot be converted.
    """
    target = material.scratch / f"prepared-{source.stem}.onnx"
    if not target.exists():
        model = _current(onnx.load(source))
        for index, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type}_{index}"
        onnx.save(model, target)
        try:
            quant_pre_process(str(target), str(target), skip_symbolic_shape=True, skip_optimization=True)
        except Exception:
            onnx.save(model, target)  # shapes help the quantiser, but it does without
    return target


def _current(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in an opset that has scales per channel."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), PER_CHANNEL_OPSET)
    if opset >= PER_CHANNEL_OPSET:
        return model
    try:
        return version_converter.convert_version(model, PER_CHANNEL_OPSET)
    except Exception as error:
        raise RecipeNotApplicable(
            f"the model's opset {opset} has no scales per channel, and it cannot be converted to {PER_CHANNEL_OPSET}:"
            f" {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
        ) from error


def input_names(model: onnx.ModelProto) -> list[str]:
    """Names of the inputs that are not constants, in order."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [tensor.name for tensor in model.graph.input if tensor.name not in constants]


def compute_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that do the multiplying, in the graph's order."""
    return [node.name for node in model.graph.node if node.op_type in COMPUTE]


def quantise(
    source: Path, target: Path, settings: Settings, material: Material, *, in_float: Sequence[str] = ()
) -> None:
    """Write `source` as QDQ int8 to `target`, with the nodes `in_float` left as they are."""
    calibration = str(settings["calibration"])
    model = onnx.load(source, load_external_data=False)
    if not compute_nodes(model):
        raise RecipeNotApplicable(NOTHING_TO_DO)
    samples = material.samples if calibration == "minmax" else material.samples[:MAX_HISTOGRAM_SAMPLES]
    unsigned = settings["activations"] == "u8"
    extra: dict[str, Any] = {"CalibPercentile": PERCENTILE} if calibration == "percentile" else {}
    quantize_static(
        str(source),
        str(target),
        _Reader(input_names(model), samples),
        quant_format=QuantFormat.QDQ,
        per_channel=bool(settings["per_channel"]),
        reduce_range=bool(settings["reduced"]),
        activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(in_float),
        calibrate_method=_METHODS[calibration],
        extra_options=extra,
        calibration_cache_path=material.scratch / f"ranges-{source.stem}-{calibration}.json",
    )


def static(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """Static int8: settings `activations` (u8, s8), `reduced`, `per_channel`, `calibration`."""
    target = folder / "model.onnx"
    quantise(prepared(source, material), target, settings, material)
    return Made(files=(target,))


def dynamic(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """Dynamic int8: weights now, activations measured anew in every inference."""
    present = {node.op_type for node in onnx.load(source, load_external_data=False).graph.node}
    target = folder / "model.onnx"
    quantize_dynamic(
        prepared(source, material),
        target,
        per_channel=bool(settings["per_channel"]),
        reduce_range=bool(settings["reduced"]),
        weight_type=QuantType.QUInt8 if "Conv" in present else QuantType.QInt8,
    )
    weights = onnx.load(target).graph.initializer
    if not any(tensor.data_type in EIGHT_BITS and math.prod(tensor.dims) > 1 for tensor in weights):
        raise RecipeNotApplicable("the model has no operator that ONNX Runtime quantises dynamically")
    return Made(files=(target,))
