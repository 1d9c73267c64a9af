"""One small function in every format that a runtime here reads, so that all can be held to one contract.

Batched kinds compute x @ W.T + b for x [n, 6]; "plain" computes x * s for x [6], without a batch axis.
"""

from pathlib import Path
from typing import Literal

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgewise.nouns import ModelFormat
from fakes.models import GraphBuilder

Kind = Literal["dynamic", "four", "plain"]
Floats = NDArray[np.float32]

FEATURES, CLASSES = 6, 3
_random = np.random.default_rng(7)
WEIGHTS = _random.uniform(-1, 1, (CLASSES, FEATURES)).astype(np.float32)
BIAS = _random.uniform(-1, 1, CLASSES).astype(np.float32)
SCALE = _random.uniform(-1, 1, FEATURES).astype(np.float32)

IN_STEP, IN_ZERO, WEIGHT_STEP, OUT_STEP, OUT_ZERO = 0.02, 3, 1 / 127, 0.05, -5


def expected(kind: Kind, x: Floats) -> Floats:
    """What the model gives for rows `x`, computed by numpy."""
    result: Floats = x * SCALE if kind == "plain" else x @ WEIGHTS.T + BIAS
    return result


def write(folder: Path, model_format: ModelFormat, kind: Kind) -> Path:
    """The model as a file in `folder`."""
    if model_format is ModelFormat.ONNX:
        path = folder / f"{kind}.onnx"
        onnx.save(_onnx(kind), path)
        return path
    path = folder / f"{kind}.tflite"
    path.write_bytes(_tflite(kind))
    return path


def write_int8(folder: Path) -> Path:
    """The dynamic kind as int8 TFLite with int8 inputs and outputs."""
    path = folder / "int8.tflite"
    weights = np.rint(WEIGHTS / WEIGHT_STEP).astype(np.int8)
    bias = np.rint(BIAS / (IN_STEP * WEIGHT_STEP)).astype(np.int32)
    file = _TfLite()
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    x = file.tensor("x", (-1, FEATURES), dtype=int8, step=IN_STEP, zero=IN_ZERO)
    w = file.tensor("w", weights.shape, weights.tobytes(), dtype=int8, step=WEIGHT_STEP)
    b = file.tensor("b", bias.shape, bias.tobytes(), dtype=int32, step=IN_STEP * WEIGHT_STEP)
    y = file.tensor("y", (-1, CLASSES), dtype=int8, step=OUT_STEP, zero=OUT_ZERO)
    path.write_bytes(file.dense(x, w, b, y))
    return path


def write_heavy(folder: Path, model_format: ModelFormat, size: int = 2500) -> Path:
    """A model of size * size weights; input [1, size]."""
    values = np.full((size, size), 1e-3, np.float32)
    path = folder / f"heavy.{model_format.value}"
    if model_format is ModelFormat.ONNX:
        graph = GraphBuilder(0)
        graph.add("Gemm", "x", graph.constant(values), transB=1, output="y")
        onnx.save(graph.model([("x", (1, size))], [("y", (1, size))]), path)
    else:
        file = _TfLite()
        x, w = file.tensor("x", (1, size)), file.tensor("w", values.shape, values.tobytes())
        b = file.tensor("b", (size,), np.zeros(size, np.float32).tobytes())
        path.write_bytes(file.dense(x, w, b, file.tensor("y", (1, size))))
    return path


def _onnx(kind: Kind) -> onnx.ModelProto:
    graph = GraphBuilder(0)
    if kind == "plain":
        graph.add("Mul", "x", graph.constant(SCALE), output="y")
        return graph.model([("x", (FEATURES,))], [("y", (FEATURES,))])
    graph.add("Gemm", "x", graph.constant(WEIGHTS), graph.constant(BIAS), transB=1, output="y")
    batch: int | str = 4 if kind == "four" else "batch"
    return graph.model([("x", (batch, FEATURES))], [("y", (batch, CLASSES))])


def _tflite(kind: Kind) -> bytes:
    file = _TfLite()
    if kind == "plain":
        x, s = file.tensor("x", (FEATURES,)), file.tensor("s", SCALE.shape, SCALE.tobytes())
        y = file.tensor("y", (FEATURES,))
        options = {"builtinOptionsType": schema.BuiltinOptions.MulOptions, "builtinOptions": schema.MulOptionsT()}
        return file.content(schema.BuiltinOperator.MUL, [x, s], y, **options)
    batch = 4 if kind == "four" else -1
    x, w = file.tensor("x", (batch, FEATURES)), file.tensor("w", WEIGHTS.shape, WEIGHTS.tobytes())
    b, y = file.tensor("b", BIAS.shape, BIAS.tobytes()), file.tensor("y", (batch, CLASSES))
    return file.dense(x, w, b, y)


class _TfLite:
    """One operator in one subgraph, through the schema's own object interface."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
        self._buffers = [schema.BufferT()]

    def tensor(
        self, name: str, shape: tuple[int, ...], data: bytes = b"", *,
        dtype: int = schema.TensorType.FLOAT32, step: float = 0, zero: int = 0,
    ) -> int:  # fmt: skip
        tensor = schema.TensorT(name=name, shape=[abs(axis) for axis in shape], shapeSignature=list(shape), type=dtype)
        if data:
            tensor.buffer = len(self._buffers)
            self._buffers.append(schema.BufferT(data=np.frombuffer(data, dtype=np.uint8)))
        if step:
            tensor.quantization = schema.QuantizationParametersT(scale=[step], zeroPoint=[zero])
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def dense(self, x: int, w: int, b: int, y: int) -> bytes:
        kind = schema.BuiltinOptions.FullyConnectedOptions
        options = schema.FullyConnectedOptionsT()
        return self.content(
            schema.BuiltinOperator.FULLY_CONNECTED, [x, w, b], y, builtinOptionsType=kind, builtinOptions=options
        )

    def content(self, operator: int, inputs: list[int], output: int, **options: object) -> bytes:
        graph = self._graph
        graph.inputs, graph.outputs = inputs[:1], [output]
        graph.operators = [schema.OperatorT(opcodeIndex=0, inputs=inputs, outputs=[output], **options)]
        code = schema.OperatorCodeT(builtinCode=operator, deprecatedBuiltinCode=operator, version=1)
        model = schema.ModelT(version=3, operatorCodes=[code], subgraphs=[graph], buffers=self._buffers)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
