"""ONNX Runtime's int8 operators on an x86 CPU without VNNI, on stacks of inferences.

Every operator takes activations with one axis in front, [n, …]: n inferences at once. Only uint8 activations times
int8 weights saturate. Other pairs of types go through a kernel that widens to 16 bits first and is exact, and so does
a convolution with one filter a channel. (A QDQ model with int8 activations saturates all the same: ONNX Runtime turns
them into uint8 when it fuses the graph.)

The reduction axis of a convolution runs over kernel positions, then over input channels (im2col of a channels-last
image), whatever the layout of the model; padding is the input's zero point. That is the order in which pairs form.

ConvInteger is not here: its kernel multiplies the other way round, weights by activations, and is exact.

Sources: the ONNX operators QLinearConv, QLinearMatMul, MatMulInteger; ONNX Runtime's contrib operators QGemm,
MatMulIntegerToFloat, DynamicQuantizeMatMul (docs/ContribOperators.md); which kernels saturate, and the order of the
axes, from the behaviour of ONNX Runtime 1.32 under an emulated Haswell, to the last bit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.design.numerics.vpmaddubsw import exact_matmul, saturating_matmul

Array = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]
Attributes = Mapping[str, Any]

_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Geometry of a convolution over spatial axes; `before` and `after` are the padding of each."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, attributes: Attributes, kernel: tuple[int, ...], spatial: tuple[int, ...]) -> "Window":
        """The geometry that a node's `attributes` describe for a weight of `kernel` on an image of `spatial`."""
        rank = len(kernel)
        strides = tuple(attributes.get("strides", (1,) * rank))
        dilations = tuple(attributes.get("dilations", (1,) * rank))
        pads = tuple(attributes.get("pads", (0,) * (2 * rank)))
        before, after = pads[:rank], pads[rank:]
        automatic = attributes.get("auto_pad", b"NOTSET")
        if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
            reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
            total = [
                max(0, (math.ceil(size / step) - 1) * step + span - size)
                for size, step, span in zip(spatial, strides, reach, strict=True)
            ]
            small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
            before, after = (small, large) if automatic == b"SAME_UPPER" else (large, small)
        elif automatic == b"VALID":
            before = after = (0,) * rank
        return cls(kernel=kernel, strides=strides, dilations=dilations, before=before, after=after)


def patches(image: Array, window: Window, padding: int) -> Array:
    """im2col of a channels-last image: [n, h, w, c] to [n, h', w', kernel positions, c], in the image's dtype."""
    rank = len(window.kernel)
    widths = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    padded = np.pad(image, widths, constant_values=padding)
    reach = tuple((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(1, rank + 1)))
    steps = (slice(None), *(slice(None, None, step) for step in window.strides), slice(None))
    holes = tuple(slice(None, None, dilation) for dilation in window.dilations)
    views = np.moveaxis(views[(*steps, *holes)], rank + 1, -1)
    return views.reshape(*views.shape[: rank + 1], -1, image.shape[-1])


def accumulate(a: Array, a_zero: int, b: Array, b_zero: Array) -> Int64:
    """(a - a_zero) @ (b - b_zero) as the kernels compute it: int64 [m, n].

    Args:
        a: uint8 or int8 [m, k].
        b: uint8 or int8 [k, n].
        b_zero: [1] or [n].
    """
    saturates = a.dtype == np.uint8 and b.dtype == np.int8
    multiply = saturating_matmul if saturates else exact_matmul
    parts = [multiply(a[start : start + _ROWS], b) for start in range(0, max(1, len(a)), _ROWS)]
    product = np.concatenate(parts)
    b_zero = b_zero.astype(np.int64).reshape(-1)
    columns = b.sum(axis=0, dtype=np.int64)
    if b_zero.any():
        product -= a.sum(axis=1, dtype=np.int64)[:, None] * b_zero
    corrected: Int64 = product - a_zero * (columns - len(b) * b_zero)
    return corrected


