"""Scales and integers by TensorFlow Lite's 8-bit quantization specification.

https://ai.google.dev/edge/litert/models/quantization_spec: activations int8 and asymmetric, weights int8 in
[-127, 127] and symmetric, for each channel where the specification says so, biases int32 with the scale input *
weight. Pure.
"""

import numpy as np

from edgewise.design.tflite.calibrate import Range
from edgewise.design.tflite.graph import Array, Quantisation, Value, constant, known

LOW, HIGH = -128, 127
_NOTHING = 1e-30
"""A range below this is none: its scale would not be a normal float32."""
_BIAS_LIMIT = 2.0**30
"""A bias stays well inside int32, so that sums of products have room beside it."""


def activation(bounds: Range) -> Quantisation:
    """Scale and zero point so that int8 covers `bounds`, widened to include 0, which is then exact."""
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    if high - low < _NOTHING:
        return Quantisation(scale=(1.0,), zero=(0,))
    scale = float(np.float32((high - low) / (HIGH - LOW)))
    zero = int(np.clip(np.rint(LOW - low / scale), LOW, HIGH))
    return Quantisation(scale=(scale,), zero=(zero,))


def as_int8(value: Value, quantisation: Quantisation) -> Value:
    """A constant in the integers of `quantisation`, which has one scale."""
    integers = np.rint(known(value).astype(np.float64) / quantisation.scale[0]) + quantisation.zero[0]
    return _constant(np.clip(integers, LOW, HIGH).astype(np.int8), value, quantisation)


def weights_and_bias(weights: Value, bias: Value, input_scale: float, axis: int | None) -> tuple[Value, Value]:
    """Both as integers; one scale for each index of `axis` of the weights, or one for all where it is None.

    Channels with tiny weights and a large bias get a coarser scale, for the bias has to fit its 32 bits.
    """
    numbers, summands = known(weights).astype(np.float64), known(bias).astype(np.float64)
    moved = numbers.reshape(1, -1) if axis is None else np.moveaxis(numbers, axis, 0).reshape(numbers.shape[axis], -1)
    widest = np.abs(summands).max(keepdims=True) if axis is None else np.abs(summands)
    scale = np.maximum(np.abs(moved).max(axis=1) / HIGH, widest / (input_scale * _BIAS_LIMIT))
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    spread = np.ones(numbers.ndim, dtype=np.int64)
    if axis is not None:
        spread[axis] = -1
    coded = np.clip(np.rint(numbers / scale.reshape(spread)), -HIGH, HIGH).astype(np.int8)
    zeros = (0,) * len(scale)
    own = Quantisation(scale=tuple(float(s) for s in scale), zero=zeros, axis=axis or 0)
    products = np.float32(input_scale) * scale
    sums = Quantisation(scale=tuple(float(s) for s in products), zero=zeros)
    offsets = np.rint(summands / products.astype(np.float64)).astype(np.int32)
    return _constant(coded, weights, own), _constant(offsets, bias, sums)


def _constant(numbers: Array, like: Value, quantisation: Quantisation) -> Value:
    plain = constant(numbers, origin=like.origin)
    return Value(shape=plain.shape, dtype=plain.dtype, origin=plain.origin, data=plain.data, quantisation=quantisation)
