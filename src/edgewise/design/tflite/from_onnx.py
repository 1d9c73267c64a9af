"""Prepared ONNX to the graph, node by node. Each translation is right by itself; `layout` makes it fast.

An operator is in one of the tables below or the model is refused by its name.
"""

from collections.abc import Callable, Iterator, Mapping

import onnx
from onnx import helper, numpy_helper

from edgewise.design.tflite import dense, elementwise, moves, windows
from edgewise.design.tflite.graph import Graph, Shape, Value, constant
from edgewise.design.tflite.node import Node, Operations
from edgewise.design.tflite.prepare import Prepared
from edgewise.errors import RecipeNotApplicable

Translation = Callable[[Node, Operations], Value | list[Value]]

TRANSLATIONS: Mapping[str, Translation] = {
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), moves.reshape),
    **dict.fromkeys(("Identity", "Dropout"), elementwise.identity),
    "AveragePool": windows.average_pooling,
    "Cast": elementwise.cast,
    "Clip": elementwise.clip,
    "Concat": moves.concatenate,
    "Conv": windows.convolution,
    "ConvTranspose": windows.transposed_convolution,
    "Gemm": dense.gemm,
    "GlobalAveragePool": windows.global_average,
    "GlobalMaxPool": windows.global_maximum,
    "LeakyRelu": elementwise.leaky,
    "MatMul": dense.product,
    "MaxPool": windows.max_pooling,
    "Pad": moves.pad,
    "ReduceMean": moves.mean,
    "Resize": moves.resize,
    "Slice": moves.cut,
    "Softmax": dense.softmax,
    "Split": moves.split,
    "Transpose": moves.transpose,
}
"""ONNX operators that are converted. BatchNormalization and HardSigmoid are gone after `prepare`."""


def translate(prepared: Prepared) -> Graph:
    """The graph of a prepared model.

    Raises:
        RecipeNotApplicable: names the operator and node that cannot be converted, and why.
    """
    graph = prepared.model.graph
    shapes = _shapes(graph)
    values: dict[str, Value | None] = {"": None}
    values |= {tensor.name: constant(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    inputs = {
        value.name: Value(shape=shapes[value.name], origin=value.name)
        for value in graph.input
        if value.name not in values
    }
    values |= inputs
    operations = Operations()
    for node in graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = _literal(node)
        else:
            values |= _translate(_read(node, values, shapes), operations)
    outputs = {value.name: _float(values.get(value.name), value.name) for value in graph.output}
    # TRANSPOSE_CONV states its output's whole shape, so that a graph with one has a batch of 1.
    fixed = any(operation.kind == "TRANSPOSE_CONV" for operation in operations.all)
    dynamic = frozenset[str]() if fixed else prepared.dynamic
    return Graph(inputs=inputs, outputs=outputs, operations=tuple(operations.all), dynamic=dynamic)


def _translate(node: Node, operations: Operations) -> Iterator[tuple[str, Value]]:
    """Names of what the node gives, with its values."""
    translation = TRANSLATIONS.get(node.operator)
    if translation is None:
        raise node.refusal("has no counterpart here: the operator is not converted to TFLite")
    found = translation(node, operations)
    for (name, _), value in zip(node.outputs, found if isinstance(found, list) else [found], strict=False):
        yield name, value


def _read(node: onnx.NodeProto, values: Mapping[str, Value | None], shapes: Mapping[str, Shape]) -> Node:
    name = node.name or next(iter(node.output), "")
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    for out in node.output:
        if out and out not in shapes and operator in TRANSLATIONS:
            raise RecipeNotApplicable(f"{operator} {name!r} gives {out!r} in a shape that is not known beforehand")
    attributes = {attribute.name: _plain(helper.get_attribute_value(attribute)) for attribute in node.attribute}
    return Node(
        name=name,
        operator=operator,
        inputs=tuple(values[given] for given in node.input),
        outputs=tuple((out, shapes.get(out, ())) for out in node.output if out),
        attributes=attributes,
    )


def _plain(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _literal(node: onnx.NodeProto) -> Value:
    for attribute in node.attribute:
        if attribute.name == "value":
            return constant(numpy_helper.to_array(attribute.t))
    raise RecipeNotApplicable(f"Constant {node.name!r} is no tensor; only tensors are converted to TFLite")


def _float(value: Value | None, name: str) -> Value:
    if value is None or value.dtype != "float32":
        raise RecipeNotApplicable(f"output {name!r} is not float32, which is all that is converted to TFLite")
    return value


def _shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """Shapes that are known in full."""
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(axis.HasField("dim_value") for axis in kind.shape.dim):
            found[value.name] = tuple(int(axis.dim_value) for axis in kind.shape.dim)
    return found
