"""Matrix products as x86 computes them without VNNI: pairs of products added in 16 bits, with saturation.

The instruction `vpmaddubsw` multiplies unsigned by signed bytes and adds neighbouring products into int16 with
saturation; `vpmaddwd` then adds two such sums in int32, which cannot overflow. MLAS, the kernels of ONNX Runtime,
packs the reduction axis in its own order, so a pair is reduction indices 2p and 2p+1; an odd last index is paired
with zero.

Saturation is rare, so the exact product is taken first, by BLAS, and corrected for the pairs whose weights are
large enough to overflow with the activations at hand. That gives the same integers.

Source: Intel, "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 2, PMADDUBSW.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
SAFE_WEIGHT = 64
"""Weights of at most this magnitude (7 bits) never saturate: 255 * (64 + 64) = 32640."""
_EXACT_FLOAT32, _EXACT_FLOAT64 = 2**24, 2**53
_CHUNK = 1 << 22


def pair_sums(activations: Array, weights: Array) -> npt.NDArray[np.int16]:
    """The instruction itself, and the slow way: every saturated sum of two products.

    Args:
        activations: uint8 [m, k].
        weights: int8 [k, n].

    Returns:
        int16 [m, ceil(k / 2), n].
    """
    a = _even(activations.astype(np.int32), axis=1)
    b = _even(weights.astype(np.int32), axis=0)
    sums = a[:, 0::2, None] * b[None, 0::2] + a[:, 1::2, None] * b[None, 1::2]
    saturated: npt.NDArray[np.int16] = np.clip(sums, INT16_MIN, INT16_MAX).astype(np.int16)
    return saturated


def saturating_matmul(activations: Array, weights: Array) -> Int64:
    """`activations` times `weights` with saturated pairs, int64 [m, n]; equal to summing `pair_sums`.

    Args:
        activations: uint8 [m, k].
        weights: int8 [k, n].
    """
    return exact_matmul(activations, weights) - excess(activations, weights)


def exact_matmul(left: Array, right: Array) -> Int64:
    """The product of two 8-bit matrices, int64 [m, n]; the floats that BLAS adds hold every sum exactly."""
    largest = left.shape[1] * 2**16
    assert largest <= _EXACT_FLOAT64
    dtype = np.float32 if largest <= _EXACT_FLOAT32 else np.float64
    product: Int64 = (left.astype(dtype) @ right.astype(dtype)).astype(np.int64)
    return product


def excess(activations: Array, weights: Array) -> Int64:
    """What saturation takes away from the exact product, int64 [m, n]; zero where no pair overflows."""
    a = _even(activations.astype(np.int32), axis=1)
    b = _even(weights.astype(np.int32), axis=0)
    found = np.zeros((len(a), b.shape[1]), dtype=np.int64)
    if not a.size or not b.size:
        return found
    risky = _risky(a.max(axis=0), b)
    for column in np.nonzero(risky.any(axis=0))[0]:
        pairs = np.nonzero(risky[:, column])[0]
        even, odd = b[2 * pairs, column], b[2 * pairs + 1, column]
        step = max(1, _CHUNK // len(pairs))
        for start in range(0, len(a), step):
            rows = a[start : start + step]
            sums = rows[:, 2 * pairs] * even + rows[:, 2 * pairs + 1] * odd
            cut = sums - np.clip(sums, INT16_MIN, INT16_MAX)
            found[start : start + step, column] = cut.sum(axis=1, dtype=np.int64)
    return found


def saturated_share(activations: Array, weights: Array) -> float:
    """Share of the results [m, n] that differ from exact arithmetic; 0 to 1."""
    changed = excess(activations, weights) != 0
    return float(changed.mean()) if changed.size else 0.0


def _risky(largest: Array, weights: Array) -> npt.NDArray[np.bool_]:
    """Which pairs could overflow, bool [k / 2, n], given the largest activation of each index, int32 [k]."""
    reach = largest[:, None] * weights
    above = np.maximum(reach, 0)
    below = np.minimum(reach, 0)
    high: npt.NDArray[np.bool_] = above[0::2] + above[1::2] > INT16_MAX
    low: npt.NDArray[np.bool_] = below[0::2] + below[1::2] < INT16_MIN
    return high | low


def _even(matrix: Array, *, axis: int) -> Array:
    """`matrix` with a zero appended where its reduction axis is odd."""
    if matrix.shape[axis] % 2 == 0:
        return matrix
    widths = [(0, 0), (0, 0)]
    widths[axis] = (0, 1)
    return np.pad(matrix, widths)
