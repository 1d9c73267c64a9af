"""Fewer operations: constants into weights, activations into what they follow, orders of axes into dense weights."""

from collections import Counter
from dataclasses import replace

import numpy as np

from edgewise.design.tflite.graph import Array, Graph, Operation, Value, constant, inverse, known, live, permuted

CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights: the axis of the weights that counts output channels."""

_ACTIVATED = frozenset({"ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "DIV", "FULLY_CONNECTED", "MUL", "SUB"})
_ACTIVATIONS = frozenset({"RELU", "RELU6"})


def fuse(graph: Graph) -> Graph:
    """`graph` with every operation that its neighbour can do left to the neighbour."""
    graph = _unflatten(graph)
    uses, made = graph.uses(), dict[Value, int]()
    operations: list[Operation] = []
    for operation in graph.operations:
        position = next((made[value] for value in operation.inputs if value in made), None)
        previous = operations[position] if position is not None else None
        joined = _join(previous, operation, uses) if previous else None
        if joined is not None and position is not None:
            operations[position] = joined
            made[joined.output] = position
            continue
        made.update(dict.fromkeys(operation.outputs, len(operations)))
        operations.append(operation)
    return live(replace(graph, operations=tuple(operations)))


def _join(previous: Operation, operation: Operation, uses: Counter[Value]) -> Operation | None:
    """Both as one operation in the place of `previous`, or None."""
    if uses[previous.output] != 1 or previous.options.get("fusedActivationFunction"):
        return None
    if operation.kind in _ACTIVATIONS and previous.kind in _ACTIVATED:
        options = {**previous.options, "fusedActivationFunction": operation.kind}
        return replace(previous, outputs=operation.outputs, options=options)
    if previous.kind in CHANNEL_AXIS:
        return _folded(previous, operation)
    return None


def _folded(previous: Operation, operation: Operation) -> Operation | None:
    """A constant factor or summand of each output channel, taken into weights and bias."""
    numbers = _by_channel(operation, previous.output)
    if numbers is None:
        return None
    weights, bias = previous.inputs[1], previous.inputs[-1]
    w, b = known(weights).astype(np.float64), known(bias).astype(np.float64)
    match operation.kind:
        case "MUL":
            shape = [1] * w.ndim
            shape[CHANNEL_AXIS[previous.kind]] = -1
            w, b = w * numbers.reshape(shape), b * numbers
        case "ADD":
            b = b + numbers
        case _:
            b = b - numbers
    new = (constant(w.astype(np.float32)), constant(b.astype(np.float32)))
    swap = dict(zip((weights, bias), new, strict=True))
    return replace(
        previous, inputs=tuple(swap.get(value, value) for value in previous.inputs), outputs=operation.outputs
    )


def _by_channel(operation: Operation, value: Value) -> Array | None:
    """The constant operand as one number for each channel of `value`; None where it is anything else."""
    if operation.kind not in ("ADD", "MUL", "SUB") or operation.output.shape != value.shape:
        return None
    left, right = operation.inputs
    other = right if left is value else left
    if other.data is None or (operation.kind == "SUB" and other is left):
        return None
    channels = value.shape[-1]
    if other.data.size not in (1, channels) or (other.data.size > 1 and other.shape[-1] != channels):
        return None
    return np.broadcast_to(other.data.reshape(-1), (channels,)).astype(np.float64)


def _unflatten(graph: Graph) -> Graph:
    """Dense weights in the order of the image, so that nothing is transposed before it is flattened."""
    producers = graph.producers()
    operations = []
    for operation in graph.operations:
        flat = producers.get(operation.inputs[0]) if operation.kind == "FULLY_CONNECTED" else None
        turned = producers.get(flat.inputs[0]) if flat and flat.kind == "RESHAPE" else None
        if flat and turned and turned.kind == "TRANSPOSE" and _keeps_rows(turned, operation.inputs[0]):
            image, perm = turned.inputs[0], [int(axis) for axis in known(turned.inputs[1])]
            weights = known(operation.inputs[1])
            inner = permuted(image.shape, perm)[1:]
            spread = weights.reshape(weights.shape[0], *inner).transpose(inverse(perm)).reshape(weights.shape)
            out = Value(shape=flat.output.shape, origin=flat.output.origin)
            operations.append(replace(flat, inputs=(image, flat.inputs[1]), outputs=(out,)))
            operations.append(replace(operation, inputs=(out, constant(spread), operation.inputs[2])))
        else:
            operations.append(operation)
    return live(replace(graph, operations=tuple(operations)))


def _keeps_rows(turned: Operation, flat: Value) -> bool:
    perm = known(turned.inputs[1])
    return int(perm[0]) == 0 and len(flat.shape) == 2 and flat.shape[0] == turned.output.shape[0]
