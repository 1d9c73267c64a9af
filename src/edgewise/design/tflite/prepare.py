"""ONNX to simpler ONNX: batch of 1, constants folded, shapes known, few kinds of nodes.

What stays is an ordinary ONNX model whose values all have names, so that ranges can be calibrated on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxslim
from onnx import helper, inliner, numpy_helper, shape_inference, version_converter

from edgewise.errors import RecipeNotApplicable

OLDEST_OPSET = 13
"""From here on axes, pads and bounds are inputs, as the translation expects them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The simplified model, and which inputs and outputs had a dynamic first axis (1 now)."""

    model: onnx.ModelProto
    dynamic: frozenset[str]


def prepare(model: onnx.ModelProto) -> Prepared:
    """Simplify `model`, which is left as it is.

    Raises:
        RecipeNotApplicable: an input is not float32 or has a dynamic axis other than the first, or the model
            cannot be brought to an opset that is understood.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        copy = inliner.inline_local_functions(copy)
    stored = {tensor.name for tensor in copy.graph.initializer}
    inputs = [value for value in copy.graph.input if value.name not in stored]
    dynamic = frozenset(value.name for value in (*inputs, *copy.graph.output) if _is_dynamic(value))
    for value in inputs:
        _fix(value)
    _forget_shapes(copy.graph)
    copy = _simplified(_current(copy))
    _decompose(copy.graph)
    _forget_shapes(copy.graph)
    inferred = shape_inference.infer_shapes(copy, data_prop=True)
    return Prepared(model=inferred, dynamic=dynamic)


def _is_dynamic(value: onnx.ValueInfoProto) -> bool:
    axes = value.type.tensor_type.shape.dim
    return bool(axes) and not axes[0].HasField("dim_value")


def _fix(value: onnx.ValueInfoProto) -> None:
    kind = value.type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise RecipeNotApplicable(f"input {value.name!r} is not float32, which is all that is converted to TFLite")
    if not kind.HasField("shape"):
        raise RecipeNotApplicable(f"input {value.name!r} has no known shape")
    for index, axis in enumerate(kind.shape.dim):
        if axis.HasField("dim_value"):
            continue
        if index:
            name = axis.dim_param or "?"
            raise RecipeNotApplicable(f"input {value.name!r} has the dynamic axis {name!r}; only the first one may be")
        axis.dim_value = 1


def _forget_shapes(graph: onnx.GraphProto) -> None:
    """Drop shapes that were stated for another batch; inference finds them again."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


def _current(model: onnx.ModelProto) -> onnx.ModelProto:
    opset = opset_of(model)
    if opset >= OLDEST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, OLDEST_OPSET)
    except Exception as error:
        raise RecipeNotApplicable(
            f"its opset {opset} cannot be converted to {OLDEST_OPSET}: {type(error).__name__}"
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the default operator set."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return onnxslim.slim(shape_inference.infer_shapes(model, data_prop=True))
    except Exception as error:
        raise RecipeNotApplicable(f"onnxslim cannot simplify it: {type(error).__name__}: {error}") from error


# --- Nodes in terms of simpler ones -----------------------------------------------------------


def _decompose(graph: onnx.GraphProto) -> None:
    """Batch normalisation and hard sigmoid as products and sums; each is named after the node."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "BatchNormalization" and all(name in weights for name in node.input[1:5]):
            nodes.extend(_normalisation(graph, node, weights))
        elif node.op_type == "HardSigmoid":
            nodes.extend(_hard_sigmoid(graph, node))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _normalisation(
    graph: onnx.GraphProto, node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]
) -> Iterator[onnx.NodeProto]:
    """Scale * (x - mean) / sqrt(variance + epsilon) + shift, channels on axis 1."""
    scale, shift, mean, variance = (numpy_helper.to_array(weights[name]).astype(np.float64) for name in node.input[1:5])
    epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
    factor = scale / np.sqrt(variance + epsilon)
    rank = _rank(graph, node.input[0])
    shape = (-1, *(1,) * (rank - 2))
    yield from _affine(graph, node, factor.reshape(shape), (shift - mean * factor).reshape(shape), node.output[0])


def _hard_sigmoid(graph: onnx.GraphProto, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """min(1, max(0, alpha * x + beta))."""
    settings = {attribute.name: attribute.f for attribute in node.attribute}
    out = node.output[0]
    alpha, beta = (np.array(settings.get(key, default)) for key, default in (("alpha", 0.2), ("beta", 0.5)))
    yield from _affine(graph, node, alpha, beta, f"{out}/sum")
    for name, bound in (("low", 0.0), ("high", 1.0)):
        graph.initializer.append(numpy_helper.from_array(np.array(bound, dtype=np.float32), f"{out}/{name}"))
    yield helper.make_node("Clip", [f"{out}/sum", f"{out}/low", f"{out}/high"], [out], name=f"{node.name}/clip")


def _affine(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    factor: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
    out: str,
) -> Iterator[onnx.NodeProto]:
    for name, numbers in ((f"{out}/factor", factor), (f"{out}/shift", shift)):
        graph.initializer.append(numpy_helper.from_array(np.asarray(numbers, dtype=np.float32), name))
    yield helper.make_node("Mul", [node.input[0], f"{out}/factor"], [f"{out}/product"], name=f"{node.name}/product")
    yield helper.make_node("Add", [f"{out}/product", f"{out}/shift"], [out], name=f"{node.name}/sum")


def _rank(graph: onnx.GraphProto, name: str) -> int:
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.name == name and value.type.tensor_type.HasField("shape"):
            return len(value.type.tensor_type.shape.dim)
    raise RecipeNotApplicable(f"the rank of {name!r} is not known")
