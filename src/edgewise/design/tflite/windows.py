"""Convolutions and poolings: ONNX's explicit pads on NCHW as TFLite's SAME and VALID on NHWC.

SAME pads as little as gives ceil(size / stride) outputs, the odd one at the end; VALID pads nothing
(https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding"). Anything else becomes a PAD before VALID.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.design.tflite.graph import Value, constant, integers, permuted
from edgewise.design.tflite.node import TO_NCHW, TO_NHWC, Node, Operations

_NON_NEGATIVE = ("RELU", "RELU6", "LOGISTIC", "SOFTMAX")
_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window that slides along one axis; `before` and `after` are what has to be padded."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    before: int

    @property
    def after(self) -> int:
        """Padding at the end that a window reaches; padding beyond it changes nothing."""
        return max((self.out - 1) * self.stride + self.reach - self.size - self.before, 0)

    @property
    def reach(self) -> int:
        """Elements from the first to the last that one window sees."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def is_valid(self) -> bool:
        """True where nothing is padded."""
        return self.before == 0 and self.after == 0

    @property
    def is_same(self) -> bool:
        """True where TFLite's SAME pads the same."""
        total = max((self.out - 1) * self.stride + self.reach - self.size, 0)
        pads = (total // 2, total - total // 2)
        return self.out == -(-self.size // self.stride) and (self.before, self.after) == pads


def windows(node: Node, kernel: Sequence[int]) -> tuple[Window, Window]:
    """The windows of a convolution or pooling along height and width."""
    sizes, outs = node.input(0).shape[2:], node.shape[2:]
    strides = node.attributes.get("strides") or (1, 1)
    dilations = node.attributes.get("dilations") or (1, 1)
    pads = node.attributes.get("pads") or (0, 0, 0, 0)
    mode = node.attributes.get("auto_pad", "NOTSET")
    found = []
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        total = max((outs[axis] - 1) * strides[axis] + reach - sizes[axis], 0)
        before = {"SAME_UPPER": total // 2, "SAME_LOWER": total - total // 2, "VALID": 0}.get(mode, pads[axis])
        found.append(
            Window(
                size=sizes[axis],
                out=outs[axis],
                kernel=kernel[axis],
                stride=strides[axis],
                dilation=dilations[axis],
                before=before,
            )
        )
    return found[0], found[1]


def _padding(pair: tuple[Window, Window]) -> str | None:
    if all(window.is_valid for window in pair):
        return "VALID"
    return "SAME" if all(window.is_same for window in pair) else None


def _padded(operations: Operations, image: Value, pair: tuple[Window, Window], node: Node, fill: float = 0.0) -> Value:
    """The NHWC `image` with what its windows reach beyond it."""
    rows, columns = pair
    pads = np.array([[0, 0], [rows.before, rows.after], [columns.before, columns.after], [0, 0]], dtype=np.int32)
    shape = np.array(image.shape) + pads.sum(axis=1)
    inputs, kind = [image, constant(pads)], "PAD"
    if fill:
        kind = "PADV2"
        inputs.append(constant(np.array(fill, dtype=np.float32)))
    return operations.step(kind, inputs, shape.tolist(), image.origin, node)


def _image(node: Node, operations: Operations) -> Value:
    """The first input as NHWC."""
    if len(node.shape) != 4:
        raise node.refusal(f"has {len(node.shape) - 2} spatial axes; only two are converted to TFLite")
    return operations.transposed(node.input(0), TO_NHWC, node)


def convolution(node: Node, operations: Operations) -> Value:
    """Conv: CONV_2D with weights [out, h, w, in / groups], or DEPTHWISE_CONV_2D with [1, h, w, out]."""
    image = _image(node, operations)
    weights = node.constant(1)
    channels, groups = image.shape[3], int(node.attributes.get("group", 1))
    pair = windows(node, weights.shape[2:])
    padding = _padding(pair)
    if padding is None:
        image, padding = _padded(operations, image, pair, node), "VALID"
    options = {"padding": padding, **_steps(pair)}
    options |= {"dilationHFactor": pair[0].dilation, "dilationWFactor": pair[1].dilation}
    if groups == 1 or groups != channels:
        kind, moved = "CONV_2D", weights.transpose(0, 2, 3, 1)
    else:
        kind, moved = "DEPTHWISE_CONV_2D", weights.transpose(1, 2, 3, 0)
        options["depthMultiplier"] = weights.shape[0] // channels
    return operations.around_nhwc(kind, image, [constant(moved), bias(node, 2, weights.shape[0])], node, **options)


def bias(node: Node, index: int, channels: int) -> Value:
    """Input `index` as one number for each channel; zeros where it is left out."""
    given = node.constant(index) if node.has(index) else np.zeros(channels, dtype=np.float32)
    return constant(np.ascontiguousarray(np.broadcast_to(given.reshape(-1), (channels,))))


def _steps(pair: tuple[Window, Window]) -> dict[str, int]:
    return {"strideH": pair[0].stride, "strideW": pair[1].stride}


def transposed_convolution(node: Node, operations: Operations) -> Value:
    """ConvTranspose: TRANSPOSE_CONV with weights [out, h, w, in]; pads that SAME does not give are cut off after it."""
    image = _image(node, operations)
    weights = node.constant(1)  # [in, out / groups, h, w]
    if int(node.attributes.get("group", 1)) != 1 or set(node.attributes.get("dilations") or (1, 1)) != {1}:
        raise node.refusal("has groups or dilations, which TFLite's TRANSPOSE_CONV has not")
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET" or node.attributes.get("output_shape"):
        raise node.refusal("states its output's shape or auto_pad; only explicit pads are converted to TFLite")
    strides = node.attributes.get("strides") or (1, 1)
    pads = node.attributes.get("pads") or (0, 0, 0, 0)
    channels, outs, kernel = weights.shape[1], node.shape[2:], weights.shape[2:]
    same = all(
        Window(
            size=outs[i], out=image.shape[1 + i], kernel=kernel[i], stride=strides[i], dilation=1, before=pads[i]
        ).is_same
        for i in (0, 1)
    )
    # VALID spreads each input over its whole kernel; what ONNX pads at the end beyond that are zeros plus the bias.
    full = [(image.shape[1 + i] - 1) * strides[i] + kernel[i] for i in (0, 1)]
    if not same and any(pads[i] + outs[i] > full[i] for i in (0, 1)):
        raise node.refusal("has output_padding beyond what its windows reach")
    inner = (1, *(outs if same else full), channels)
    inputs = [integers(*inner), constant(weights.transpose(1, 2, 3, 0)), image, bias(node, 2, channels)]
    options = {"padding": "SAME" if same else "VALID", "strideH": strides[0], "strideW": strides[1]}
    out = operations.add("TRANSPOSE_CONV", inputs, inner, node, **options)
    final = permuted(node.shape, TO_NHWC)
    if inner != final:
        begin = integers(0, pads[0], pads[1], 0)
        out = operations.add("SLICE", [out, begin, integers(*final)], final, node)
    return operations.transposed(out, TO_NCHW, node)


def max_pooling(node: Node, operations: Operations) -> Value:
    """MaxPool; padding that SAME does not give is the lowest number, or 0 where nothing is below it."""
    if len(node.outputs) > 1:
        raise node.refusal("gives indices, which TFLite's MAX_POOL_2D does not")
    image = _image(node, operations)
    pair = _pool(node)
    padding = _padding(pair)
    if padding is None:
        kinds = {value: operation.kind for operation in operations.all for value in operation.outputs}
        fill = 0.0 if kinds.get(node.input(0)) in _NON_NEGATIVE else _LOWEST
        image, padding = _padded(operations, image, pair, node, fill), "VALID"
    return operations.around_nhwc("MAX_POOL_2D", image, [], node, padding=padding, **_filter(pair))


def average_pooling(node: Node, operations: Operations) -> Value:
    """AveragePool. TFLite's SAME leaves padding out of the mean, as ONNX does by default."""
    image = _image(node, operations)
    pair = _pool(node)
    padding = _padding(pair)
    if node.attributes.get("count_include_pad", 0) and padding != "VALID":
        if node.attributes.get("ceil_mode", 0):
            raise node.refusal("counts padding with ceil_mode, which TFLite's AVERAGE_POOL_2D cannot")
        image, padding = _padded(operations, image, pair, node), "VALID"
    if padding is None:
        raise node.refusal("leaves uneven padding out of the mean, which TFLite's AVERAGE_POOL_2D cannot")
    return operations.around_nhwc("AVERAGE_POOL_2D", image, [], node, padding=padding, **_filter(pair))


def _pool(node: Node) -> tuple[Window, Window]:
    pair = windows(node, node.attributes["kernel_shape"])
    if any(window.dilation != 1 for window in pair):
        raise node.refusal("has dilations, which TFLite's poolings have not")
    return pair


def _filter(pair: tuple[Window, Window]) -> dict[str, int]:
    return _steps(pair) | {"filterHeight": pair[0].kernel, "filterWidth": pair[1].kernel}


def global_average(node: Node, operations: Operations) -> Value:
    """GlobalAveragePool: the mean over height and width."""
    return operations.around_nhwc("MEAN", _image(node, operations), [integers(1, 2)], node, keepDims=True)


def global_maximum(node: Node, operations: Operations) -> Value:
    """GlobalMaxPool: one window over the whole image."""
    image = _image(node, operations)
    _, height, width, _ = image.shape
    options = {"filterHeight": height, "filterWidth": width, "strideH": height, "strideW": width}
    return operations.around_nhwc("MAX_POOL_2D", image, [], node, padding="VALID", **options)
