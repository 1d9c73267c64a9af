"""The graph as a TFLite flatbuffer, by LiteRT's own schema. The same graph gives the same bytes.

Versions of operators are the lowest that allow what is used, as TensorFlow's `op_version.cc` states them, so that
older interpreters accept the file.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewise.design.tflite.graph import Graph, Operation, Quantisation, Value, values

SIGNATURE = "serving_default"
ALIGNMENT = 16
"""Bytes: kernels read constants in place and by vectors; `force_align` of the schema."""

_VERSION = 3
_IDENTIFIER = b"TFL3"
_PLACEHOLDER = 127

_TYPES = {
    "float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32, "int8": schema.TensorType.INT8,
}  # fmt: skip

_OPTIONS: Mapping[str, Callable[[], Any]] = {
    "ABS": schema.AbsOptionsT,
    "ADD": schema.AddOptionsT,
    "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
    "BATCH_MATMUL": schema.BatchMatMulOptionsT,
    "CONCATENATION": schema.ConcatenationOptionsT,
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "DEQUANTIZE": schema.DequantizeOptionsT,
    "DIV": schema.DivOptionsT,
    "EXP": schema.ExpOptionsT,
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT,
    "HARD_SWISH": schema.HardSwishOptionsT,
    "LEAKY_RELU": schema.LeakyReluOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT,
    "MEAN": schema.ReducerOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
    "MIRROR_PAD": schema.MirrorPadOptionsT,
    "MUL": schema.MulOptionsT,
    "NEG": schema.NegOptionsT,
    "PAD": schema.PadOptionsT,
    "PADV2": schema.PadV2OptionsT,
    "QUANTIZE": schema.QuantizeOptionsT,
    "RESHAPE": schema.ReshapeOptionsT,
    "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT,
    "RESIZE_NEAREST_NEIGHBOR": schema.ResizeNearestNeighborOptionsT,
    "SLICE": schema.SliceOptionsT,
    "SOFTMAX": schema.SoftmaxOptionsT,
    "SUB": schema.SubOptionsT,
    "TRANSPOSE": schema.TransposeOptionsT,
    "TRANSPOSE_CONV": schema.TransposeConvOptionsT,
}
"""The table of options of each operator that has one; its name gives the union's tag."""

_ENUMERATIONS = {
    "padding": schema.Padding, "fusedActivationFunction": schema.ActivationFunctionType,
}  # fmt: skip

