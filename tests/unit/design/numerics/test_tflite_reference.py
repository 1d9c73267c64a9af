"""TFLite's integer arithmetic: laws of rounding, every operator against LiteRT, whole models sample by sample."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.numerics import Kernels, predict_tflite_reference
from edgewise.design.numerics import _fixed_point as fixed
from edgewise.design.numerics._tflite_graph import read
from edgewise.design.numerics.tflite_reference import run
from edgewise.errors import BadModel
from fakes.tflite_files import OneOperator, Value, tflite

Array = npt.NDArray[Any]
INT32 = st.integers(-(2**31), 2**31 - 1)
FACTOR = st.floats(2**-20, 0.99)
REFERENCE, XNNPACK = OpResolverType.BUILTIN_REF, OpResolverType.AUTO
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
NONE, RELU, RELU6 = (getattr(schema.ActivationFunctionType, name) for name in ("NONE", "RELU", "RELU6"))
SAMPLES = 40


# --- Laws -------------------------------------------------------------------------------------


@given(INT32, INT32)
def test_the_high_product_is_the_nearest_integer_to_2ab_over_2_to_32(a: int, b: int) -> None:
    found = int(fixed.doubled_high(np.array([a]), np.array([b]))[0])
    exact = Fraction(a * b, 2**31)
    assert found == 2**31 - 1 if a == b == -(2**31) else abs(found - exact) <= Fraction(1, 2)


@given(INT32, st.integers(0, 30))
def test_a_rounded_shift_goes_to_the_nearest_and_half_away_from_zero(value: int, exponent: int) -> None:
    exact = Fraction(value, 2**exponent)
    nearest = int(abs(exact) + Fraction(1, 2)) * (1 if value >= 0 else -1)
    assert int(fixed.rounded_shift(np.array([value]), exponent)[0]) == nearest


@given(FACTOR)
def test_a_factor_is_kept_to_31_bits(factor: float) -> None:
    made = fixed.Multipliers.of(factor)
    kept = Fraction(int(made.mantissa[0])) * Fraction(2) ** (int(made.shift[0]) - 31)
    assert abs(kept - Fraction(factor)) <= Fraction(factor) / 2**30
    assert 2**30 <= made.mantissa[0] < 2**31


@given(st.lists(INT32, min_size=1, max_size=20), FACTOR, st.booleans())
def test_scaling_is_monotone_and_within_one_of_the_real_product(values: list[int], factor: float, single: bool) -> None:
    ordered = np.array(sorted(values), dtype=np.int64)
    scaled = fixed.scale(ordered, fixed.Multipliers.of(factor), single=single)
    assert (np.diff(scaled) >= 0).all()
    assert (np.abs(scaled - ordered * factor) <= 1 + np.abs(ordered) * 2.0**-30).all()


# --- Every operator against LiteRT's reference kernels ----------------------------------------


def activation(*shape: int, scale: float = 0.05, zero: int = -7) -> Value:
    return Value(shape=shape, scales=[scale], zeros=[zero])


def constant(array: Array) -> Value:
    return Value(shape=array.shape, dtype=array.dtype.type, data=array)


def weights(random: np.random.Generator, *shape: int, axis: int, channels: int) -> Value:
    scales = random.uniform(0.002, 0.01, channels)
    data = random.integers(-127, 128, shape).astype(np.int8)
    return Value(shape=shape, scales=scales, zeros=[0] * channels, axis=axis, data=data)


def bias(random: np.random.Generator, like: Value, given: float) -> Value:
    data = random.integers(-4000, 4000, len(like.scales)).astype(np.int32)
    scales = [given * scale for scale in like.scales]
    return Value(shape=data.shape, dtype=np.int32, scales=scales, zeros=[0] * len(scales), data=data)


def conv(stride: int = 1, padding: int = SAME, dilation: int = 1, fused: int = NONE, kernel: int = 3) -> OneOperator:
    random = np.random.default_rng(0)
    filters = weights(random, 6, kernel, kernel, 5, axis=0, channels=6)
    size = len(range(0, 9 if padding == SAME else 9 - dilation * (kernel - 1), stride))
    return OneOperator(
        name="CONV_2D",
        inputs=[activation(1, 9, 9, 5), filters, bias(random, filters, 0.05)],
        output=activation(1, size, size, 6, scale=0.06, zero=3),
        options_name="Conv2DOptions",
        options={
            "padding": padding, "strideH": stride, "strideW": stride, "dilationHFactor": dilation,
            "dilationWFactor": dilation, "fusedActivationFunction": fused,
        },
    )  # fmt: skip


def depthwise(multiplier: int = 1, stride: int = 1) -> OneOperator:
    random = np.random.default_rng(1)
    filters = weights(random, 1, 3, 3, 4 * multiplier, axis=3, channels=4 * multiplier)
    size = len(range(0, 9, stride))
    return OneOperator(
        name="DEPTHWISE_CONV_2D",
        inputs=[activation(1, 9, 9, 4), filters, bias(random, filters, 0.05)],
        output=activation(1, size, size, 4 * multiplier, scale=0.03, zero=-20),
        options_name="DepthwiseConv2DOptions",
        options={
            "padding": SAME, "strideH": stride, "strideW": stride, "depthMultiplier": multiplier,
            "fusedActivationFunction": RELU6,
        },
    )  # fmt: skip


def fully_connected() -> OneOperator:
    random = np.random.default_rng(2)
    filters = weights(random, 7, 33, axis=0, channels=1)
    offsets = Value(
        shape=(7,),
        dtype=np.int32,
        scales=[0.05 * filters.scales[0]],
        zeros=[0],
        data=random.integers(-9000, 9000, 7).astype(np.int32),
    )
    return OneOperator(
        name="FULLY_CONNECTED",
        inputs=[activation(1, 33), filters, offsets],
        output=activation(1, 7, scale=0.08, zero=5),
        options_name="FullyConnectedOptions",
    )


def two_inputs(name: str, options_name: str, output_scale: float, second: Value | None = None) -> OneOperator:
    return OneOperator(
        name=name,
        inputs=[activation(1, 4, 5, 3), second or activation(1, 4, 5, 3, scale=0.031, zero=11)],
        output=activation(1, 4, 5, 3, scale=output_scale, zero=2),
        options_name=options_name,
    )


def pool(name: str, size: int, stride: int, padding: int) -> OneOperator:
    reach = len(range(0, 7 if padding == SAME else 8 - size, stride))
    return OneOperator(
        name=name,
        inputs=[activation(1, 7, 7, 3)],
        output=activation(1, reach, reach, 3),
        options_name="Pool2DOptions",
        options={"padding": padding, "strideH": stride, "strideW": stride, "filterHeight": size, "filterWidth": size},
    )


def mean(*axes: int) -> OneOperator:
    shape = tuple(1 if axis in axes else size for axis, size in enumerate((1, 7, 6, 5)))
    return OneOperator(
        name="MEAN",
        inputs=[activation(1, 7, 6, 5), constant(np.array(axes, np.int32))],
        output=activation(*shape, scale=0.043, zero=9),
        options_name="ReducerOptions",
        options={"keepDims": True},
    )


def one_input(name: str, output: Value, *more: Value, options_name: str = "", **options: Any) -> OneOperator:
    return OneOperator(
        name=name, inputs=[activation(1, 4, 6), *more], output=output, options_name=options_name, options=options
    )


OPERATORS: dict[str, Callable[[], OneOperator]] = {
    "conv": conv,
    "conv, strided": lambda: conv(stride=2, fused=RELU),
    "conv, valid": lambda: conv(padding=VALID, fused=RELU6),
    "conv, dilated": lambda: conv(dilation=2),
    "conv, pointwise": lambda: conv(kernel=1),
    "depthwise": depthwise,
    "depthwise, multiplier 2": lambda: depthwise(2),
    "depthwise, strided": lambda: depthwise(stride=2),
    "fully connected": fully_connected,
    "add": lambda: two_inputs("ADD", "AddOptions", 0.07),
    "add, broadcast": lambda: two_inputs("ADD", "AddOptions", 0.07, activation(1, 1, 1, 3, scale=0.2)),
    "mul": lambda: two_inputs("MUL", "MulOptions", 0.09),
    "average pool": lambda: pool("AVERAGE_POOL_2D", 7, 7, VALID),
    "average pool, padded": lambda: pool("AVERAGE_POOL_2D", 3, 2, SAME),
    "max pool": lambda: pool("MAX_POOL_2D", 2, 2, VALID),
    "max pool, padded": lambda: pool("MAX_POOL_2D", 3, 2, SAME),
    "mean over the image": lambda: mean(1, 2),
    "mean over channels": lambda: mean(3),
    "softmax": lambda: one_input(
        "SOFTMAX", activation(1, 4, 6, scale=1 / 256, zero=-128), options_name="SoftmaxOptions", beta=1.0
    ),
    "reshape": lambda: one_input("RESHAPE", activation(1, 24), constant(np.array([1, 24], np.int32))),
    "pad": lambda: one_input(
        "PAD", activation(1, 5, 9), constant(np.array([[0, 0], [1, 0], [2, 1]], np.int32)), options_name="PadOptions"
    ),
    "transpose": lambda: one_input("TRANSPOSE", activation(1, 6, 4), constant(np.array([0, 2, 1], np.int32))),
    "concatenation": lambda: one_input(
        "CONCATENATION", activation(1, 8, 6), activation(1, 4, 6), options_name="ConcatenationOptions", axis=1
    ),
    "relu": lambda: one_input("RELU", activation(1, 4, 6, scale=0.03, zero=-128)),
    "relu6": lambda: one_input("RELU6", activation(1, 4, 6, scale=0.03, zero=-100)),
    "quantize again": lambda: one_input("QUANTIZE", activation(1, 4, 6, scale=0.11, zero=30)),
    "dequantize": lambda: one_input("DEQUANTIZE", Value(shape=(1, 4, 6), dtype=np.float32)),
    "squeeze": lambda: one_input("SQUEEZE", activation(4, 6), options_name="SqueezeOptions", squeezeDims=[0]),
}  # fmt: skip


def real(content: bytes, columns: list[Array], resolver: OpResolverType) -> Array:
    """Raw output [n, …] of LiteRT for raw inputs [n, …]."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    places = [detail["index"] for detail in interpreter.get_input_details()]
    results = []
    for row in zip(*columns, strict=True):
        for place, array in zip(places, row, strict=True):
            interpreter.set_tensor(place, array)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
    return np.stack(results)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_answers_as_litert_does_to_the_last_bit(name: str) -> None:
    operator = OPERATORS[name]()
    content, graph = tflite(operator), read(tflite(operator))
    random = np.random.default_rng(3)
    columns = [
        random.integers(-128, 128, (SAMPLES, *graph.operands[index].shape)).astype(np.int8) for index in graph.inputs
    ]
    found = run(graph, columns)[graph.outputs[0]]
    np.testing.assert_array_equal(found, real(content, columns, REFERENCE))
    if name.startswith(("conv", "depthwise", "fully", "add")):
        found = run(graph, columns, kernels=Kernels.XNNPACK)[graph.outputs[0]]
        np.testing.assert_array_equal(found, real(content, columns, XNNPACK))


# --- Whole models -----------------------------------------------------------------------------


@pytest.mark.parametrize(("kernels", "resolver"), [(Kernels.REFERENCE, REFERENCE), (Kernels.XNNPACK, XNNPACK)])
@pytest.mark.parametrize("name", ["ic01", "kws01"])
def test_real_models_answer_as_litert_does_to_the_last_bit(
    name: str, kernels: Kernels, resolver: OpResolverType, shared_data: Path
) -> None:
    content = (shared_data / "mlperf-tiny" / f"{name}_int8.tflite").read_bytes()
    graph = read(content)
    given = graph.operands[graph.inputs[0]]
    x = np.random.default_rng(4).integers(-128, 128, (100, *given.shape)).astype(np.int8)
    expected = real(content, [x], resolver)[:, 0]
    found = predict_tflite_reference(content, [[row] for row in x], kernels=kernels)[0]
    scale, zero = graph.operands[graph.outputs[0]].scale, graph.operands[graph.outputs[0]].zero
    np.testing.assert_array_equal(found, (expected.astype(np.float32) - zero) * scale)


def test_quantize_from_float_rounds_half_away_from_zero() -> None:
    operator = OneOperator(
        name="QUANTIZE", inputs=[Value(shape=(1, 9), dtype=np.float32)], output=activation(1, 9, scale=0.5, zero=3)
    )
    x = np.random.default_rng(6).integers(-280, 280, (SAMPLES, 1, 9)).astype(np.float32) / 4
    content = tflite(operator)
    graph = read(content)
    np.testing.assert_array_equal(run(graph, [x])[graph.outputs[0]], real(content, [x], REFERENCE))


@given(st.data())
def test_a_damaged_file_is_a_bad_model_or_still_a_model(data: st.DataObject) -> None:
    content = bytearray(tflite(OPERATORS["fully connected"]()))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadModel):
        read(bytes(content))


def test_float_data_is_quantised_and_the_answer_is_real() -> None:
    content = tflite(OPERATORS["fully connected"]())
    x = np.random.default_rng(5).uniform(-6, 6, (3, 1, 33)).astype(np.float32)
    found = predict_tflite_reference(content, list(x[:, None]))
    assert found[0].shape == (3, 7)
    assert found[0].dtype == np.float32


def test_what_is_not_emulated_is_refused() -> None:
    with pytest.raises(BadModel, match="TANH is not emulated"):
        predict_tflite_reference(tflite(one_input("TANH", activation(1, 4, 6))), [])
    with pytest.raises(BadModel, match="cannot be read"):
        predict_tflite_reference(b"no model", [])
    operator = two_inputs("ADD", "AddOptions", 0.1)
    plain = [Value(shape=value.shape, dtype=np.float32) for value in operator.inputs]
    floats = OneOperator(name="ADD", inputs=plain, output=plain[0], options_name="AddOptions")
    with pytest.raises(BadModel, match="floating point"):
        predict_tflite_reference(tflite(floats), [])
