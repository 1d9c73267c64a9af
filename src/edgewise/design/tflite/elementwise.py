"""Operators that work on each number by itself, and those of two operands with broadcasting."""

import numpy as np

from edgewise.design.tflite.graph import Value, constant, known
from edgewise.design.tflite.node import Node, Operations

UNARY = {
    "Relu": "RELU", "Sigmoid": "LOGISTIC", "Tanh": "TANH", "HardSwish": "HARD_SWISH", "Elu": "ELU", "Abs": "ABS",
    "Exp": "EXP", "Log": "LOG", "Sqrt": "SQRT", "Neg": "NEG", "Floor": "FLOOR", "Ceil": "CEIL",
}  # fmt: skip
BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}

_CLIPS = {(0.0, 6.0): "RELU6", (0.0, np.inf): "RELU"}


def unary(node: Node, operations: Operations) -> Value:
    """An operator of one operand and no options."""
    if node.operator == "Elu" and node.attributes.get("alpha", 1.0) != 1.0:
        raise node.refusal("has an alpha other than 1, which TFLite's ELU has not")
    return operations.add(UNARY[node.operator], [node.input(0)], node.shape, node)


def leaky(node: Node, operations: Operations) -> Value:
    """LeakyRelu."""
    slope = float(node.attributes.get("alpha", 0.01))
    return operations.add("LEAKY_RELU", [node.input(0)], node.shape, node, alpha=slope)


def clip(node: Node, operations: Operations) -> Value:
    """Clip: one of TFLite's own activations where the bounds are theirs, else MAXIMUM and MINIMUM."""
    low, high = (
        float(node.constant(index).item()) if node.has(index) else default
        for index, default in ((1, -np.inf), (2, np.inf))
    )
    kind = _CLIPS.get((low, high))
    if kind:
        return operations.add(kind, [node.input(0)], node.shape, node)
    value = node.input(0)
    for name, bound in (("MAXIMUM", low), ("MINIMUM", high)):
        if np.isfinite(bound):
            value = operations.add(name, [value, _like(value, bound)], node.shape, node)
    return value


def _like(value: Value, number: float) -> Value:
    return constant(np.full((1,) * len(value.shape), number, dtype=np.float32))


def binary(node: Node, operations: Operations) -> Value:
    """Add, Sub, Mul, Div with both operands brought to the output's rank; division by constants is multiplication."""
    kind = BINARY[node.operator]
    left, right = (_ranked(node.input(index), len(node.shape), operations, node) for index in (0, 1))
    if kind == "DIV" and right.data is not None and bool(np.all(right.data != 0)):
        kind, right = "MUL", constant((1 / known(right).astype(np.float64)).astype(np.float32))
    return operations.add(kind, [left, right], node.shape, node)


def _ranked(value: Value, rank: int, operations: Operations, node: Node) -> Value:
    if len(value.shape) == rank:
        return value
    shape = (1,) * (rank - len(value.shape)) + value.shape
    return operations.reshaped(value, shape, value.origin, node)


def identity(node: Node, operations: Operations) -> Value:  # noqa: ARG001
    """Identity, Dropout and the like: the input itself."""
    return node.input(0)


def cast(node: Node, operations: Operations) -> Value:  # noqa: ARG001
    """Cast of float32 to itself."""
    if node.attributes.get("to") != 1 or node.input(0).dtype != "float32":
        raise node.refusal("changes the type; only casts that do nothing are converted to TFLite")
    return node.input(0)
