"""TFLite's int8 operators in its reference arithmetic, on stacks of inferences.

Every operator takes and gives arrays with one axis in front, [n, …]: n inferences at once.

Sources: TensorFlow Lite 8-bit quantization specification; Jacob et al. (2018) for the arithmetic; details from the
behaviour of LiteRT 2.3 with its reference kernels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgewise.design.numerics._fixed_point import Int64, Multipliers, scale
from edgewise.design.numerics._int8_operators import Window, patches
from edgewise.design.numerics._tflite_graph import Operand, Operation
from edgewise.design.numerics.vpmaddubsw import exact_matmul
from edgewise.errors import BadModel

Array = npt.NDArray[Any]


class Kernels(StrEnum):
    """Whose arithmetic: they differ in how accumulators are rounded."""

    REFERENCE = "reference"
    """LiteRT's reference kernels: rounded twice, but once in fully connected layers."""
    TWICE = "twice"
    """Rounded twice everywhere: TFLite Micro as it is built by default. (Its softmax, in fixed point, may differ by
    one code.)"""
    ONCE = "once"
    """Rounded once everywhere: built with TFLITE_SINGLE_ROUNDING."""
    XNNPACK = "xnnpack"
    """Convolutions and fully connected layers scaled in float32, half to even; LiteRT's default on CPUs."""


ADD_SHIFT = 20
_ROWS = 1 << 16
_ACTIVATION = schema.ActivationFunctionType


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operator with its operands and their values: [n, …] of an activation, as stored of a constant."""

    operation: Operation
    inputs: Sequence[Operand | None]
    output: Operand
    values: Sequence[Array | None]
    kernels: Kernels

    @property
    def options(self) -> Mapping[str, Any]:
        """The operator's options by their names in the schema."""
        return self.operation.options

    @property
    def single(self) -> bool:
        """True where these kernels round once."""
        apart = self.kernels is Kernels.REFERENCE and self.operation.name == "FULLY_CONNECTED"
        return self.kernels is Kernels.ONCE or apart

    def operand(self, index: int) -> Operand:
        """Input `index`, which must be there."""
        found = self.inputs[index]
        assert found is not None
        return found

    def value(self, index: int) -> Array:
        """Value of input `index`, which must be there."""
        found = self.values[index]
        assert found is not None
        return found

    def constant(self, index: int) -> Array:
        """Value of input `index`, which must be stored in the file.

        Raises:
            BadModel: it is computed.
        """
        data = self.operand(index).data
        if data is None:
            raise BadModel(
                f"an operand of {self.output.name} is computed, not stored", hint="such models are not emulated"
            )
        return data

    def finish(self, sums: npt.NDArray[Any], factors: npt.ArrayLike) -> Array:
        """Accumulators scaled to the output's scale and zero point, and cut to its activation."""
        return self.cut(scale(sums, Multipliers.of(factors), single=self.single) + self.output.zero)

    def finish_products(self, sums: npt.NDArray[Any], factors: npt.ArrayLike) -> Array:
        """The same for what XNNPACK computes in a way of its own: in float32 from beginning to end."""
        if self.kernels is not Kernels.XNNPACK:
            return self.finish(sums, factors)
        scaled = sums.astype(np.float32) * (self.operand(0).scale * self.operand(1).scales / self.output.scale)
        return self.cut(np.rint(scaled).astype(np.int64) + self.output.zero)

    def cut(self, codes: Array) -> Array:
        """`codes` clamped to the fused activation and to the output's type."""
        low, high = activation_limits(self.options.get("fusedActivationFunction", _ACTIVATION.NONE), self.output)
        cut: Array = np.clip(codes, low, high).astype(self.output.dtype)
        return cut


