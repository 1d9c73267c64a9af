"""TFLite files for LiteRT, made from ONNX: float32, and full int8 by TFLite's 8-bit specification."""

from pathlib import Path

import onnx

from edgewise.design import tflite
from edgewise.design.variants.made import Made, Material, Settings

TARGET = "model.tflite"


def float32(source: Path, folder: Path, settings: Settings, material: Material) -> Made:  # noqa: ARG001
    """The same function in float32, images inside as NHWC.

    Raises:
        RecipeNotApplicable: names the operator and node that cannot be converted.
    """
    return _written(tflite.convert(onnx.load(source)), folder)


def int8(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """Activations and weights in int8; settings `calibration` (minmax, percentile) and `io` (int8, float32).

    Raises:
        RecipeNotApplicable: names the operator and node that cannot be converted.
    """
    content = tflite.convert_int8(
        onnx.load(source),
        material.samples,
        calibration=str(settings.get("calibration", "minmax")),
        io=str(settings.get("io", "int8")),
    )
    return _written(content, folder)


def _written(content: bytes, folder: Path) -> Made:
    target = folder / TARGET
    target.write_bytes(content)
    return Made(files=(target,))
