"""LiteRT (TensorFlow Lite) with XNNPACK.

A quantised model's integer inputs and outputs are converted here, by the scale and zero point that the
file states, so that it takes and gives what the float model does. No options.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgewise.runtimes.protocol import Fixed
from edgewise.runtimes.samples import Array


class _Session:
    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for detail, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], _quantised(array, detail))
        self._interpreter.invoke()
        return [_dequantised(self._interpreter.get_tensor(detail["index"]), detail) for detail in self._outputs]


def _quantised(array: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if array.dtype == dtype or not scale:
        return array
    limits = np.iinfo(dtype)
    quantised: Array = np.clip(np.rint(array / scale) + zero, limits.min, limits.max).astype(dtype)
    return quantised


def _dequantised(array: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    if array.dtype.kind == "f" or not scale:
        return array
    real: Array = (array.astype(np.float32) - zero) * np.float32(scale)
    return real


def load(path: Path, *, threads: int, options: Mapping[str, str], fixed: Fixed) -> _Session:  # noqa: ARG001
    """A session on `path` with `threads` threads, resized to `fixed.shapes` where they differ."""
    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    for detail, shape in zip(interpreter.get_input_details(), fixed.shapes, strict=True):
        if tuple(detail["shape"]) != tuple(shape):
            interpreter.resize_tensor_input(detail["index"], list(shape), strict=True)
    interpreter.allocate_tensors()
    return _Session(interpreter)
