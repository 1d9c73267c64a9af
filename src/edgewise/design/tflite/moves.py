"""Operators that move numbers: reshaping, transposing, padding, joining, cutting, resizing; and means."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgewise.design.tflite.graph import Value, constant, integers
from edgewise.design.tflite.node import TO_NHWC, Node, Operations


def reshape(node: Node, operations: Operations) -> Value:
    """Reshape, Flatten, Squeeze, Unsqueeze: whatever the output's shape is."""
    return operations.reshaped(node.input(0), node.shape, node.origin, node)


def transpose(node: Node, operations: Operations) -> Value:
    """Transpose; without `perm` the axes are reversed."""
    perm = node.attributes.get("perm") or range(len(node.shape))[::-1]
    return operations.transposed(node.input(0), tuple(perm), node)


def concatenate(node: Node, operations: Operations) -> Value:
    """Concat."""
    axis = int(node.attributes["axis"]) % len(node.shape)
    parts = [node.input(index) for index in range(len(node.inputs))]
    if len(parts) == 1:
        return parts[0]
    return operations.add("CONCATENATION", parts, node.shape, node, axis=axis)


def pad(node: Node, operations: Operations) -> Value:
    """Pad with a constant or reflected."""
    value, rank = node.input(0), len(node.shape)
    given = node.numbers(1) or []
    axes = node.numbers(3) or list(range(rank))
    pads = np.zeros((rank, 2), dtype=np.int32)
    for position, axis in enumerate(axes):
        pads[axis] = given[position], given[position + len(axes)]
    if pads.min(initial=0) < 0:
        raise node.refusal("has negative pads; those are not converted to TFLite")
    fill = float(node.constant(2).item()) if node.has(2) else 0.0
    match node.attributes.get("mode", "constant"):
        case "constant" if fill == 0:
            return operations.add("PAD", [value, constant(pads)], node.shape, node)
        case "constant":
            number = constant(np.array(fill, dtype=np.float32))
            return operations.add("PADV2", [value, constant(pads), number], node.shape, node)
        case "reflect":
            return operations.add("MIRROR_PAD", [value, constant(pads)], node.shape, node, mode=0)
        case mode:
            raise node.refusal(f"pads by {mode!r}, which TFLite cannot")


def mean(node: Node, operations: Operations) -> Value:
    """ReduceMean."""
    value = node.input(0)
    rank = len(value.shape)
    axes = node.numbers(1, "axes")
    if not axes:
        if node.attributes.get("noop_with_empty_axes", 0):
            return value
        axes = list(range(rank))
    keep = bool(node.attributes.get("keepdims", 1))
    return operations.add(
        "MEAN", [value, integers(*sorted(axis % rank for axis in axes))], node.shape, node, keepDims=keep
    )


def cut(node: Node, operations: Operations) -> Value:
    """Slice with steps of 1."""
    value = node.input(0)
    starts, ends = node.numbers(1) or [], node.numbers(2) or []
    axes = node.numbers(3) or list(range(len(starts)))
    if any(step != 1 for step in node.numbers(4) or [1]):
        raise node.refusal("has steps other than 1; those are not converted to TFLite")
    begin = [0] * len(value.shape)
    for axis, start, _ in zip(axes, starts, ends, strict=True):
        size = value.shape[axis]
        begin[axis] = min(max(start + size if start < 0 else start, 0), size)
    return operations.add("SLICE", [value, *_region(value, begin, node.shape)], node.shape, node)


def _region(value: Value, begin: Sequence[int], shape: Sequence[int]) -> list[Value]:
    """Begin and size; a size of -1 reaches to the end, however long a batch is."""
    sizes = [
        -1 if first + size == whole else size for first, size, whole in zip(begin, shape, value.shape, strict=True)
    ]
    return [integers(*begin), integers(*sizes)]


