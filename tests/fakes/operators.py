"""One small ONNX model for each operator and way of using it that is converted to TFLite, by name."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper

from fakes.models import Axis, GraphBuilder

IMAGE = (1, 4, 9, 10)
_ANY = ("a", "b", "c", "d")

Build = Callable[[GraphBuilder], object]


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def number(value: float) -> np.ndarray:
    return np.array(value, dtype=np.float32)


def model(build: Build, shape: Sequence[Axis] = IMAGE, out: Sequence[Axis] = _ANY, *, seed: int = 1) -> onnx.ModelProto:
    """The model `x` -> `y` that `build` makes."""
    graph = GraphBuilder(seed)
    build(graph)
    return graph.model([("x", shape)], [("y", out)])


def simple(operator: str, **attributes: object) -> Build:
    """One operator of one operand."""
    return lambda g: g.add(operator, "x", output="y", **attributes)


def after_conv(operator: str, **attributes: object) -> Build:
    """One operator behind a convolution, where images are NHWC inside."""
    return lambda g: g.add(operator, _conv(g), output="y", **attributes)


def conv(out: int, kernel: Sequence[int], *, inner: int = 4, bias: bool = True, **attributes: object) -> Build:
    def build(g: GraphBuilder) -> None:
        weights = [g.weight(out, inner, *kernel), *([g.weight(out)] if bias else [])]
        g.add("Conv", "x", *weights, output="y", **attributes)

    return build


def transposed(kernel: Sequence[int], **attributes: object) -> Build:
    return lambda g: g.add("ConvTranspose", "x", g.weight(4, 6, *kernel), g.weight(6), output="y", **attributes)


def clip(low: float, high: float) -> Build:
    return lambda g: g.add("Clip", "x", g.constant(number(low)), g.constant(number(high)), output="y")


def with_constant(operator: str, *shape: int) -> Build:
    values = np.linspace(1, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return lambda g: g.add(operator, _conv(g), g.constant(values), output="y")


def mixed(operator: str) -> Build:
    """An operand that is NHWC inside and one that is not, which stays away from 0."""

    def build(g: GraphBuilder) -> None:
        positive = g.add("Add", g.add("Sigmoid", "x"), g.constant(number(1)))
        g.add(operator, _conv(g), positive, output="y")

    return build


def resize(mode: str, style: str, scales: Sequence[float] = (), sizes: Sequence[int] = (), **more: object) -> Build:
    def build(g: GraphBuilder) -> None:
        how = [g.constant(floats(*scales))] if scales else ["", g.constant(integers(*sizes))]
        attributes = {"mode": mode, "coordinate_transformation_mode": style, **more}
        g.add("Resize", _conv(g), "", *how, output="y", **attributes)

    return build


def pad(pads: Sequence[int], fill: float | None = None, mode: str = "constant") -> Build:
    def build(g: GraphBuilder) -> None:
        inputs = [g.constant(integers(*pads)), *([] if fill is None else [g.constant(number(fill))])]
        g.add("Pad", _conv(g), *inputs, mode=mode, output="y")

    return build


def _conv(g: GraphBuilder, channels: int = 4) -> str:
    return g.add("Conv", "x", g.weight(channels, 4, 1, 1), g.weight(channels))


def _concat(g: GraphBuilder) -> None:
    g.add("Concat", _conv(g, 3), g.add("Relu", _conv(g, 5)), "x", axis=1, output="y")


def _squeeze_excite(g: GraphBuilder) -> None:
    a = g.add("Relu", g.add("Conv", "x", g.weight(8, 4, 3, 3), g.weight(8), pads=[1] * 4))
    gate = g.add("Relu", g.add("Conv", g.add("GlobalAveragePool", a), g.weight(2, 8, 1, 1)))
    gate = g.add("HardSigmoid", g.add("Conv", gate, g.weight(8, 2, 1, 1)), alpha=1 / 6)
    g.add("Conv", g.add("Mul", a, gate), g.weight(4, 8, 1, 1), output="y")


def _normalised(g: GraphBuilder) -> None:
    def normal(x: str, **more: str) -> str:
        variance = g.constant(np.abs(g.random.standard_normal(4)).astype(np.float32) + np.float32(0.5))
        return g.add("BatchNormalization", x, g.weight(4), g.weight(4), g.weight(4), variance, **more)

    normal(g.add("Relu", normal(_conv(g))), output="y")


def _residual(g: GraphBuilder) -> None:
    a = g.add("Relu", _conv(g))
    b = g.add("Conv", a, g.weight(4, 4, 3, 3), g.weight(4), pads=[1] * 4)
    g.add("Relu", g.add("Add", a, b), output="y")


def _split(g: GraphBuilder) -> None:
    g.nodes.append(helper.make_node("Split", [_conv(g), g.constant(integers(1, 3))], ["p", "q"], name="cut", axis=1))
    g.add("Concat", "q", "p", axis=1, output="y")


def _shuffle(g: GraphBuilder) -> None:
    parts = g.add("Reshape", _conv(g), g.constant(integers(1, 2, 2, 9, 10)))
    parts = g.add("Transpose", parts, perm=[0, 2, 1, 3, 4])
    g.add("Reshape", parts, g.constant(integers(1, 4, 9, 10)), output="y")


def _nhwc(g: GraphBuilder) -> None:
    """As tf2onnx writes it: an NHWC input between transposes around every convolution."""
    a = g.add("Conv", g.add("Transpose", "x", perm=[0, 3, 1, 2]), g.weight(6, 4, 3, 3), g.weight(6), pads=[1] * 4)
    a = g.add("Relu", g.add("Transpose", a, perm=[0, 2, 3, 1]))
    a = g.add("Conv", g.add("Transpose", a, perm=[0, 3, 1, 2]), g.weight(4, 6, 3, 3), pads=[0, 0, 1, 1], strides=[2, 2])
    g.add("Transpose", a, perm=[0, 2, 3, 1], output="y")


def _flattened(g: GraphBuilder) -> None:
    g.add("Gemm", g.add("Flatten", _conv(g)), g.weight(3, 360), g.weight(3), transB=1, output="y")


def _sliced(g: GraphBuilder) -> None:
    places = [g.constant(integers(*values)) for values in ((1, -7), (3, 100), (1, 2))]
    g.add("Slice", _conv(g), *places, output="y")


CASES: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "conv with uneven pads": lambda: model(conv(6, (3, 3), pads=[2, 1, 0, 1])),
    "conv dilated, without bias": lambda: model(conv(6, (3, 3), bias=False, dilations=[2, 2], pads=[2] * 4)),
    "conv SAME_UPPER": lambda: model(conv(6, (4, 3), auto_pad="SAME_UPPER", strides=[2, 2])),
    "conv SAME_LOWER": lambda: model(conv(6, (4, 4), auto_pad="SAME_LOWER", strides=[2, 2])),
    "conv in two groups": lambda: model(conv(6, (3, 3), inner=2, group=2, pads=[1] * 4)),
    "depthwise": lambda: model(conv(4, (3, 3), inner=1, group=4, pads=[1] * 4)),
    "depthwise, two for each": lambda: model(conv(8, (3, 3), inner=1, group=4, pads=[1] * 4, strides=[2, 2])),
    "depthwise dilated": lambda: model(conv(4, (3, 3), inner=1, group=4, dilations=[2, 2], pads=[2] * 4)),
    "transposed": lambda: model(transposed((2, 2), strides=[2, 2])),
    "transposed SAME": lambda: model(transposed((4, 4), strides=[2, 2], pads=[1] * 4)),
    "transposed with output_padding": lambda: model(
        transposed((3, 3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
    ),
    "transposed, cut": lambda: model(transposed((3, 3), strides=[1, 2], pads=[1, 0, 0, 1])),
    "max pool": lambda: model(simple("MaxPool", kernel_shape=[2, 2], strides=[2, 2])),
    "max pool padded": lambda: model(simple("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)),
    "max pool ceil": lambda: model(simple("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    "average pool": lambda: model(simple("AveragePool", kernel_shape=[3, 3], pads=[1] * 4)),
    "average pool counting pads": lambda: model(
        simple("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    ),
    "global average": lambda: model(after_conv("GlobalAveragePool")),
    "global maximum": lambda: model(after_conv("GlobalMaxPool")),
    **{
        operator: (lambda operator=operator: model(after_conv(operator)))
        for operator in ("Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Identity")
    },
    "relu6": lambda: model(clip(0, 6)),
    "clip": lambda: model(clip(-0.5, 0.3)),
    **{
        f"{operator} {what}": (lambda operator=operator, build=build: model(build(operator)))
        for operator in ("Add", "Sub", "Mul", "Div")
        for what, build in (
            ("a number for each channel", lambda operator: with_constant(operator, 4, 1, 1)),
            ("a number for each column", lambda operator: with_constant(operator, 10)),
            ("an image", mixed),
        )
    },
    "concat": lambda: model(_concat),
    "squeeze and excite": lambda: model(_squeeze_excite),
    "batch normalisation": lambda: model(_normalised),
    "residual": lambda: model(_residual),
    "nearest": lambda: model(resize("nearest", "asymmetric", (1, 1, 2, 2), nearest_mode="floor")),
    "nearest half pixel": lambda: model(resize("nearest", "half_pixel", (1, 1, 2, 2))),
    "linear half pixel": lambda: model(resize("linear", "half_pixel", sizes=(1, 4, 13, 7))),
    "linear align corners": lambda: model(resize("linear", "align_corners", sizes=(1, 4, 13, 21))),
    "pad": lambda: model(pad((0, 0, 1, 2, 0, 0, 3, 0))),
    "pad all axes with a number": lambda: model(pad((0, 1, 1, 2, 0, 0, 3, 0), 1.5)),
    "pad reflected": lambda: model(pad((0, 0, 1, 2, 0, 0, 3, 0), mode="reflect")),
    "softmax over channels": lambda: model(after_conv("Softmax", axis=1)),
    "softmax over rows": lambda: model(simple("Softmax", axis=2)),
    "mean of the image": lambda: model(after_conv("ReduceMean", axes=[2, 3], keepdims=0), out=(1, 4)),
    "mean of channels": lambda: model(after_conv("ReduceMean", axes=[1], keepdims=0), out=(1, 9, 10)),
    "slice": lambda: model(_sliced),
    "split": lambda: model(_split),
    "channel shuffle": lambda: model(_shuffle),
    "NHWC": lambda: model(_nhwc, (1, 8, 10, 4)),
    "flattened": lambda: model(_flattened, out=(1, 3)),
    "matrices": lambda: model(
        lambda g: g.add("Add", g.add("MatMul", "x", g.weight(10, 5)), g.weight(5), output="y"), (1, 9, 10), (1, 9, 5)
    ),
    "product of two": lambda: model(
        lambda g: g.add("MatMul", "x", g.add("Transpose", "x", perm=[0, 2, 1]), output="y"), (1, 9, 10), (1, 9, 9)
    ),
    "gemm with alpha and beta": lambda: model(
        lambda g: g.add("Gemm", "x", g.weight(10, 5), g.weight(5), alpha=0.5, beta=2.0, output="y"), (3, 10), (3, 5)
    ),
    "squeeze and unsqueeze": lambda: model(
        lambda g: g.add(
            "Unsqueeze", g.add("Squeeze", _conv(g), g.constant(integers(0))), g.constant(integers(0)), output="y"
        )
    ),
}

REFUSED: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "Conv 'y/op' has 1 spatial": lambda: model(conv(6, (3,)), (1, 4, 9), ("a", "b", "c")),
    "Resize 'y/op' interpolates by 'cubic'": lambda: model(resize("cubic", "half_pixel", (1, 1, 2, 2))),
    "Resize 'y/op' reads other places": lambda: model(resize("nearest", "half_pixel", sizes=(1, 4, 13, 7))),
    "Pad 'y/op' pads by 'edge'": lambda: model(pad((0, 0, 1, 2, 0, 0, 3, 0), mode="edge")),
    "Sin 'y/op' has no counterpart": lambda: model(simple("Sin")),
    "AveragePool 'y/op' leaves uneven padding": lambda: model(
        simple("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    ),
    "dynamic axis 'height'": lambda: model(simple("Relu"), (1, 4, "height", 10)),
    "Elu 'y/op' has an alpha": lambda: model(simple("Elu", alpha=0.5)),
}
"""What is not converted, by the start of the reason."""