def requantise(sums: Int64, scale: Array, zero: int, dtype: np.dtype[Any]) -> Array:
    """Accumulators to `dtype`: times float32 `scale`, rounded half to even, plus `zero`, clamped.

    Args:
        sums: [..., channels]; scale: float32 [1] or [channels].
    """
    limits = np.iinfo(dtype)
    scaled = sums.astype(np.int32).astype(np.float32) * scale
    cut = np.clip(scaled, np.float32(limits.min - zero), np.float32(limits.max - zero))
    rounded: Array = (np.rint(cut).astype(np.int32) + zero).astype(dtype)
    return rounded


def convolve(x: Array, x_zero: int, w: Array, w_zero: Array, attributes: Attributes) -> Int64:
    """Accumulators of a convolution, channels last: int64 [n, h', w', out].

    Args:
        x: uint8 or int8, channels last [n, h, w, c].
        w: uint8 or int8 [out, c / group, kh, kw].
    """
    group = int(attributes.get("group", 1))
    out, depth = w.shape[:2]
    window = Window.of(attributes, w.shape[2:], x.shape[1:-1])
    columns = patches(x, window, x_zero)
    shape = columns.shape[:-2]
    if depth == 1 and out == group:
        return _depthwise(columns, x_zero, w, w_zero)
    per_group = out // group
    results = []
    for index in range(group):
        a = columns[..., index * depth : (index + 1) * depth].reshape(math.prod(shape), -1)
        own = w[index * per_group : (index + 1) * per_group]
        b = np.moveaxis(own.reshape(per_group, depth, -1), 0, -1).transpose(1, 0, 2).reshape(-1, per_group)
        results.append(accumulate(a, x_zero, b, w_zero[:1]))
    return np.concatenate(results, axis=1).reshape(*shape, out)


def _depthwise(columns: Array, x_zero: int, w: Array, w_zero: Array) -> Int64:
    """One filter a channel, exactly: [n, h', w', positions, c] to [n, h', w', c]."""
    weights = w.reshape(len(w), -1).T.astype(np.int32) - w_zero.astype(np.int32).reshape(-1)[:1]
    sums = np.zeros((*columns.shape[:-2], columns.shape[-1]), dtype=np.int32)
    for position, weight in enumerate(weights):
        sums += (columns[..., position, :].astype(np.int32) - x_zero) * weight
    return sums.astype(np.int64)


def qlinear_conv(inputs: Sequence[Array | None], attributes: Attributes) -> Array:
    """QLinearConv, standard or with `channels_last`; x [n, batch, …], the result likewise."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = _present(inputs[:8])
    bias = inputs[8] if len(inputs) > 8 else None
    last = bool(attributes.get("channels_last", 0))
    merged = x.reshape(-1, *x.shape[2:])
    image = merged if last else np.moveaxis(merged, 1, -1)
    sums = convolve(image, _scalar(x_zero), w, w_zero.reshape(-1), attributes)
    if bias is not None:
        sums = sums + bias.astype(np.int64)
    scale = x_scale.reshape(-1)[0] * w_scale.reshape(-1) / y_scale.reshape(-1)[0]
    y = requantise(sums, scale.astype(np.float32), _scalar(y_zero), y_zero.dtype)
    y = y if last else np.moveaxis(y, -1, 1)
    return y.reshape(x.shape[0], x.shape[1], *y.shape[1:])


def multiply(a: Array, a_zero: Array | None, b: Array, b_zero: Array | None) -> Int64:
    """Accumulators of `a` [n, …, k] times `b` [k, m], or [n, …, k, m] where it is computed: int64 [n, …, m]."""
    zero = 0 if a_zero is None else _scalar(a_zero)
    zeros = np.zeros(1, b.dtype) if b_zero is None else b_zero
    if b.ndim == 1:
        return multiply(a, a_zero, b[:, None], b_zero)[..., 0]
    if b.ndim == 2:
        product = accumulate(a.reshape(-1, a.shape[-1]), zero, b, zeros)
        return product.reshape(*a.shape[:-1], b.shape[-1])
    shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left = np.broadcast_to(a, shape + a.shape[-2:]).reshape(-1, *a.shape[-2:])
    right = np.broadcast_to(b, shape + b.shape[-2:]).reshape(-1, *b.shape[-2:])
    products = [accumulate(rows, zero, columns, zeros) for rows, columns in zip(left, right, strict=True)]
    return np.stack(products).reshape(*shape, a.shape[-2], b.shape[-1])


def qlinear_matmul(inputs: Sequence[Array | None], attributes: Attributes) -> Array:  # noqa: ARG001
    """QLinearMatMul."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = _present(inputs[:8])
    scale = a_scale.reshape(-1)[0] * b_scale.reshape(-1) / y_scale.reshape(-1)[0]
    sums = multiply(a, a_zero, b, b_zero)
    return requantise(sums, scale.astype(np.float32), _scalar(y_zero), y_zero.dtype)


