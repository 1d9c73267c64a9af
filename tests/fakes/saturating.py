"""ONNX models whose int8 products overflow 16 bits in most samples: large weights of both signs, seeded.

`conv`, `matmul` and their like are one int8 operator each; `network` is a float model to be quantised.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
IR_VERSION = 8


def large(random: np.random.Generator, shape: Sequence[int]) -> Array:
    """int8 weights, most of them near the ends of the range."""
    ends = random.choice([-128, 127], shape, p=[0.4, 0.6]) - np.sign(random.normal(size=shape))
    values = np.where(random.random(shape) < 0.8, ends, random.integers(-128, 128, shape))
    return np.clip(values, -128, 127).astype(np.int8)


def bright(random: np.random.Generator, shape: Sequence[int], dtype: type = np.uint8) -> Array:
    """Activations, half of them at the upper end."""
    limits = np.iinfo(dtype)
    values = random.integers(limits.min, limits.max + 1, shape)
    return np.where(random.random(shape) < 0.5, limits.max, values).astype(dtype)


def one(operator: str, shape: Sequence[int], dtype: type, constants: Mapping[str, Array], **attributes: Any) -> Any:
    """A model of one node: input x, then `constants` in order, x where the name is "x"."""
    domain = attributes.pop("domain", "")
    result = attributes.pop("result", np.float32)
    node = helper.make_node(operator, list(constants), ["y"], domain=domain, **attributes)
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name != "x"]
    given = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
    made = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(result)), None)
    graph = helper.make_graph([node], "one", [given], [made], kept)
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION)


def conv(
    channels: int, out: int, kernel: Sequence[int] = (3, 3), *, group: int = 1, dtype: type = np.uint8,
    size: int = 7, weight_zero: int = 0, unsigned: bool = False, **attributes: Any,
) -> onnx.ModelProto:  # fmt: skip
    """QLinearConv on [1, channels, size, size]."""
    random = np.random.default_rng(channels * 1000 + out)
    weights = large(random, (out, channels // group, *kernel))
    if unsigned:
        weights = weights.view(np.uint8) ^ np.uint8(128)
    scale = 0.0002 * np.sqrt(weights[0].size) * 600
    constants: dict[str, Any] = {
        "x": None, "xs": np.float32(0.02), "xz": np.array(5, dtype), "w": weights,
        "ws": random.uniform(0.005, 0.015, out).astype(np.float32), "wz": np.full(out, weight_zero, weights.dtype),
        "ys": np.float32(scale), "yz": np.array(0 if dtype is np.int8 else 128, dtype),
        "b": random.integers(-5000, 5000, out).astype(np.int32),
    }  # fmt: skip
    given = attributes if "auto_pad" in attributes else {"pads": [1 if k == 3 else 0 for k in kernel] * 2} | attributes
    return one("QLinearConv", (1, channels, size, size), dtype, constants, result=dtype, group=group, **given)


def matmul(
    operator: str, shape: Sequence[int], columns: int, *, dtype: type = np.uint8, weight_zero: int = 0
) -> onnx.ModelProto:
    """QLinearMatMul, QGemm, MatMulInteger, MatMulIntegerToFloat or DynamicQuantizeMatMul by a weight [k, columns]."""
    random = np.random.default_rng(shape[-1] * 1000 + columns)
    weights = large(random, (shape[-1], columns))
    scales = random.uniform(0.005, 0.015, columns).astype(np.float32)
    b_zero = np.full(columns, weight_zero, np.int8)
    a: dict[str, Any] = {"x": None, "as": np.float32(0.02), "az": np.array(3, dtype)}
    y = {"ys": np.float32(0.12 * np.sqrt(shape[-1])), "yz": np.array(0 if dtype is np.int8 else 128, dtype)}
    b = {"b": weights, "bs": scales, "bz": b_zero}
    contrib = "com.microsoft"
    if operator == "QLinearMatMul":
        return one(operator, shape, dtype, a | b | y, result=dtype)
    if operator == "QGemm":
        bias = {"c": random.integers(-5000, 5000, columns).astype(np.int32)}
        return one(operator, shape, dtype, a | b | bias | y, result=dtype, domain=contrib)
    if operator == "MatMulInteger":
        return one(operator, shape, dtype, {"x": None, "b": weights, "az": a["az"], "bz": b_zero}, result=np.int32)
    if operator == "MatMulIntegerToFloat":
        order = ("x", "b", "as", "bs", "az", "bz")
        return one(operator, shape, dtype, {name: (a | b)[name] for name in order}, domain=contrib)
    return one(operator, shape, np.float32, {"x": None} | b, domain=contrib)


def network(samples: Array, *, classes: int = 10, seed: int = 0) -> onnx.ModelProto:
    """Float: convolution, depthwise, pointwise, pooling, classifier; [1, 3, 12, 12] to [1, classes].

    The last bias takes the mean over `samples` [n, 3, 12, 12] off the scores, so that classes take turns.
    """
    random = np.random.default_rng(seed)

    def weight(*shape: int) -> Array:
        signs, sizes = random.choice([-1.0, 1.0], shape), random.uniform(0.7, 1.0, shape)
        return (signs * sizes / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    shapes = {"w0": (16, 3, 3, 3), "w1": (16, 1, 3, 3), "w2": (32, 16, 1, 1), "w3": (288, classes)}
    kept = {name: weight(*shape) for name, shape in shapes.items()} | {"b3": np.zeros(classes, np.float32)}
    raw = ReferenceEvaluator(_classifier(kept, classes))
    kept["b3"] = -np.mean([raw.run(None, {"x": sample[None]})[0][0] for sample in samples], axis=0)
    return _classifier(kept, classes)


def _classifier(kept: Mapping[str, Array], classes: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"], "relu0"),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], "depthwise", pads=[1, 1, 1, 1], group=16),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "pointwise"),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("AveragePool", ["r2"], ["p"], "pool", kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w3"], ["m"], "classify"),
        helper.make_node("Add", ["m", "b3"], ["y"], "centre"),
    ]
    graph = helper.make_graph(
        nodes,
        "saturating",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 12, 12))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, classes))],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    return helper.make_model(graph, opset_imports=OPSETS[:1], ir_version=IR_VERSION)
