"""Laws of products whose pairs are added in 16 bits."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewise.design.numerics._int8_operators import Window, accumulate, patches, requantise
from edgewise.design.numerics.vpmaddubsw import (
    INT16_MAX,
    INT16_MIN,
    SAFE_WEIGHT,
    exact_matmul,
    excess,
    pair_sums,
    saturated_share,
    saturating_matmul,
)

Array = npt.NDArray[Any]


@st.composite
def operands(draw: st.DrawFn, *, largest: int = 128, brightest: int = 255) -> tuple[Array, Array]:
    """uint8 [m, k] and int8 [k, n], often at the ends of their ranges."""
    m, k, n = draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    codes = st.one_of(st.just(brightest), st.integers(0, brightest))
    ends = st.one_of(st.just(-largest), st.just(min(largest, 127)), st.integers(-largest, min(largest, 127)))
    return (
        draw(arrays.arrays(np.uint8, (m, k), elements=codes)),
        draw(arrays.arrays(np.int8, (k, n), elements=ends)),
    )


@given(operands())
def test_saturation_never_leaves_16_bits_and_the_fast_way_equals_the_slow_one(pair: tuple[Array, Array]) -> None:
    sums = pair_sums(*pair)
    assert sums.dtype == np.int16
    np.testing.assert_array_equal(saturating_matmul(*pair), sums.sum(axis=1, dtype=np.int64))


@given(operands(largest=SAFE_WEIGHT))
def test_seven_bit_weights_never_saturate(pair: tuple[Array, Array]) -> None:
    assert not excess(*pair).any()
    assert saturated_share(*pair) == 0


@given(operands())
def test_it_is_exact_where_no_pair_overflows_and_only_there(pair: tuple[Array, Array]) -> None:
    a, b = (np.pad(part.astype(np.int64), width) for part, width in zip(pair, _even(pair), strict=True))
    sums = a[:, 0::2, None] * b[None, 0::2] + a[:, 1::2, None] * b[None, 1::2]
    fits = ((sums >= INT16_MIN) & (sums <= INT16_MAX)).all(axis=1)
    same = saturating_matmul(*pair) == pair[0].astype(np.int64) @ pair[1].astype(np.int64)
    assert same[fits].all()


@given(operands(brightest=127))
def test_seven_bit_activations_never_saturate(pair: tuple[Array, Array]) -> None:
    np.testing.assert_array_equal(saturating_matmul(*pair), exact_matmul(*pair))


def test_the_textbook_case() -> None:
    a, b = np.full((1, 2), 255, np.uint8), np.full((2, 1), 127, np.int8)
    assert saturating_matmul(a, b) == [[INT16_MAX]]
    assert exact_matmul(a, b) == [[64770]]


@given(operands(), st.integers(0, 255), st.integers(-128, 127))
def test_zero_points_are_taken_off_after_the_products(pair: tuple[Array, Array], a_zero: int, b_zero: int) -> None:
    a, b = pair
    plain = (a.astype(np.int64) - a_zero) @ (b.astype(np.int64) - b_zero)
    found = accumulate(a, a_zero, b, np.array([b_zero], np.int8))
    np.testing.assert_array_equal(found, plain - excess(a, b))


@given(operands(), st.integers(-128, 127))
def test_other_types_than_uint8_by_int8_are_exact(pair: tuple[Array, Array], zero: int) -> None:
    a, b = pair
    unsigned = b.view(np.uint8)
    found = accumulate(a, 3, unsigned, np.array([7], np.uint8))
    np.testing.assert_array_equal(found, (a.astype(np.int64) - 3) @ (unsigned.astype(np.int64) - 7))
    signed = a.view(np.int8)
    found = accumulate(signed, zero, b, np.array([0], np.int8))
    np.testing.assert_array_equal(found, (signed.astype(np.int64) - zero) @ b.astype(np.int64))


@given(st.integers(-(2**23), 2**23), st.floats(1e-5, 1), st.integers(0, 255))
def test_requantising_rounds_half_to_even_and_clamps(value: int, scale: float, zero: int) -> None:
    found = requantise(np.array([value]), np.array([scale], np.float32), zero, np.dtype(np.uint8))
    wanted = np.rint(np.float32(value) * np.float32(scale)) + zero
    assert found.dtype == np.uint8
    assert found[0] == np.clip(wanted, 0, 255)


@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2))
def test_patches_hold_what_a_convolution_sees(kernel: int, stride: int, dilation: int, padding: int) -> None:
    image = np.arange(1, 2 * 7 * 7 * 3 + 1).reshape(2, 7, 7, 3)
    window = Window(
        kernel=(kernel, kernel),
        strides=(stride, stride),
        dilations=(dilation, dilation),
        before=(padding, padding),
        after=(padding, padding),
    )
    found = patches(image, window, -1)
    for row, column in np.ndindex(*found.shape[1:3]):
        for position in range(kernel * kernel):
            y = row * stride + position // kernel * dilation - padding
            x = column * stride + position % kernel * dilation - padding
            inside = 0 <= y < 7 and 0 <= x < 7
            expected = image[:, y, x] if inside else np.full((2, 3), -1)
            np.testing.assert_array_equal(found[:, row, column, position], expected)


def _even(pair: tuple[Array, Array]) -> tuple[Any, Any]:
    odd = pair[0].shape[1] % 2
    return ((0, 0), (0, odd)), ((0, odd), (0, 0))
