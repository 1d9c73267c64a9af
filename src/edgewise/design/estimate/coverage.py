"""What of a model an accelerator can run, by its vendor's published table of operators. Pure.

The compiler itself is not here: what the table does not have falls back for sure, and so does what exceeds a limit
that is a number and that a layer shows (kernel, stride, elements). Other conditions are told, not checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from edgewise.design.estimate.terms import moves
from edgewise.hardware.operators import Limits, OperatorTable
from edgewise.nouns import Layer, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Consecutive layers that run in one place."""

    on_accelerator: bool
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """A layer that the accelerator does not run, and why."""

    layer: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How a model is cut between an accelerator and the host's CPU.

    Attributes:
        table: title of the vendor's table.
        unsupported: every layer that falls back, with the reason.
        conditional: conditions of operators that are used, by operator; nobody checked them.
        share_of_macs: of the accelerator, 0 to 1; of the layers where nothing multiplies.
    """

    table: str
    parts: tuple[Part, ...]
    unsupported: tuple[Unsupported, ...]
    conditional: Mapping[str, str]
    share_of_macs: float

    @property
    def fallback(self) -> tuple[Layer, ...]:
        """What the host's CPU computes."""
        return tuple(layer for part in self.parts if not part.on_accelerator for layer in part.layers)


def check(model: Model, table: OperatorTable) -> Coverage:
    """How `model` would be cut by the compiler whose operators are in `table`.

    Its format must be the table's: `check` compares names, and no name is in both.
    """
    layers = model.layers
    fallback = fallen_back(layers, table)
    places = [index not in fallback for index in range(len(layers))]
    parts = tuple(
        Part(on_accelerator=place, layers=tuple(layers[index] for index in group))
        for place, group in groupby(range(len(layers)), key=places.__getitem__)
    )
    weights = [layer.macs or 0 for layer in layers]
    weights = weights if any(weights) else [1] * len(layers)
    inside = sum(weight for weight, place in zip(weights, places, strict=True) if place)
    used = {layer.operator for layer, place in zip(layers, places, strict=True) if place}
    return Coverage(
        table=table.title,
        parts=parts,
        unsupported=tuple(_why(layers[index], table) for index in sorted(fallback)),
        conditional={name: table.operators[name] for name in sorted(used) if table.operators.get(name)},
        share_of_macs=inside / sum(weights) if weights else 0.0,
    )


def fallen_back(layers: Sequence[Layer], table: OperatorTable) -> frozenset[int]:
    """Indices of the layers that the host's CPU computes.

    With the mapping "prefix", everything from the first unsupported layer on: the compiler makes one part.
    """
    missing = [index for index, layer in enumerate(layers) if refused(layer, table)]
    if table.mapping == "prefix" and missing:
        return frozenset(range(missing[0], len(layers)))
    return frozenset(missing)


def refused(layer: Layer, table: OperatorTable) -> str:
    """Why the accelerator cannot run `layer`, as a sentence's end; "" where it can, or where nothing is to be run."""
    if not moves(layer):
        return ""
    if layer.operator not in table.operators:
        return f"{table.title} does not list {layer.operator}"
    limits = table.limits.get(layer.operator)
    return _exceeded(layer, limits, table) if limits is not None else ""


def _exceeded(layer: Layer, limits: Limits, table: OperatorTable) -> str:
    shape, found = layer.convolution, []
    if shape is not None:
        found.append(("kernel", max(shape.kernel_height, shape.kernel_width), limits.kernel_max))
        found.append(("stride", max(shape.stride_height, shape.stride_width), limits.stride_max))
    found.append(("input's elements", layer.read_elements or 0, limits.elements_max))
    over = [f"its {name} ({size}) is above {most}" for name, size, most in found if most is not None and size > most]
    return f"{over[0]}, the limit of {table.title}" if over else ""


def _why(layer: Layer, table: OperatorTable) -> Unsupported:
    after = "it comes after a layer that is not supported, and the compiler maps one part from the beginning"
    return Unsupported(layer=layer.name, operator=layer.operator, reason=refused(layer, table) or after)
