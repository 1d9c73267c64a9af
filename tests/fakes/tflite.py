"""Running ONNX and TFLite side by side, on inputs that a seed decides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from edgewise.runtimes import litert
from edgewise.runtimes.protocol import Fixed

Arrays = list[npt.NDArray[np.float32]]


def feeds(model: onnx.ModelProto, count: int = 1, *, batch: int = 1, seed: int = 0) -> list[Arrays]:
    """`count` lists of normal arrays for the model's inputs; dynamic axes are `batch` long."""
    random = np.random.default_rng(seed)
    stored = {tensor.name for tensor in model.graph.initializer}
    shapes = [
        [axis.dim_value or batch for axis in value.type.tensor_type.shape.dim]
        for value in model.graph.input
        if value.name not in stored
    ]
    return [[random.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(count)]


def run_onnx(model: onnx.ModelProto, feed: Sequence[npt.NDArray[np.float32]]) -> Arrays:
    """What ONNX Runtime answers."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [value.name for value in session.get_inputs()]
    return list(session.run(None, dict(zip(names, feed, strict=True))))


def run_tflite(content: bytes, feed: Sequence[npt.NDArray[np.float32]], folder: Path) -> Arrays:
    """What our LiteRT session answers: float32 in and out, whatever the file has."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    session = litert.load(
        path, threads=1, options={}, fixed=Fixed(shapes=tuple(array.shape for array in feed), axes={})
    )
    return session.run(feed)


def bare(content: bytes) -> Interpreter:
    """An interpreter of the file, ready to be asked."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter
