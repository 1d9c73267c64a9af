"""fp16 for ONNX Runtime on CPUs whose kernels compute in it. Inputs and outputs stay float32."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from edgewise.design.variants.made import Made, Material, Settings


def half(source: Path, folder: Path, settings: Settings, material: Material) -> Made:  # noqa: ARG001
    """Weights and arithmetic in fp16."""
    target = folder / "model.onnx"
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
    return Made(files=(target,))