def split(node: Node, operations: Operations) -> list[Value]:
    """Split: one SLICE for each part."""
    value = node.input(0)
    axis = int(node.attributes.get("axis", 0)) % len(value.shape)
    parts, start = [], 0
    for origin, shape in node.outputs:
        begin = [0] * len(shape)
        begin[axis] = start
        start += shape[axis]
        parts.append(operations.step("SLICE", [value, *_region(value, begin, shape)], shape, origin, node))
    return parts


# --- Resize -----------------------------------------------------------------------------------

Places = npt.NDArray[np.float64]
_CENTRES: tuple[Mapping[str, bool], ...] = ({"halfPixelCenters": True}, {"alignCorners": True}, {})
"""TFLite's ways to map an output's place to the input's, by its own options."""


def resize(node: Node, operations: Operations) -> Value:
    """Resize of images, nearest or linear, where TFLite can read the same places."""
    value = node.input(0)
    if len(value.shape) != 4 or value.shape[:2] != node.shape[:2]:
        raise node.refusal("resizes other axes than height and width")
    mode = node.attributes.get("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise node.refusal(f"interpolates by {mode!r}, which TFLite cannot")
    sizes = list(zip(value.shape[2:], node.shape[2:], _scales(node), strict=True))
    wanted = [_places(node, *axis) for axis in sizes]
    for options in _CENTRES:
        own = [_own_places(mode, size, out, options) for size, out, _ in sizes]
        if all(np.allclose(mine, theirs, atol=1e-6) for mine, theirs in zip(own, wanted, strict=True)):
            kind = "RESIZE_BILINEAR" if mode == "linear" else "RESIZE_NEAREST_NEIGHBOR"
            image = operations.transposed(value, TO_NHWC, node)
            return operations.around_nhwc(kind, image, [integers(*node.shape[2:])], node, **options)
    style = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    raise node.refusal(f"reads other places ({style}) than any of TFLite's ways to resize")


def _scales(node: Node) -> list[float]:
    if node.has(2) and node.constant(2).size:
        return [float(scale) for scale in node.constant(2).reshape(-1)[-2:]]
    return [out / size for size, out in zip(node.input(0).shape[2:], node.shape[2:], strict=True)]


def _places(node: Node, size: int, out: int, scale: float) -> Places:
    """Where ONNX reads for each of `out` outputs (https://onnx.ai/onnx/operators/onnx__Resize.html)."""
    index = np.arange(out, dtype=np.float64)
    match node.attributes.get("coordinate_transformation_mode", "half_pixel"):
        case "half_pixel":
            place = (index + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            place = (index + 0.5) / scale - 0.5 if out > 1 else np.zeros(out)
        case "align_corners":
            place = index * (size - 1) / (out - 1) if out > 1 else np.zeros(out)
        case "asymmetric":
            place = index / scale
        case style:
            raise node.refusal(f"reads places by {style!r}; that is not converted to TFLite")
    if node.attributes.get("mode", "nearest") == "nearest":
        place = _rounded(place, str(node.attributes.get("nearest_mode", "round_prefer_floor")))
    return np.clip(place, 0, size - 1)


def _rounded(place: Places, mode: str) -> Places:
    match mode:
        case "floor":
            return np.floor(place)
        case "ceil":
            return np.ceil(place)
        case "round_prefer_ceil":
            return np.floor(place + 0.5)
        case _:
            return np.ceil(place - 0.5)


def _own_places(mode: str, size: int, out: int, options: Mapping[str, bool]) -> Places:
    """Where TFLite's kernels read; nearest ones round down, with aligned corners to the nearest."""
    centred, aligned = options.get("halfPixelCenters", False), options.get("alignCorners", False)
    index = np.arange(out, dtype=np.float64)
    factor = (size - 1) / (out - 1) if aligned and out > 1 else size / out
    if mode == "nearest":
        place = (index + 0.5 if centred else index) * factor
        place = np.floor(place + 0.5) if aligned else np.floor(place)
    else:
        place = (index + 0.5) * factor - 0.5 if centred else index * factor
    return np.clip(place, 0, size - 1)