def activation_limits(activation: int, output: Operand) -> tuple[int, int]:
    """Lowest and highest code of `output` under a fused activation.

    Raises:
        BadModel: an activation that has no limits.
    """
    limits = np.iinfo(output.dtype)

    def code(real: float) -> int:
        return output.zero + math.floor(np.float32(real) / output.scale + np.float32(0.5))

    if activation == _ACTIVATION.NONE:
        return limits.min, limits.max
    if activation == _ACTIVATION.RELU:
        return max(limits.min, code(0)), limits.max
    if activation == _ACTIVATION.RELU6:
        return max(limits.min, code(0)), min(limits.max, code(6))
    if activation == _ACTIVATION.RELU_N1_TO_1:
        return max(limits.min, code(-1)), min(limits.max, code(1))
    raise BadModel(f"the fused activation {activation} is not emulated", hint="use none, RELU or RELU6")


def window(call: Call, kernel: tuple[int, int], spatial: tuple[int, int]) -> Window:
    """Geometry of a convolution or a pooling; SAME pads the larger half after."""
    options = call.options
    automatic = b"SAME_UPPER" if options["padding"] == schema.Padding.SAME else b"VALID"
    strides = (options["strideH"], options["strideW"])
    dilations = (options.get("dilationHFactor", 1), options.get("dilationWFactor", 1))
    return Window.of({"auto_pad": automatic, "strides": strides, "dilations": dilations}, kernel, spatial)


def conv_2d(call: Call) -> Array:
    """CONV_2D: weights [out, kh, kw, in / groups]."""
    x, weights = _image(call), call.constant(1)
    out, height, width, depth = weights.shape
    columns = patches(x, window(call, (height, width), x.shape[1:3]), call.operand(0).zero)
    shape = columns.shape[:3]
    groups = x.shape[-1] // depth
    share = out // groups
    sums = [
        _products(columns[..., g * depth : (g + 1) * depth].reshape(math.prod(shape), -1), own, call.operand(0).zero)
        for g in range(groups)
        for own in [weights[g * share : (g + 1) * share].reshape(share, -1).T]
    ]
    return _like(
        call, call.finish_products(np.concatenate(sums, axis=1).reshape(*shape, out) + _bias(call), _per_channel(call))
    )


def depthwise_conv_2d(call: Call) -> Array:
    """DEPTHWISE_CONV_2D: weights [1, kh, kw, in * multiplier]."""
    x, weights = _image(call), call.constant(1)
    _, height, width, out = weights.shape
    columns = patches(x, window(call, (height, width), x.shape[1:3]), call.operand(0).zero)
    repeat = out // x.shape[-1]
    sums: Int64 = np.zeros((*columns.shape[:3], out), dtype=np.int64)
    for position, weight in enumerate(weights.reshape(-1, out).astype(np.int64)):
        sums += np.repeat(columns[..., position, :].astype(np.int64) - call.operand(0).zero, repeat, axis=-1) * weight
    return _like(call, call.finish_products(sums + _bias(call), _per_channel(call)))


def fully_connected(call: Call) -> Array:
    """FULLY_CONNECTED: weights [out, in]."""
    x, weights = call.value(0), call.constant(1)
    sums = _products(x.reshape(-1, weights.shape[1]), weights.T, call.operand(0).zero)
    given, filters = call.operand(0), call.operand(1)
    if len(filters.scales) == 1:  # the product of both scales is taken in float32 here, unlike in convolutions
        factors: npt.ArrayLike = float(given.scale * filters.scale) / float(call.output.scale)
    else:
        factors = _per_channel(call)
    return _like(call, call.finish_products(sums + _bias(call), factors))


def add(call: Call) -> Array:
    """ADD: both inputs on a common scale with 20 bits below the point."""
    first, second = call.operand(0), call.operand(1)
    if call.kernels is Kernels.XNNPACK:
        return _add_like_xnnpack(call, first, second)
    twice = 2 * float(max(first.scale, second.scale))
    total = np.zeros((), dtype=np.int64)
    for index, operand in enumerate((first, second)):
        shifted = (_aligned(call, index).astype(np.int64) - operand.zero) << ADD_SHIFT
        total = total + scale(shifted, Multipliers.of(float(operand.scale) / twice), single=call.single)
    return call.finish(total, twice / ((1 << ADD_SHIFT) * float(call.output.scale)))


