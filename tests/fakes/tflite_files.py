"""TFLite files of one operator each, with seeded weights; nothing is learnt. Written by the schema's own classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Array = npt.NDArray[Any]

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}
_VERSIONS = {"RESHAPE": 1, "SQUEEZE": 1, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4}
"""The first that takes int8, where that is not the second."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A tensor; `scales` empty means not quantised, `data` None means computed."""

    shape: tuple[int, ...]
    dtype: type = np.int8
    scales: Sequence[float] = ()
    zeros: Sequence[int] = ()
    axis: int = 0
    data: Array | None = None


@dataclass(frozen=True, kw_only=True)
class OneOperator:
    """An operator on its inputs; those without data are the file's inputs."""

    name: str
    inputs: Sequence[Value]
    output: Value
    options: Mapping[str, Any] = field(default_factory=dict)
    options_name: str = ""


def tflite(operator: OneOperator) -> bytes:
    """The bytes of a file with this one operator."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(model, value, index) for index, value in enumerate([*operator.inputs, operator.output])]
    graph.inputs = [index for index, value in enumerate(operator.inputs) if value.data is None]
    graph.outputs = [len(operator.inputs)]
    graph.operators = [_operator(operator)]
    model.subgraphs = [graph]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator.name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = _VERSIONS.get(operator.name, 2)
    model.operatorCodes = [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _operator(operator: OneOperator) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex = 0
    made.inputs = list(range(len(operator.inputs)))
    made.outputs = [len(operator.inputs)]
    if operator.options_name:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options_name)
        made.builtinOptions = getattr(schema, f"{operator.options_name}T")()
        for name, value in operator.options.items():
            setattr(made.builtinOptions, name, value)
    return made


def _tensor(model: Any, value: Value, index: int) -> Any:
    tensor = schema.TensorT()
    tensor.name = f"t{index}".encode()
    tensor.shape = list(value.shape)
    tensor.type = _TYPES[np.dtype(value.dtype)]
    tensor.buffer = 0
    if value.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(value.data).tobytes(), dtype=np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    if len(value.scales):
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [float(scale) for scale in value.scales]
        tensor.quantization.zeroPoint = [int(zero) for zero in value.zeros]
        tensor.quantization.quantizedDimension = value.axis
    return tensor
