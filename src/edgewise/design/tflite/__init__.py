"""ONNX to TFLite without TensorFlow: float32, and full int8 by TFLite's 8-bit specification.

The way: `prepare` (simpler ONNX, batch of 1) -> `from_onnx` (TFLite's operators, right but slow) -> `layout` (NHWC
inside) -> `views`, `fuse` (fewer operations) -> for int8 `calibrate` and `quantise` -> `writer`. Inputs and outputs
keep the names, order, shapes and layout of the ONNX model.
"""

from collections.abc import Sequence

import onnx

from edgewise.design.tflite import calibrate
from edgewise.design.tflite.from_onnx import translate
from edgewise.design.tflite.fuse import fuse
from edgewise.design.tflite.graph import Array, Graph
from edgewise.design.tflite.layout import propagate
from edgewise.design.tflite.prepare import Prepared, prepare
from edgewise.design.tflite.quantise import quantise
from edgewise.design.tflite.views import merge
from edgewise.design.tflite.writer import write

__all__ = ["convert", "convert_int8"]


def convert(model: onnx.ModelProto) -> bytes:
    """`model` as a float32 TFLite file.

    Raises:
        RecipeNotApplicable: names the operator and node that cannot be converted.
    """
    return write(_graph(prepare(model)))


def convert_int8(
    model: onnx.ModelProto, samples: Sequence[Sequence[Array]], *, calibration: str = "minmax", io: str = "int8"
) -> bytes:
    """`model` as a TFLite file that computes in int8.

    Args:
        samples: float32 arrays in the model's input order, one list for each inference, to find ranges by.
        calibration: "minmax" or "percentile".
        io: type of inputs and outputs: "int8", with the scale in the file, or "float32", converted inside.

    Raises:
        RecipeNotApplicable: names the operator and node that cannot be converted.
    """
    prepared = prepare(model)
    graph = _graph(prepared)
    ranges = calibrate.ranges(prepared.model, graph, samples, method=calibration)
    return write(quantise(graph, ranges, io=io))


def _graph(prepared: Prepared) -> Graph:
    return fuse(merge(propagate(translate(prepared))))
