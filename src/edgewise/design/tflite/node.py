"""One ONNX node as the translation of its operator sees it, and the list that it appends TFLite operations to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.design.tflite.graph import Array, Operation, Shape, Value, constant, integers, known, permuted
from edgewise.errors import RecipeNotApplicable

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An ONNX node with values for its inputs. `outputs` are names and shapes of what it gives."""

    name: str
    operator: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[tuple[str, Shape], ...]
    attributes: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Name of the first output."""
        return self.outputs[0][0]

    @property
    def shape(self) -> Shape:
        """Shape of the first output."""
        return self.outputs[0][1]

    def has(self, index: int) -> bool:
        """True where input `index` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Value:
        """Input `index`, which must be there."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise self.refusal(f"lacks input {index}")
        return value

    def constant(self, index: int) -> Array:
        """Numbers of input `index`, which must be a constant."""
        value = self.input(index)
        if value.data is None:
            raise self.refusal(f"computes input {index}, which has to be a constant")
        return value.data

    def numbers(self, index: int, attribute: str = "") -> list[int] | None:
        """A list of integers that is input `index`, or `attribute` in older opsets; None where neither is given."""
        if self.has(index):
            return [int(number) for number in self.constant(index).reshape(-1)]
        given = self.attributes.get(attribute)
        return None if given is None else [int(number) for number in given]

    def refusal(self, reason: str) -> RecipeNotApplicable:
        """Why this node cannot be converted; `reason` goes on after its operator and name."""
        return RecipeNotApplicable(f"{self.operator} {self.name!r} {reason}")


class Operations:
    """TFLite operations in running order, as they are appended."""

    def __init__(self) -> None:
        self.all: list[Operation] = []

    def add(self, kind: str, inputs: Sequence[Value], shape: Sequence[int], node: Node, **options: Any) -> Value:
        """Append an operation with one output, the same numbers as the node's output; return that."""
        return self.step(kind, inputs, shape, node.origin, node, **options)

    def step(
        self, kind: str, inputs: Sequence[Value], shape: Sequence[int], origin: str, node: Node, **options: Any
    ) -> Value:
        """Append an operation whose output has the numbers of the ONNX value `origin`."""
        out = Value(shape=tuple(int(axis) for axis in shape), origin=origin)
        self.all.append(
            Operation(
                kind=kind, inputs=tuple(inputs), outputs=(out,), options=options, node=f"{node.operator} {node.name!r}"
            )
        )
        return out

    def transposed(self, value: Value, perm: Sequence[int], node: Node) -> Value:
        """`value` with its axes in the order `perm`."""
        if value.data is not None:
            return constant(np.transpose(known(value), perm), origin=value.origin)
        return self.step("TRANSPOSE", [value, integers(*perm)], permuted(value.shape, perm), value.origin, node)

    def reshaped(self, value: Value, shape: Sequence[int], origin: str, node: Node) -> Value:
        """`value` in another shape with as many elements."""
        if value.data is not None:
            return constant(known(value).reshape(shape), origin=origin)
        return self.step("RESHAPE", [value, integers(*shape)], shape, origin, node)

    def around_nhwc(self, kind: str, value: Value, others: Sequence[Value], node: Node, **options: Any) -> Value:
        """An operator on NHWC images for a node on NCHW ones, between two transposes; `value` is NHWC already."""
        inside = self.add(kind, [value, *others], permuted(node.shape, TO_NHWC), node, **options)
        return self.transposed(inside, TO_NCHW, node)