def matmul_integer(inputs: Sequence[Array | None], attributes: Attributes) -> Array:  # noqa: ARG001
    """MatMulInteger: int32 accumulators."""
    a, b = _present(inputs[:2])
    zeros = [*inputs[2:4], None, None]
    return multiply(a, zeros[0], b, zeros[1]).astype(np.int32)


def matmul_integer_to_float(inputs: Sequence[Array | None], attributes: Attributes) -> Array:  # noqa: ARG001
    """MatMulIntegerToFloat: float32."""
    a, b, a_scale, b_scale = _present(inputs[:4])
    a_zero, b_zero, bias = [*inputs[4:7], None, None, None][:3]
    scale = (a_scale.reshape(-1)[0] * b_scale.reshape(-1)).astype(np.float32)
    return _floats(multiply(a, a_zero, b, b_zero), scale, bias)


def dynamic_quantize_matmul(inputs: Sequence[Array | None], attributes: Attributes) -> Array:  # noqa: ARG001
    """DynamicQuantizeMatMul: a float32, quantised to uint8 by the range of each inference's own values."""
    a, b, b_scale = _present(inputs[:3])
    b_zero, bias = [*inputs[3:5], None, None][:2]
    results = []
    for one in a:
        low, high = min(np.float32(0), one.min()), max(np.float32(0), one.max())
        scale = np.float32(1) if low == high else (high - low) / np.float32(255)
        zero = np.clip(np.rint(-low / scale), 0, 255).astype(np.uint8)
        codes = np.clip(np.rint(one / scale) + np.float32(zero), 0, 255).astype(np.uint8)
        sums = multiply(codes[None], zero, b, b_zero)[0]
        results.append(_floats(sums, (scale * b_scale.reshape(-1)).astype(np.float32), bias))
    return np.stack(results)


def q_gemm(inputs: Sequence[Array | None], attributes: Attributes) -> Array:
    """QGemm: requantised where the node states an output scale, else float32."""
    a, a_scale, a_zero, b, b_scale, b_zero = _present(inputs[:6])
    bias, y_scale, y_zero = [*inputs[6:9], None, None, None][:3]
    a = np.swapaxes(a, -1, -2) if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    sums = multiply(a, a_zero, np.ascontiguousarray(b), b_zero)
    if bias is not None:
        sums = sums + bias.astype(np.int64)
    scale = np.float32(attributes.get("alpha", 1.0)) * a_scale.reshape(-1)[0] * b_scale.reshape(-1)
    if y_scale is None or y_zero is None:
        return _floats(sums, scale.astype(np.float32), None)
    scale = (scale / y_scale.reshape(-1)[0]).astype(np.float32)
    return requantise(sums, scale, _scalar(y_zero), y_zero.dtype)


def _floats(sums: Int64, scale: Array, bias: Array | None) -> Array:
    result: Array = sums.astype(np.int32).astype(np.float32) * scale
    return result if bias is None else result + bias


def _scalar(zero: Array) -> int:
    return int(zero.reshape(-1)[0])


def _present(inputs: Sequence[Array | None]) -> list[Array]:
    return [array for array in inputs if array is not None]


OPERATORS: Mapping[str, tuple[Callable[[Sequence[Array | None], Attributes], Array], tuple[int, ...]]] = {
    "QLinearConv": (qlinear_conv, (0,)),
    "QLinearMatMul": (qlinear_matmul, (0, 3)),
    "MatMulInteger": (matmul_integer, (0, 1)),
    "MatMulIntegerToFloat": (matmul_integer_to_float, (0, 1)),
    "DynamicQuantizeMatMul": (dynamic_quantize_matmul, (0,)),
    "QGemm": (q_gemm, (0,)),
}
"""What is emulated, with the inputs that may carry the axis of inferences; the others are the same for all."""
