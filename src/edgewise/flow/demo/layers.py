"""A small convolutional network in plain numpy: layers, loss and optimiser. No deep-learning framework.

Activations are float32 [n, height, width, channels] (channels last: the columns of a convolution are
then copied in long contiguous runs). `forward` returns the output and what `backward` needs of it;
`backward` takes the gradient of the loss by the output and returns those by the input and by the
parameters, in the order of `parameters`. Layers hold no other state, not even the statistics of batch
normalisation: `folded` measures them once, after training, and leaves convolutions only. Every
`backward` is checked against finite differences in the tests.
"""

# ruff: noqa: D102 - `Layer` documents the methods that all layers share

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]
Saved = tuple[Array, ...]
KERNEL = 3  # every convolution here is 3x3 and keeps the border by one pixel of zeros


class Layer(Protocol):
    """One differentiable step."""

    @property
    def parameters(self) -> list[Array]:
        """What is trained, changed in place."""

    def forward(self, x: Array) -> tuple[Array, Saved]:
        """The output, and the arrays that `backward` wants to see again."""

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        """Gradients by the input and by each of `parameters`."""


@dataclass(frozen=True, slots=True)
class Conv:
    """3x3 convolution, one pixel of zero padding: [n, h, w, c] -> [n, ceil(h/s), ceil(w/s), o].

    Attributes:
        weight: [3, 3, c, o].
        bias: [o].
        stride: s.
    """

    weight: Array
    bias: Array
    stride: int = 1

    @classmethod
    def random(cls, channels: int, filters: int, stride: int, random: np.random.Generator) -> "Conv":
        """Weights by He et al., "Delving Deep into Rectifiers" (2015), for the ReLU that follows."""
        deviation = np.sqrt(2 / (KERNEL * KERNEL * channels))
        weight = random.standard_normal((KERNEL, KERNEL, channels, filters)) * deviation
        return cls(weight.astype(np.float32), np.zeros(filters, np.float32), stride)

    @property
    def parameters(self) -> list[Array]:
        return [self.weight, self.bias]

    def forward(self, x: Array) -> tuple[Array, Saved]:
        columns = self._columns(x)
        y = columns @ self.weight.reshape(-1, self.bias.size)
        y += self.bias
        height, width = (-(-size // self.stride) for size in x.shape[1:3])
        return y.reshape(len(x), height, width, -1), (x, columns)

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        x, columns = saved
        filters = self.bias.size
        flat = gradient.reshape(-1, filters)
        by_weight = (columns.T @ flat).reshape(self.weight.shape)
        by_columns = (flat @ self.weight.reshape(-1, filters).T).reshape(*gradient.shape[:3], KERNEL, KERNEL, -1)
        by_padded = np.zeros_like(_padded(x))
        height, width = (size * self.stride for size in gradient.shape[1:3])
        for i in range(KERNEL):
            for j in range(KERNEL):
                by_padded[:, i : i + height : self.stride, j : j + width : self.stride] += by_columns[:, :, :, i, j]
        return by_padded[:, 1:-1, 1:-1], [by_weight, _channel_sums(flat)]

    def _columns(self, x: Array) -> Array:
        """The pixels under each window, a row for each: [n * oh * ow, 9 * c]."""
        windows = sliding_window_view(_padded(x), (KERNEL, KERNEL), axis=(1, 2))
        windows = windows[:, :: self.stride, :: self.stride].transpose(0, 1, 2, 4, 5, 3)
        return windows.reshape(-1, KERNEL * KERNEL * x.shape[-1])


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Each channel to mean 0 and variance 1 over the batch, then scaled and moved: shape as it is.

    Ioffe and Szegedy, "Batch Normalization" (2015), algorithm 1. For training only: see `folded`.
    """

    scale: Array
    offset: Array

    @classmethod
    def of(cls, channels: int) -> "BatchNorm":
        return cls(np.ones(channels, np.float32), np.zeros(channels, np.float32))

    @property
    def parameters(self) -> list[Array]:
        return [self.scale, self.offset]

    def forward(self, x: Array) -> tuple[Array, Saved]:
        mean, deviation = _statistics(x)
        normal = x - mean
        normal /= deviation
        return normal * self.scale + self.offset, (normal, deviation)

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        normal, deviation = saved
        by_scale, by_offset = _channel_sums(gradient * normal), _channel_sums(gradient)
        count = np.float32(gradient.size // gradient.shape[-1])
        by_input = (gradient - (by_offset + normal * by_scale) / count) * (self.scale / deviation)
        return by_input, [by_scale, by_offset]


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0)."""

    @property
    def parameters(self) -> list[Array]:
        return []

    def forward(self, x: Array) -> tuple[Array, Saved]:
        y = np.maximum(x, np.float32(0))
        return y, (y,)

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        return gradient * (saved[0] > 0), []


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """Mean over height and width: [n, h, w, c] -> [n, c]."""

    @property
    def parameters(self) -> list[Array]:
        return []

    def forward(self, x: Array) -> tuple[Array, Saved]:
        return x.mean(axis=(1, 2)), (x,)

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        shape = saved[0].shape
        return np.broadcast_to((gradient / np.float32(shape[1] * shape[2]))[:, None, None], shape), []


@dataclass(frozen=True, slots=True)
class Dense:
    """x @ weight + bias: [n, c] -> [n, o]."""

    weight: Array
    bias: Array

    @classmethod
    def random(cls, features: int, outputs: int, random: np.random.Generator) -> "Dense":
        weight = random.standard_normal((features, outputs)) / np.sqrt(features)
        return cls(weight.astype(np.float32), np.zeros(outputs, np.float32))

    @property
    def parameters(self) -> list[Array]:
        return [self.weight, self.bias]

    def forward(self, x: Array) -> tuple[Array, Saved]:
        return x @ self.weight + self.bias, (x,)

    def backward(self, saved: Saved, gradient: Array) -> tuple[Array, list[Array]]:
        return gradient @ self.weight.T, [saved[0].T @ gradient, _channel_sums(gradient)]


@dataclass(frozen=True, slots=True)
class Network:
    """Layers, one after the other."""

    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> list[Array]:
        return [parameter for layer in self.layers for parameter in layer.parameters]

    def predict(self, x: Array) -> Array:
        """Output of the last layer for x."""
        for layer in self.layers:
            x = layer.forward(x)[0]
        return x

    def gradients(self, x: Array, labels: NDArray[np.int64]) -> tuple[float, list[Array]]:
        """Mean cross-entropy of `x` [n, ...] against `labels` [n], and its gradient by each parameter."""
        kept: list[Saved] = []
        for layer in self.layers:
            x, saved = layer.forward(x)
            kept.append(saved)
        loss, gradient = softmax_cross_entropy(x, labels)
        found: list[list[Array]] = []
        for layer, saved in zip(reversed(self.layers), reversed(kept), strict=True):
            gradient, by_parameters = layer.backward(saved, gradient)
            found.append(by_parameters)
        return loss, [by_parameter for layer in reversed(found) for by_parameter in layer]


def folded(network: Network, x: Array) -> Network:
    """`network` without batch normalisation, which becomes part of the convolution before it.

    The statistics are those of `x`, a fair sample of what the network was trained on.
    """
    layers: list[Layer] = []
    for layer in network.layers:
        previous = layers[-1] if layers else None
        if isinstance(layer, BatchNorm) and isinstance(previous, Conv):
            mean, deviation = _statistics(x)
            gain = layer.scale / deviation
            bias = (previous.bias - mean) * gain + layer.offset
            layers[-1] = Conv(previous.weight * gain, bias, previous.stride)
        else:
            layers.append(layer)
        x = layer.forward(x)[0]
    return Network(tuple(layers))


def softmax_cross_entropy(logits: Array, labels: NDArray[np.int64]) -> tuple[float, Array]:
    """Mean of -log softmax(logits)[label] over [n, classes], and its gradient by the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(log_probability)
    gradient[rows, labels] -= 1
    return float(-log_probability[rows, labels].mean()), gradient / np.float32(len(labels))


@dataclass(slots=True)
class Adam:
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1."""

    parameters: Sequence[Array]
    decay: tuple[float, float] = (0.9, 0.999)
    steps: int = 0
    means: list[Array] = field(init=False)
    squares: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        self.means = [np.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [np.zeros_like(parameter) for parameter in self.parameters]

    def step(self, gradients: Sequence[Array], rate: float) -> None:
        """Move every parameter in place by its gradient, at learning rate `rate`."""
        self.steps += 1
        first, second = self.decay
        rate *= float(np.sqrt(1 - second**self.steps) / (1 - first**self.steps))
        for parameter, gradient, mean, square in zip(self.parameters, gradients, self.means, self.squares, strict=True):
            mean[...] += (1 - first) * (gradient - mean)
            square[...] += (1 - second) * (gradient * gradient - square)
            parameter[...] -= rate * mean / (np.sqrt(square) + 1e-8)


def _statistics(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel of `x` [..., c], the latter kept above zero."""
    count = np.float32(x.size // x.shape[-1])
    mean = _channel_sums(x) / count
    centred = x - mean
    return mean, np.sqrt(_channel_sums(centred * centred) / count + np.float32(1e-5))


def _channel_sums(x: Array) -> Array:
    """Sum of `x` [..., c] over all but the last axis; as a product, several times faster than `sum`."""
    flat = x.reshape(-1, x.shape[-1])
    return np.ones(len(flat), x.dtype) @ flat


def _padded(x: Array) -> Array:
    """`x` with one pixel of zeros on each side."""
    return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
