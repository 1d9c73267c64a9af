"""A small graph between ONNX and TFLite: values, operations in running order, and questions about them.

Operations carry TFLite's names, and their options the names of its schema. Everything is immutable; a pass takes a
graph and returns another. Values are compared by identity.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """real = scale * (integer - zero); one entry, or one for each index of `axis`."""

    scale: tuple[float, ...]
    zero: tuple[int, ...]
    axis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Value:
    """What flows between operations.

    Attributes:
        shape: with a dynamic batch axis as 1.
        dtype: numpy's name.
        origin: the ONNX value that has the same numbers, in whatever order; "" where there is none.
        data: of a constant; None for what is computed.
    """

    shape: Shape
    dtype: str = "float32"
    origin: str = ""
    data: Array | None = None
    quantisation: Quantisation | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One TFLite operator; `node` is the ONNX node that it comes from."""

    kind: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    node: str = ""

    @property
    def output(self) -> Value:
        """The first output; of most operators the only one."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Inputs and outputs by their names in the ONNX model, and operations in an order that runs.

    Attributes:
        dynamic: names of inputs and outputs whose first axis is a batch of any size.
    """

    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    operations: tuple[Operation, ...]
    dynamic: frozenset[str] = frozenset()

    def uses(self) -> Counter[Value]:
        """How often each value is read; being an output counts as once."""
        reads = Counter(value for operation in self.operations for value in operation.inputs)
        reads.update(self.outputs.values())
        return reads

    def producers(self) -> dict[Value, Operation]:
        """The operation behind each computed value."""
        return {value: operation for operation in self.operations for value in operation.outputs}


def constant(data: Array, *, origin: str = "") -> Value:
    """A value that is known; 64-bit integers become the 32-bit ones that TFLite's operators read."""
    if data.dtype == np.int64:
        limits = np.iinfo(np.int32)
        data = np.clip(data, limits.min, limits.max).astype(np.int32)
    data = np.asarray(data, order="C")
    return Value(shape=tuple(data.shape), dtype=data.dtype.name, origin=origin, data=data)


def integers(*values: int) -> Value:
    """A constant vector of int32."""
    return constant(np.array(values, dtype=np.int32))


def known(value: Value) -> Array:
    """The numbers of a constant."""
    assert value.data is not None
    return value.data


def inverse(perm: Sequence[int]) -> Shape:
    """The order that undoes `perm`."""
    return tuple(int(axis) for axis in np.argsort(perm))


def permuted(shape: Sequence[int], perm: Sequence[int]) -> Shape:
    """`shape` with its axes in the order `perm`."""
    return tuple(shape[axis] for axis in perm)


def live(graph: Graph) -> Graph:
    """`graph` without operations that no output needs."""
    needed = set(graph.outputs.values())
    kept: list[Operation] = []
    for operation in reversed(graph.operations):
        if needed.intersection(operation.outputs):
            needed.update(operation.inputs)
            kept.append(operation)
    return replace(graph, operations=tuple(reversed(kept)))


def values(graph: Graph) -> Iterator[Value]:
    """Every value once, in order of appearance: inputs, then what each operation reads and gives."""
    seen: dict[Value, None] = dict.fromkeys(graph.inputs.values())
    for operation in graph.operations:
        seen.update(dict.fromkeys(operation.inputs))
        seen.update(dict.fromkeys(operation.outputs))
    yield from seen
