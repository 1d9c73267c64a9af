"""Reshapes: those in a row become one, those that change nothing go, and so do transposes that only move axes of 1."""

from dataclasses import replace

from edgewise.design.tflite.graph import Graph, Operation, Shape, Value, constant, integers, known, live, permuted


def merge(graph: Graph) -> Graph:
    """`graph` with as few reshapes as it needs, and every output a value of its own."""
    state = _Pass(dynamic=bool(graph.dynamic))
    for operation in graph.operations:
        state.take(operation)
    taken: set[Value] = set(graph.inputs.values())
    outputs = {}
    for name, value in graph.outputs.items():
        out = state.written(value)
        if out in taken or out.data is not None:
            out = state.copy(out)
        taken.add(out)
        outputs[name] = out
    return live(replace(graph, operations=tuple(state.operations), outputs=outputs))


class _Pass:
    def __init__(self, *, dynamic: bool) -> None:
        self.operations: list[Operation] = []
        self._dynamic = dynamic
        self._base: dict[Value, Value] = {}
        self._made: dict[tuple[Value, Shape], Value] = {}

    def take(self, operation: Operation) -> None:
        """Write `operation`, or only remember it where it is nothing but another shape."""
        if self._is_view(operation):
            value = operation.inputs[0]
            self._base[operation.output] = self._base.get(value, value)
            return
        inputs = tuple(self.written(value) for value in operation.inputs)
        self.operations.append(replace(operation, inputs=inputs))

    def written(self, value: Value) -> Value:
        """`value`, by a RESHAPE of its base where it has to be."""
        base = self._base.get(value, value)
        if base.shape == value.shape:
            return base
        if base.data is not None:
            return constant(base.data.reshape(value.shape), origin=value.origin)
        if (base, value.shape) not in self._made:
            self._made[base, value.shape] = self._reshape(base, value)
        return self._made[base, value.shape]

    def copy(self, value: Value) -> Value:
        """The same numbers as a value of their own."""
        return self._reshape(value, Value(shape=value.shape, origin=value.origin))

    def _reshape(self, base: Value, out: Value) -> Value:
        shape = (-1, *out.shape[1:]) if self._dynamic and out.shape else out.shape
        self.operations.append(Operation(kind="RESHAPE", inputs=(base, integers(*shape)), outputs=(out,)))
        return out

    def _is_view(self, operation: Operation) -> bool:
        if operation.kind == "RESHAPE":
            return True
        if operation.kind != "TRANSPOSE":
            return False
        shape, perm = operation.inputs[0].shape, [int(axis) for axis in known(operation.inputs[1])]
        # A batch axis may be longer than 1 when it runs.
        real = [axis for axis in perm if shape[axis] > 1 or (self._dynamic and axis == 0)]
        return real == sorted(real) and permuted(shape, perm) == operation.output.shape
