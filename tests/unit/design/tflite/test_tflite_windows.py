"""Laws: any window, stride, pad and dilation answers as in ONNX Runtime; reshapes and transposes cancel."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgewise.design.tflite import convert
from edgewise.design.tflite.graph import constant
from edgewise.design.tflite.scales import activation, as_int8
from edgewise.design.tflite.windows import Window
from edgewise.errors import RecipeNotApplicable
from fakes import operators
from fakes.tflite import feeds, run_onnx, run_tflite

SIZES = st.integers(3, 9)
QUICK = settings(max_examples=40, deadline=None)


def _assert_alike(model: onnx.ModelProto) -> None:
    feed = feeds(model)[0]
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = run_tflite(convert(model), feed, Path(folder))[0], run_onnx(model, feed)[0]
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= 1e-5 * max(float(np.abs(theirs).max()), 1.0)


@QUICK
@given(
    size=st.tuples(SIZES, SIZES),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    depthwise=st.booleans(),
)
def test_any_convolution(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    depthwise: bool,
) -> None:
    for axis in (0, 1):
        assume((kernel[axis] - 1) * dilations[axis] + 1 <= size[axis] + pads[axis] + pads[axis + 2])
    more = {"strides": list(strides), "dilations": list(dilations), "pads": list(pads)}
    build = operators.conv(4, kernel, inner=1 if depthwise else 4, group=4 if depthwise else 1, **more)

    _assert_alike(operators.model(build, (1, 4, *size)))


@QUICK
@given(
    size=st.tuples(SIZES, SIZES),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    operator=st.sampled_from(["MaxPool", "AveragePool"]),
    counted=st.booleans(),
)
def test_any_pooling_or_a_refusal(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    operator: str,
    counted: bool,
) -> None:
    more = {"count_include_pad": int(counted)} if operator == "AveragePool" else {}
    build = operators.simple(operator, kernel_shape=list(kernel), strides=list(strides), pads=list(pads), **more)
    model = operators.model(build, (1, 4, *size))
    if operator == "AveragePool" and not counted and _is_uneven(size, kernel, strides, pads):
        with pytest.raises(RecipeNotApplicable, match="uneven padding"):
            convert(model)
    else:
        _assert_alike(model)


def _is_uneven(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: Sequence[int]) -> bool:
    """True where the windows reach padding, and not as TFLite's SAME would have it."""
    pair = []
    for axis in (0, 1):
        out = (size[axis] + pads[axis] + pads[axis + 2] - kernel[axis]) // strides[axis] + 1
        pair.append(
            Window(size=size[axis], out=out, kernel=kernel[axis], stride=strides[axis], dilation=1, before=pads[axis])
        )
    return not all(window.is_valid for window in pair) and not all(window.is_same for window in pair)


@QUICK
@given(
    kernel=st.integers(1, 4),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
)
def test_any_transposed_convolution(kernel: int, strides: tuple[int, int], pads: tuple[int, int, int, int]) -> None:
    build = operators.transposed((kernel, kernel), strides=list(strides), pads=list(pads))

    _assert_alike(operators.model(build, (1, 4, 5, 6)))


@QUICK
@given(perms=st.lists(st.permutations(range(4)), min_size=1, max_size=4), shape=st.tuples(*[st.integers(1, 3)] * 4))
def test_any_chain_of_transposes(perms: list[list[int]], shape: tuple[int, int, int, int]) -> None:
    def build(g: operators.GraphBuilder) -> None:
        value = "x"
        for perm in perms:
            value = g.add("Sigmoid", g.add("Transpose", value, perm=perm))
        g.add("Neg", value, output="y")

    _assert_alike(operators.model(build, shape))


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4), dilation=st.integers(1, 3))
def test_same_is_same_whatever_the_window(size: int, kernel: int, stride: int, dilation: int) -> None:
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    window = Window(size=size, out=out, kernel=kernel, stride=stride, dilation=dilation, before=total // 2)

    assert window.is_same
    assert window.before + window.after == total


@given(bounds=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted))
def test_zero_is_exact_and_the_range_is_covered(bounds: list[float]) -> None:
    quantisation = activation((bounds[0], bounds[1]))
    (scale,), (zero,) = quantisation.scale, quantisation.zero
    numbers = np.array([0.0, *bounds])

    coded = as_int8(constant(numbers.astype(np.float64)), quantisation).data

    assert coded is not None
    assert coded[0] == zero
    assert np.all(np.abs(scale * (coded.astype(np.float64) - zero) - numbers) <= scale * 1.001)
