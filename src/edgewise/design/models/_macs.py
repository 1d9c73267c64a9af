"""Multiply-accumulates of one ONNX operator, from shapes and attributes alone.

Pure. A shape is None where it is unknown, and an axis is a str where it is dynamic; whatever depends on
either has None MACs. Formulas follow from the operators' definitions in the ONNX specification.
"""

import math
import re
from collections.abc import Mapping, Sequence

Shape = tuple[int | str, ...]

# Operators that multiply and accumulate in a way that is not counted here, or that run subgraphs.
_UNCOUNTED = frozenset({
    "DFT", "DeformConv", "GridSample", "If", "LinearAttention", "Loop", "NonMaxSuppression", "STFT", "Scan",
    "SequenceMap",
})  # fmt: skip


def macs(
    operator: str,
    inputs: Sequence[Shape | None],
    outputs: Sequence[Shape | None],
    attributes: Mapping[str, object],
) -> int | None:
    """MACs of one node of the default operator set; 0 for elementwise operators and moves.

    Args:
        operator: the type, e.g. "Conv".
        inputs, outputs: shapes in the operator's own order, None where unknown or left out.
        attributes: the node's attributes as Python values, strings as str.
    """
    first, second, out = _at(inputs, 0), _at(inputs, 1), _at(outputs, 0)
    match operator:
        case "Conv" | "ConvInteger":
            return product(elements(out), elements(_tail(second)))
        case "QLinearConv":
            return product(elements(out), elements(_tail(_at(inputs, 3))))
        case "ConvTranspose":
            return product(elements(first), elements(_tail(second)))
        case "Gemm":
            inner = _axis(first, 0 if attributes.get("transA") else 1)
            return product(elements(out), inner)
        case "MatMul" | "MatMulInteger" | "QLinearMatMul":
            return product(elements(out), _axis(first, -1))
        case "LSTM" | "GRU" | "RNN":
            # W [directions, gates * hidden, input] and R [directions, gates * hidden, hidden], each step.
            steps = product(_axis(first, 0), _axis(first, 1))
            return product(steps, total(elements(second), elements(_at(inputs, 2))))
        case "Einsum":
            return _einsum(str(attributes.get("equation", "")), inputs)
        case "Attention":
            return _attention(inputs)
        case _:
            return None if operator in _UNCOUNTED else 0


def elements(shape: Shape | None) -> int | None:
    """How many elements a tensor of `shape` has; None where that is unknown."""
    return None if shape is None else product(*(axis if isinstance(axis, int) else None for axis in shape))


def product(*factors: int | None) -> int | None:
    """Product of `factors`, None where any of them is."""
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def total(*terms: int | None) -> int | None:
    """Sum of `terms`, None where any of them is."""
    known = [term for term in terms if term is not None]
    return sum(known) if len(known) == len(terms) else None


def _at(shapes: Sequence[Shape | None], index: int) -> Shape | None:
    return shapes[index] if index < len(shapes) else None


def _tail(shape: Shape | None) -> Shape | None:
    return None if not shape else shape[1:]


def _axis(shape: Shape | None, axis: int) -> int | None:
    if shape is None or not -len(shape) <= axis < len(shape):
        return None
    size = shape[axis]
    return size if isinstance(size, int) else None


def _einsum(equation: str, inputs: Sequence[Shape | None]) -> int | None:
    """Product over all labels of a plain two-operand equation; None for ellipses and longer ones."""
    parsed = re.fullmatch(r"(\w+),(\w+)(->\w*)?", equation.replace(" ", ""))
    if parsed is None or len(inputs) != 2:
        return None
    sizes: dict[str, int | str] = {}
    for labels, shape in zip(parsed.group(1, 2), inputs, strict=True):
        if shape is None or len(shape) != len(labels):
            return None
        for label, size in zip(labels, shape, strict=True):
            # A broadcast axis has size 1 in one operand only.
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    return elements(tuple(sizes.values()))


def _attention(inputs: Sequence[Shape | None]) -> int | None:
    """Scores and mixing of ai.onnx Attention in its 4-D form, Q [b, h, q, d], K [., ., k, d], V [., ., k, v].

    None for the 3-D form and with a key-value cache: the number of keys is not in these shapes.
    """
    query, key, value = (_at(inputs, index) for index in range(3))
    if query is None or key is None or value is None or len(query) != 4 or len(inputs) > 4:
        return None
    if len(key) != 4 or len(value) != 4:
        return None
    scores = product(elements(query[:3]), _axis(key, 2))
    return product(scores, total(_axis(query, -1), _axis(value, -1)))
