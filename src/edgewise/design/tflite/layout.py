"""Images inside as NHWC: transposes are put off as long as they can be, and cancel on the way.

One pass in running order. A transposed value is remembered as its base and the order of axes; operators that do
not care about the order work on the base and pass the order on. Only where an operator needs its own order, or at
an output, a TRANSPOSE is written, once for each base and order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgewise.design.tflite.graph import (
    Graph,
    Operation,
    Shape,
    Value,
    constant,
    integers,
    inverse,
    known,
    live,
    permuted,
)
from edgewise.design.tflite.node import TO_NHWC

_ELEMENTWISE = frozenset({
    "ABS", "ADD", "CEIL", "DIV", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM",
    "MINIMUM", "MUL", "NEG", "RELU", "RELU6", "SQRT", "SUB", "TANH",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A value as `base` with its axes in the order `perm`."""

    base: Value
    perm: Shape


def propagate(graph: Graph) -> Graph:
    """`graph` with as few transposes as this way of looking at it needs."""
    state = _Pass()
    for operation in graph.operations:
        state.take(operation)
    outputs = {name: state.written(value) for name, value in graph.outputs.items()}
    return live(replace(graph, operations=tuple(state.operations), outputs=outputs))


class _Pass:
    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._seen: dict[Value, _Seen] = {}
        self._made: dict[tuple[Value, Shape], Value] = {}

    def take(self, operation: Operation) -> None:
        """Write `operation`, or only remember it where it is a transpose."""
        if operation.kind == "TRANSPOSE":
            before = self._look(operation.inputs[0])
            perm = permuted(before.perm, [int(axis) for axis in known(operation.inputs[1])])
            self._seen[operation.output] = _Seen(base=before.base, perm=perm)
            return
        if operation.kind in _ELEMENTWISE or operation.kind == "CONCATENATION":
            self._together(operation)
            return
        move = _MOVES.get(operation.kind)
        seen = self._look(operation.inputs[0])
        # What comes as NCHW and is wanted as NHWC is turned first: accelerators pad and average in NHWC only.
        waits = move is not None and not _is_identity(seen.perm) and seen.perm != TO_NHWC
        moved = move(operation, seen.perm) if move and waits else None
        if moved is None:
            inputs = tuple(self.written(value) for value in operation.inputs)
            self.operations.append(replace(operation, inputs=inputs))
            return
        inputs = (seen.base, *moved.inputs)
        self._write(operation, inputs, moved.perm, operation.options)

    def written(self, value: Value) -> Value:
        """`value` in its own order, by a TRANSPOSE where it has to be."""
        seen = self._look(value)
        return self._ordered(seen.base, seen.perm, value.origin)

    def _look(self, value: Value) -> _Seen:
        return self._seen.get(value) or _Seen(base=value, perm=tuple(range(len(value.shape))))

    def _ordered(self, base: Value, perm: Shape, origin: str) -> Value:
        if _is_identity(perm):
            return base
        if base.data is not None:
            return constant(np.transpose(base.data, perm), origin=origin)
        if (base, perm) not in self._made:
            out = Value(shape=permuted(base.shape, perm), origin=origin)
            self._made[base, perm] = out
            self.operations.append(Operation(kind="TRANSPOSE", inputs=(base, integers(*perm)), outputs=(out,)))
        return self._made[base, perm]

    def _together(self, operation: Operation) -> None:
        """Write an operator whose operands share an order: that which costs the fewest transposes."""
        seen = [self._look(value) for value in operation.inputs]
        rank = len(operation.output.shape)
        moving = [entry for entry in seen if entry.base.data is None]
        candidates = sorted(dict.fromkeys(entry.perm for entry in moving), key=_is_identity)
        perm = min(candidates, key=lambda order: self._cost(moving, order), default=tuple(range(rank)))
        back = inverse(perm)
        inputs = tuple(self._ordered(entry.base, permuted(entry.perm, back), entry.base.origin) for entry in seen)
        options = dict(operation.options)
        if "axis" in options:
            options["axis"] = perm[options["axis"]]
        self._write(operation, inputs, perm, options)

    def _cost(self, moving: list[_Seen], perm: Shape) -> int:
        wanted = {(entry.base, permuted(entry.perm, inverse(perm))) for entry in moving}
        return sum(not _is_identity(order) and (base, order) not in self._made for base, order in wanted)

    def _write(self, operation: Operation, inputs: tuple[Value, ...], perm: Shape, options: Mapping[str, Any]) -> None:
        """Append `operation` on bases; its output is remembered as the new base in the order `perm`."""
        old = operation.output
        out = old
        if not _is_identity(perm):
            out = replace(old, shape=permuted(old.shape, inverse(perm)))
            self._seen[old] = _Seen(base=out, perm=perm)
        self.operations.append(replace(operation, inputs=inputs, outputs=(out,), options=options))


def _is_identity(perm: Shape) -> bool:
    return perm == tuple(range(len(perm)))


# --- Operators of one image whose other inputs speak of axes ----------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """The further inputs for the base, and the order in which its output is seen."""

    inputs: tuple[Value, ...]
    perm: Shape


def _by_axis(operation: Operation, perm: Shape) -> _Moved:
    """PAD, SLICE: one entry for each axis, in every further input that is not a single number."""
    back = list(inverse(perm))
    inputs = tuple(constant(known(value)[back]) if value.shape else value for value in operation.inputs[1:])
    return _Moved(inputs=inputs, perm=perm)


def _mean(operation: Operation, perm: Shape) -> _Moved:
    """MEAN: the axes as the base counts them; axes that vanish leave the order of the others."""
    axes = [int(axis) for axis in known(operation.inputs[1])]
    further = (integers(*sorted(perm[axis] for axis in axes)),)
    if operation.options["keepDims"]:
        return _Moved(inputs=further, perm=perm)
    kept = [place for axis, place in enumerate(perm) if axis not in axes]
    return _Moved(inputs=further, perm=tuple(sorted(kept).index(place) for place in kept))


def _last_axis(operation: Operation, perm: Shape) -> _Moved | None:  # noqa: ARG001
    """SOFTMAX: only where the last axis stays the last."""
    return _Moved(inputs=(), perm=perm) if perm[-1] == len(perm) - 1 else None


_MOVES: Mapping[str, Callable[[Operation, Shape], _Moved | None]] = {
    "MEAN": _mean,
    "MIRROR_PAD": _by_axis,
    "PAD": _by_axis,
    "PADV2": _by_axis,
    "SLICE": _by_axis,
    "SOFTMAX": _last_axis,
}
