"""Small ONNX models with seeded random weights. Each runs in ONNX Runtime; none has learnt anything.

Every builder returns a fresh `onnx.ModelProto`; the same call gives the same bytes.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # the one that belongs to opset 17; every runtime here reads it

Axis = int | str


class GraphBuilder:
    """Collects the nodes and weights of one graph; names are given in order, so bytes repeat."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def weight(self, *shape: int) -> str:
        """A float32 initializer of `shape`, scaled so that activations keep their size."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        values = self.random.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(fan_in))
        return self.constant(values)

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Append a node and return the name of its (first) output."""
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=f"{name}/op", **attributes))
        return name

    def model(
        self, inputs: Sequence[tuple[str, Sequence[Axis]]], outputs: Sequence[tuple[str, Sequence[Axis]]]
    ) -> onnx.ModelProto:
        """The finished model; all inputs and outputs are float32."""
        graph = helper.make_graph(
            self.nodes,
            "fake",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fakes")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model


def mlp(features: int = 16, hidden: int = 32, classes: int = 4, *, seed: int = 0) -> onnx.ModelProto:
    """`x` [1, features] -> Gemm, Relu, Gemm -> `y` [1, classes]."""
    graph = GraphBuilder(seed)
    x = graph.add("Gemm", "x", graph.weight(hidden, features), graph.weight(hidden), transB=1)
    x = graph.add("Relu", x)
    graph.add("Gemm", x, graph.weight(classes, hidden), graph.weight(classes), transB=1, output="y")
    return graph.model([("x", (1, features))], [("y", (1, classes))])


def depthwise(channels: int = 8, size: int = 12, classes: int = 5, *, seed: int = 0) -> onnx.ModelProto:
    """`x` [1, 3, size, size] -> conv, depthwise conv, pointwise conv, pool -> `y` [1, classes]."""
    graph = GraphBuilder(seed)
    c = channels
    x = graph.add("Conv", "x", graph.weight(c, 3, 3, 3), graph.weight(c), strides=[2, 2], pads=[1, 1, 1, 1])
    x = graph.add("Relu", x)
    x = graph.add("Conv", x, graph.weight(c, 1, 3, 3), graph.weight(c), group=c, pads=[1, 1, 1, 1])
    x = graph.add("Relu", x)
    x = graph.add("Conv", x, graph.weight(2 * c, c, 1, 1), graph.weight(2 * c))
    x = graph.add("Relu", x)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("Gemm", x, graph.weight(classes, 2 * c), graph.weight(classes), transB=1, output="y")
    return graph.model([("x", (1, 3, size, size))], [("y", (1, classes))])


def autoencoder(features: int = 64, code: int = 8, *, seed: int = 0) -> onnx.ModelProto:
    """`x` [batch, features] -> Gemm, MatMul + Add, Gemm -> `y` [batch, features]."""
    graph = GraphBuilder(seed)
    hidden = 2 * code
    x = graph.add("Gemm", "x", graph.weight(hidden, features), graph.weight(hidden), transB=1)
    x = graph.add("Relu", x)
    x = graph.add("Add", graph.add("MatMul", x, graph.weight(hidden, code)), graph.weight(code))
    x = graph.add("Relu", x)
    graph.add("Gemm", x, graph.weight(features, code), graph.weight(features), transB=1, output="y")
    return graph.model([("x", ("batch", features))], [("y", ("batch", features))])


def two_inputs(*, seed: int = 0) -> onnx.ModelProto:
    """`image` [batch, 1, 8, 8] and `state` [batch, 4] -> `score` [batch, 2] and `features` [batch, 12]."""
    graph = GraphBuilder(seed)
    x = graph.add("Conv", "image", graph.weight(8, 1, 3, 3), graph.weight(8), strides=[2, 2])
    x = graph.add("Flatten", graph.add("GlobalAveragePool", graph.add("Relu", x)))
    graph.add("Concat", x, "state", axis=1, output="features")
    graph.add("Gemm", "features", graph.weight(2, 12), graph.weight(2), transB=1, output="score")
    return graph.model(
        [("image", ("batch", 1, 8, 8)), ("state", ("batch", 4))],
        [("score", ("batch", 2)), ("features", ("batch", 12))],
    )


def dynamic_batch(size: int = 10, classes: int = 3, *, seed: int = 0) -> onnx.ModelProto:
    """`x` [batch, 1, size, size] -> two convolutions, dense -> `y` [batch, classes]."""
    graph = GraphBuilder(seed)
    x = graph.add("Relu", graph.add("Conv", "x", graph.weight(6, 1, 3, 3), graph.weight(6)))
    x = graph.add("Relu", graph.add("Conv", x, graph.weight(8, 6, 3, 3), graph.weight(8)))
    x = graph.add("Flatten", x)
    inner = 8 * (size - 4) ** 2
    graph.add("Gemm", x, graph.weight(classes, inner), graph.weight(classes), transB=1, output="y")
    return graph.model([("x", ("batch", 1, size, size))], [("y", ("batch", classes))])


def transformer_block(tokens: int = 6, width: int = 16, heads: int = 2, *, seed: int = 0) -> onnx.ModelProto:
    """`x` [batch, tokens, width] -> attention, layer norms, feed-forward -> `y` of the same shape."""
    graph = GraphBuilder(seed)
    head = width // heads
    split = graph.constant(np.array([0, tokens, heads, head], dtype=np.int64))
    merge = graph.constant(np.array([0, tokens, width], dtype=np.int64))

    def projected(name: str, perm: Sequence[int]) -> str:
        flat = graph.add("MatMul", name, graph.weight(width, width))
        return graph.add("Transpose", graph.add("Reshape", flat, split), perm=perm)

    normal = graph.add("LayerNormalization", "x", graph.weight(width), graph.weight(width), axis=-1)
    query, key = projected(normal, (0, 2, 1, 3)), projected(normal, (0, 2, 3, 1))
    value = projected(normal, (0, 2, 1, 3))
    scale = graph.constant(np.array(head**-0.5, dtype=np.float32))
    scores = graph.add("Softmax", graph.add("Mul", graph.add("MatMul", query, key), scale), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", scores, value), perm=(0, 2, 1, 3))
    attention = graph.add("MatMul", graph.add("Reshape", mixed, merge), graph.weight(width, width))
    x = graph.add("Add", "x", attention)
    normal = graph.add("LayerNormalization", x, graph.weight(width), graph.weight(width), axis=-1)
    hidden = graph.add("Relu", graph.add("MatMul", normal, graph.weight(width, 4 * width)))
    graph.add("Add", x, graph.add("MatMul", hidden, graph.weight(4 * width, width)), output="y")
    shape = ("batch", tokens, width)
    return graph.model([("x", shape)], [("y", shape)])
