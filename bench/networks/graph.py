"""Layers of a network, written down by calling one method per layer.

Sizes follow TensorFlow's rules for SAME and VALID padding. Batch normalisation behind a convolution is folded into
its weights and bias, activations into the layer before them; normalisation that cannot be folded is a MUL and an ADD.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgewise.nouns import Convolution, Layer


@dataclass(frozen=True, slots=True)
class Map:
    """What flows between layers at batch 1."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """How many values it has."""
        return self.height * self.width * self.channels


@dataclass(slots=True)
class Graph:
    """Grows by one layer per call; every method returns what the layer writes."""

    layers: list[Layer] = field(default_factory=list)

    def conv(
        self, image: Map, channels: int, kernel: int | tuple[int, int], stride: int | tuple[int, int] = 1, **how: str
    ) -> Map:
        """A convolution with bias; `how` may name padding="valid"."""
        return self._window("CONV_2D", image, channels, _pair(kernel), _pair(stride), groups=1, **how)

    def depthwise(self, image: Map, kernel: int, stride: int = 1) -> Map:
        """One filter per channel, with bias."""
        channels = image.channels
        return self._window(
            "DEPTHWISE_CONV_2D", image, channels, _pair(kernel), _pair(stride), groups=channels, padding="same"
        )

    def separable(self, image: Map, channels: int, kernel: int, stride: int = 1) -> Map:
        """A depthwise convolution and one of 1 x 1."""
        return self.conv(self.depthwise(image, kernel, stride), channels, 1)

    def max_pool(self, image: Map, kernel: int, stride: int, padding: str = "same") -> Map:
        """The largest of every window."""
        return self._pool("MAX_POOL_2D", image, (kernel, kernel), (stride, stride), padding)

    def average_pool(self, image: Map, kernel: int, stride: int, padding: str = "same") -> Map:
        """The mean of every window."""
        return self._pool("AVERAGE_POOL_2D", image, (kernel, kernel), (stride, stride), padding)

    def mean(self, image: Map) -> Map:
        """The mean over height and width."""
        out = Map(1, 1, image.channels)
        self._append("MEAN", (1, out.channels), [image], out.elements)
        return out

    def global_pool(self, image: Map) -> Map:
        """The same as an average pool whose window is the image."""
        return self._pool("AVERAGE_POOL_2D", image, (image.height, image.width), (1, 1), "valid")

    def dense(self, image: Map, channels: int) -> Map:
        """A matrix product with bias, after flattening."""
        out = Map(1, 1, channels)
        convolution = Convolution(
            input_height=1,
            input_width=1,
            input_channels=image.elements,
            output_height=1,
            output_width=1,
            output_channels=channels,
            kernel_height=1,
            kernel_width=1,
        )
        parameters = image.elements * channels + channels
        self._append("FULLY_CONNECTED", (1, channels), [image], channels, parameters, convolution)
        return out

    def reshape(self, image: Map) -> Map:
        """Flattened; the new shape is stored."""
        out = Map(1, 1, image.elements)
        self._append("RESHAPE", (1, out.channels), [image], out.elements, parameters=2)
        return out

    def add(self, first: Map, second: Map) -> Map:
        """Element by element."""
        assert first == second, (first, second)
        self._append("ADD", _shape(first), [first, second], first.elements)
        return first

    def normalise(self, image: Map) -> Map:
        """Batch normalisation that stands before a convolution, and so remains."""
        for operator in ("MUL", "ADD"):
            self._append(operator, _shape(image), [image], image.elements, parameters=image.channels)
        return image

    def concatenate(self, parts: Sequence[Map]) -> Map:
        """Channels side by side."""
        out = Map(parts[0].height, parts[0].width, sum(part.channels for part in parts))
        assert all((part.height, part.width) == (out.height, out.width) for part in parts), parts
        self._append("CONCATENATION", _shape(out), parts, out.elements)
        return out

    def softmax(self, image: Map) -> Map:
        """Over all elements."""
        self._append("SOFTMAX", (1, image.elements), [image], image.elements)
        return image

    def logistic(self, image: Map) -> Map:
        """Of every element."""
        self._append("LOGISTIC", _shape(image), [image], image.elements)
        return image

    def _window(
        self,
        operator: str,
        image: Map,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        groups: int,
        padding: str = "same",
    ) -> Map:
        out = Map(*_sizes(image, kernel, stride, padding), channels)
        convolution = Convolution(
            input_height=image.height,
            input_width=image.width,
            input_channels=image.channels,
            output_height=out.height,
            output_width=out.width,
            output_channels=channels,
            kernel_height=kernel[0],
            kernel_width=kernel[1],
            stride_height=stride[0],
            stride_width=stride[1],
            groups=groups,
        )
        parameters = math.prod(kernel) * image.channels // groups * channels + channels
        self._append(operator, _shape(out), [image], out.elements, parameters, convolution)
        return out

    def _pool(self, operator: str, image: Map, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> Map:
        out = Map(*_sizes(image, kernel, stride, padding), image.channels)
        self._append(operator, _shape(out), [image], out.elements)
        return out

    def _append(
        self,
        operator: str,
        shape: tuple[int, ...],
        read: Sequence[Map],
        written: int,
        parameters: int = 0,
        convolution: Convolution | None = None,
    ) -> None:
        self.layers.append(
            Layer(
                name=f"{len(self.layers):03d}-{operator.lower()}",
                operator=operator,
                output_shape=shape,
                parameters=parameters,
                macs=convolution.macs if convolution else 0,
                read_elements=sum(image.elements for image in read),
                written_elements=written,
                convolution=convolution,
            )
        )


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _shape(image: Map) -> tuple[int, ...]:
    return (1, image.height, image.width, image.channels)


def _sizes(image: Map, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> tuple[int, int]:
    """After TensorFlow's "same" and "valid", and Caffe's "ceil", whose last window may hang over the edge."""
    match padding:
        case "same":
            height, width = image.height / stride[0], image.width / stride[1]
        case "valid":
            height, width = (image.height - kernel[0] + 1) / stride[0], (image.width - kernel[1] + 1) / stride[1]
        case "ceil":
            height, width = (image.height - kernel[0]) / stride[0] + 1, (image.width - kernel[1]) / stride[1] + 1
        case _:
            raise AssertionError(padding)
    assert min(height, width) > 0, (image, kernel, stride)
    return math.ceil(height), math.ceil(width)
