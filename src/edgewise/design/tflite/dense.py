"""Matrix products and softmax."""

import numpy as np

from edgewise.design.tflite.graph import Array, Value, constant, permuted
from edgewise.design.tflite.node import Node, Operations
from edgewise.design.tflite.windows import bias


def gemm(node: Node, operations: Operations) -> Value:
    """Gemm with constant weights: FULLY_CONNECTED with weights [out, in], alpha and beta folded in."""
    if node.attributes.get("transA", 0):
        raise node.refusal("transposes its first operand; that is not converted to TFLite")
    weights = node.constant(1)
    weights = weights if node.attributes.get("transB", 0) else weights.T
    channels = weights.shape[0]
    if node.has(2) and node.constant(2).size not in (1, channels):
        raise node.refusal("adds a matrix; only one number for each column is converted to TFLite")
    offset = constant(np.float32(node.attributes.get("beta", 1.0)) * np.asarray(bias(node, 2, channels).data))
    return _dense(node, operations, np.float32(node.attributes.get("alpha", 1.0)) * weights, offset)


def product(node: Node, operations: Operations) -> Value:
    """MatMul: FULLY_CONNECTED for a constant matrix on the right, else BATCH_MATMUL."""
    left, right = node.input(0), node.input(1)
    if min(len(left.shape), len(right.shape)) < 2:
        raise node.refusal("has a vector for an operand; only matrices are converted to TFLite")
    if right.data is not None and len(right.shape) == 2 and left.data is None:
        return _dense(node, operations, right.data.T, bias(node, 2, right.shape[1]))
    return operations.add("BATCH_MATMUL", [left, right], node.shape, node, adjX=False, adjY=False)


def _dense(node: Node, operations: Operations, weights: Array, offset: Value) -> Value:
    inputs = [node.input(0), constant(weights.astype(np.float32)), offset]
    return operations.add("FULLY_CONNECTED", inputs, node.shape, node, keepNumDims=len(node.shape) != 2)


def softmax(node: Node, operations: Operations) -> Value:
    """Softmax; TFLite's works on the last axis, so that another one is moved there and back."""
    value, rank = node.input(0), len(node.shape)
    axis = int(node.attributes.get("axis", -1)) % rank
    if axis == rank - 1:
        return operations.add("SOFTMAX", [value], node.shape, node, beta=1.0)
    perm = (*(other for other in range(rank) if other != axis), axis)
    moved = operations.transposed(value, perm, node)
    out = operations.add("SOFTMAX", [moved], permuted(node.shape, perm), node, beta=1.0)
    return operations.transposed(out, tuple(int(a) for a in np.argsort(perm)), node)