_VERSIONS_INT8 = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ELU": 1, "FULLY_CONNECTED": 4, "HARD_SWISH": 1, "MUL": 2, "QUANTIZE": 1,
    "RESHAPE": 1, "TRANSPOSE_CONV": 3,
}  # fmt: skip
"""Versions for int8 that are not 2."""


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose bytes are aligned, which the generated code does not see to."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802
        if self.data is None:
            return int(super().Pack(builder))
        builder.StartVector(1, len(self.data), ALIGNMENT)
        builder.head -= len(self.data)
        builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def write(graph: Graph) -> bytes:
    """The file's bytes."""
    everything = list(values(graph))
    names = _names(graph, everything)
    index = {value: number for number, value in enumerate(everything)}
    codes: dict[tuple[str, int], int] = {}
    for operation in graph.operations:
        codes.setdefault((operation.kind, _version(operation)), len(codes))
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    buffers = [_Buffer()]
    dynamic = {_end(graph, name) for name in graph.dynamic}
    subgraph.tensors = [_tensor(value, names[value], buffers, dynamic=value in dynamic) for value in everything]
    subgraph.inputs = [index[value] for value in graph.inputs.values()]
    subgraph.outputs = [index[value] for value in graph.outputs.values()]
    subgraph.operators = [_operator(operation, index, codes) for operation in graph.operations]
    model = schema.ModelT()
    model.version, model.description = _VERSION, "Edgewise"
    model.operatorCodes = [_code(kind, version) for kind, version in codes]
    model.subgraphs, model.buffers = [subgraph], buffers
    model.signatureDefs = [_signature(graph, index)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _end(graph: Graph, name: str) -> Value:
    return graph.inputs[name] if name in graph.inputs else graph.outputs[name]


def _names(graph: Graph, everything: list[Value]) -> dict[Value, str]:
    """A name for each value, no two alike; inputs and outputs have the model's own."""
    names = {value: name for name, value in (*graph.inputs.items(), *graph.outputs.items())}
    taken = set(names.values())
    for value in everything:
        if value in names:
            continue
        stem = value.origin or ("constant" if value.data is not None else "value")
        name, number = stem, 0
        while name in taken:
            number += 1
            name = f"{stem};{number}"
        names[value] = name
        taken.add(name)
    return names


def _tensor(value: Value, name: str, buffers: list[_Buffer], *, dynamic: bool) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.type = name, _TYPES[value.dtype]
    tensor.shape, tensor.hasRank = list(value.shape), True
    if dynamic and value.shape:
        tensor.shapeSignature = [-1, *value.shape[1:]]
    if value.quantisation is not None:
        tensor.quantization = _quantisation(value.quantisation)
    tensor.buffer = 0
    if value.data is not None:
        buffer = _Buffer()
        buffer.data = np.ascontiguousarray(value.data).astype(value.data.dtype.newbyteorder("<")).tobytes()
        tensor.buffer = len(buffers)
        buffers.append(buffer)
    return tensor


def _quantisation(quantisation: Quantisation) -> Any:
    table = schema.QuantizationParametersT()
    table.scale = np.array(quantisation.scale, dtype=np.float32)
    table.zeroPoint = np.array(quantisation.zero, dtype=np.int64)
    table.quantizedDimension = quantisation.axis
    return table


def _operator(operation: Operation, index: Mapping[Value, int], codes: Mapping[tuple[str, int], int]) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = codes[operation.kind, _version(operation)]
    operator.inputs = [index[value] for value in operation.inputs]
    operator.outputs = [index[value] for value in operation.outputs]
    make = _OPTIONS.get(operation.kind)
    if make is not None:
        table = make()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(table).__name__.removesuffix("T"))
        for key, value in operation.options.items():
            setattr(table, key, getattr(_ENUMERATIONS[key], value) if key in _ENUMERATIONS else value)
        operator.builtinOptions = table
    return operator


def _version(operation: Operation) -> int:
    kind, options = operation.kind, operation.options
    if options.get("halfPixelCenters") or (kind == "RESIZE_NEAREST_NEIGHBOR" and options.get("alignCorners")):
        return 3
    if options.get("keepNumDims"):
        return 5
    if kind == "CONV_2D" and operation.inputs[0].shape[3] != operation.inputs[1].shape[3]:
        return 6  # groups
    if "int8" in (operation.inputs[0].dtype, operation.output.dtype) or kind == "TRANSPOSE_CONV":
        both = operation.inputs[0].dtype == operation.output.dtype
        return 2 if kind == "QUANTIZE" and both else _VERSIONS_INT8.get(kind, 2)
    if kind == "DEPTHWISE_CONV_2D" and max(options["dilationHFactor"], options["dilationWFactor"]) > 1:
        return 2
    return 1


def _code(kind: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    # Readers from before code 127 look into the deprecated field.
    code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER)
    code.version = version
    return code


def _signature(graph: Graph, index: Mapping[Value, int]) -> Any:
    """Names of inputs and outputs by which a `SignatureRunner` calls the model."""
    definition = schema.SignatureDefT()
    definition.signatureKey, definition.subgraphIndex = SIGNATURE, 0
    definition.inputs = [_mapped(name, index[value]) for name, value in graph.inputs.items()]
    definition.outputs = [_mapped(name, index[value]) for name, value in graph.outputs.items()]
    return definition


def _mapped(name: str, number: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, number
    return entry
