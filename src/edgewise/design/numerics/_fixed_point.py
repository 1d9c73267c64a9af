"""Scaling by a real number in integers, as TFLite does: a 31-bit multiplier and a shift.

Two ways of rounding exist. Doubled, the default of TFLite: the high half of twice the product is rounded, then the
shift is rounded half away from zero. Single, TFLite built with TFLITE_SINGLE_ROUNDING: the 64-bit product is shifted
once, rounded half up.

Sources: Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 2.2; the definitions in gemmlowp's documentation of its fixed-point arithmetic.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipliers:
    """Real factors as `mantissa` * 2 ** (`shift` - 31); int64 [channels] each, or [1] for all."""

    mantissa: Int64
    shift: Int64

    @classmethod
    def of(cls, factors: npt.ArrayLike) -> "Multipliers":
        """The nearest representation of `factors`, float64 [channels] or a number."""
        pairs = [_split(float(factor)) for factor in np.asarray(factors, dtype=np.float64).reshape(-1)]
        return cls(
            mantissa=np.array([mantissa for mantissa, _ in pairs], dtype=np.int64),
            shift=np.array([shift for _, shift in pairs], dtype=np.int64),
        )


def scale(values: npt.NDArray[Any], by: Multipliers, *, single: bool = False) -> Int64:
    """`values` times `by`, along the last axis: int32 numbers in int64, [..., channels].

    Args:
        values: integers that fit int32, before and after the multiplier's left shift.
        single: round once, not twice.
    """
    wide: Int64 = values.astype(np.int64)
    if single:
        total = 31 - by.shift
        half = np.where(total > 0, np.int64(1) << np.maximum(total - 1, 0), 0)
        once: Int64 = (wide * by.mantissa + half) >> total
        return once
    left, right = np.maximum(by.shift, 0), np.maximum(-by.shift, 0)
    return rounded_shift(doubled_high(np.left_shift(wide, left), by.mantissa), right)


def doubled_high(a: Int64, b: Int64) -> Int64:
    """High 32 bits of 2ab, rounded half away from zero by truncation, saturated: gemmlowp's high multiplication."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    truncated: Int64 = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    return np.minimum(truncated, INT32_MAX)


def rounded_shift(values: Int64, exponent: Int64 | int) -> Int64:
    """`values` / 2 ** `exponent`, rounded half away from zero."""
    mask = (np.int64(1) << np.asarray(exponent, dtype=np.int64)) - 1
    threshold = (mask >> 1) + (values < 0)
    shifted: Int64 = (values >> exponent) + ((values & mask) > threshold)
    return shifted


def _split(factor: float) -> tuple[int, int]:
    if factor == 0:
        return 0, 0
    fraction, shift = math.frexp(factor)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = mantissa // 2, shift + 1
    return (0, 0) if shift < -31 else (mantissa, shift)