def _add_like_xnnpack(call: Call, first: Operand, second: Operand) -> Array:
    """Both factors as integers of 21 bits with one shift, rounded half up."""
    factors = np.array([first.scale / call.output.scale, second.scale / call.output.scale], dtype=np.float32)
    shift = ADD_SHIFT - (math.frexp(float(factors.max()))[1] - 1)
    integers = np.rint(np.ldexp(factors.astype(np.float64), shift)).astype(np.int64)
    total = (_aligned(call, 0).astype(np.int64) - first.zero) * integers[0]
    total = total + (_aligned(call, 1).astype(np.int64) - second.zero) * integers[1]
    return call.cut(((total + (1 << (shift - 1))) >> shift) + call.output.zero)


def mul(call: Call) -> Array:
    """MUL."""
    first, second = call.operand(0), call.operand(1)
    product = (_aligned(call, 0).astype(np.int64) - first.zero) * (_aligned(call, 1).astype(np.int64) - second.zero)
    return call.finish(product, float(first.scale) * float(second.scale) / float(call.output.scale))


def average_pool_2d(call: Call) -> Array:
    """AVERAGE_POOL_2D: over the values inside the image, rounded half away from zero."""
    x, kernel = _image(call), (call.options["filterHeight"], call.options["filterWidth"])
    geometry = window(call, kernel, x.shape[1:3])
    sums = patches(x.astype(np.int32), geometry, 0).sum(axis=3)
    inside = patches(np.ones((1, *x.shape[1:3], 1), np.int32), geometry, 0).sum(axis=3)
    return _like(call, call.cut(np.sign(sums) * ((np.abs(sums) + inside // 2) // inside)))


def max_pool_2d(call: Call) -> Array:
    """MAX_POOL_2D."""
    x, kernel = _image(call), (call.options["filterHeight"], call.options["filterWidth"])
    columns = patches(x, window(call, kernel, x.shape[1:3]), int(np.iinfo(x.dtype).min))
    return _like(call, call.cut(columns.max(axis=3)))


def mean(call: Call) -> Array:
    """MEAN: the count is divided into the multiplier, with as many bits as it has room for."""
    x, rank = call.value(0), len(call.operand(0).shape)
    axes = tuple(int(axis) % rank + 1 for axis in call.constant(1).reshape(-1))
    count = math.prod(x.shape[axis] for axis in axes)
    plain = Multipliers.of(float(call.operand(0).scale) / float(call.output.scale))
    room = min(count.bit_length() - 1, 32, 31 + int(plain.shift[0]))
    folded = Multipliers(mantissa=(plain.mantissa << room) // count, shift=plain.shift - room)
    sums = x.astype(np.int64).sum(axis=axes) - call.operand(0).zero * count
    return _like(call, call.cut(scale(sums, folded, single=call.single) + call.output.zero))


def softmax(call: Call) -> Array:
    """SOFTMAX: float32 exponentials from a table of 256, along the last axis."""
    x = call.value(0).astype(np.int64)
    step = np.float32(call.operand(0).scale) * np.float32(call.options["beta"])
    table = np.exp(-step * np.arange(256, dtype=np.float32)).astype(np.float32)
    powers = table[x.max(axis=-1, keepdims=True) - x]
    share = powers * (np.float32(1) / (powers.sum(axis=-1, keepdims=True) * call.output.scale))
    return call.cut(np.floor(share + np.float32(0.5)).astype(np.int64) + call.output.zero)


def reshape(call: Call) -> Array:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same values in the output's shape."""
    return _like(call, call.value(0))


def pad(call: Call) -> Array:
    """PAD with the zero point, PADV2 with the value it is given."""
    widths = [(0, 0), *((int(before), int(after)) for before, after in call.constant(1))]
    filling = int(call.constant(2).reshape(-1)[0]) if len(call.inputs) > 2 else call.output.zero
    return np.pad(call.value(0), widths, constant_values=filling)


def transpose(call: Call) -> Array:
    """TRANSPOSE."""
    return call.value(0).transpose(0, *(int(axis) + 1 for axis in call.constant(1)))


def concatenation(call: Call) -> Array:
    """CONCATENATION of tensors that share the output's scale, as the int8 specification demands."""
    axis = int(call.options["axis"]) % len(call.output.shape) + 1
    return np.concatenate([_aligned(call, index) for index in range(len(call.inputs))], axis=axis)


def relu(call: Call) -> Array:
    """RELU: rescaled, then cut at zero."""
    return _rescaled(call, _ACTIVATION.RELU)


def relu6(call: Call) -> Array:
    """RELU6: rescaled, then cut at zero and six."""
    return _rescaled(call, _ACTIVATION.RELU6)


def quantize(call: Call) -> Array:
    """QUANTIZE: from float32, or from one scale to another."""
    if call.operand(0).quantised:
        return _rescaled(call, _ACTIVATION.NONE)
    real = call.value(0).astype(np.float32) / call.output.scale
    rounded = np.sign(real) * np.floor(np.abs(real) + np.float32(0.5))
    return call.cut(rounded.astype(np.int64) + call.output.zero)


def dequantize(call: Call) -> Array:
    """DEQUANTIZE to float32."""
    given = call.operand(0)
    real: Array = (call.value(0).astype(np.float32) - np.float32(given.zero)) * given.scale
    return real


def _rescaled(call: Call, activation: int) -> Array:
    given = call.operand(0)
    factor = Multipliers.of(float(given.scale) / float(call.output.scale))
    codes = scale(call.value(0).astype(np.int64) - given.zero, factor, single=call.single) + call.output.zero
    low, high = activation_limits(activation, call.output)
    cut: Array = np.clip(codes, low, high).astype(call.output.dtype)
    return cut


def _products(rows: Array, columns: Array, zero: int) -> Int64:
    """(rows - zero) @ columns, int64 [m, n]; weights have zero point 0."""
    parts = [exact_matmul(rows[start : start + _ROWS], columns) for start in range(0, max(1, len(rows)), _ROWS)]
    product: Int64 = np.concatenate(parts) - zero * columns.sum(axis=0, dtype=np.int64)
    return product


def _per_channel(call: Call) -> npt.NDArray[np.float64]:
    given, filters = call.operand(0), call.operand(1)
    factors: npt.NDArray[np.float64] = (
        np.float64(given.scale) * filters.scales.astype(np.float64) / np.float64(call.output.scale)
    )
    return factors


def _bias(call: Call) -> Int64 | int:
    return call.constant(2).astype(np.int64) if len(call.inputs) > 2 and call.inputs[2] is not None else 0


def _image(call: Call) -> Array:
    """Input 0 with inferences and batch in one axis, [n * batch, h, w, c]."""
    x = call.value(0)
    return x.reshape(-1, *x.shape[2:])


def _aligned(call: Call, index: int) -> Array:
    """Input `index` with the axis of inferences, so that it broadcasts with its siblings."""
    value = call.value(index)
    if call.operand(index).data is not None:
        value = value[None]
    missing = max(0, len(call.output.shape) + 1 - value.ndim)
    return value.reshape(value.shape[0], *(1,) * missing, *value.shape[1:])


def _like(call: Call, values: Array) -> Array:
    """`values` in the output's shape, [n, …]."""
    return values.reshape(call.value(0).shape[0], *call.output.shape)


OPERATORS: Mapping[str, Callable[[Call], Array]] = {
    function.__name__.upper(): function
    for function in (
        add, average_pool_2d, concatenation, conv_2d, depthwise_conv_2d, dequantize, fully_connected, max_pool_2d, mean,
        mul, pad, quantize, relu, relu6, reshape, softmax, transpose,
    )
} | {"PADV2": pad, "SQUEEZE": reshape, "EXPAND_DIMS": reshape}  # fmt: skip
