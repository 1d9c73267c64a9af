"""What a model asks of a systolic array: its multiplying layers as matrix products, as arrays. Pure.

A convolution of one group is the product [pixels, window] x [window, filters]: a row for each output pixel, a column
for each filter (im2col). Groups run one after the other, so that a depthwise convolution is one channel at a time:
one filter wide, it leaves all but one column of the array idle (all but one row where inputs stay put). Slow, and
true of these dataflows. Padding takes time like data, as zeros are multiplied, but is not fetched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from edgewise.design.systolic.template import Integers
from edgewise.nouns import Convolution, Layer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """The layers of a model that multiply; every array is [1, layers].

    Attributes:
        names: of the layers.
        left_out: layers that multiply in a way, or to an extent, that is not known here.
        pixels, window, filters: of one group: output pixels, products behind an output, output channels.
        groups: how often that is done.
        inputs: input elements of one group that any window touches.
        row_inputs: those of one row of the input; input_rows: how many such rows.
        output_width, stride, kernel: along the height, except for the first.
    """

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    pixels: Integers
    window: Integers
    filters: Integers
    groups: Integers
    inputs: Integers
    row_inputs: Integers
    input_rows: Integers
    output_width: Integers
    stride: Integers
    kernel: Integers

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> Self:
        """The work of `layers`, in their order."""
        known = [(layer.name, layer.convolution) for layer in layers if layer.convolution and layer.convolution.macs]
        facts = np.array([_facts(convolution) for _, convolution in known], np.int64).reshape(len(known), len(_FACTS))
        columns = {name: facts[:, index][None, :] for index, name in enumerate(_FACTS)}
        missing = [layer.name for layer in layers if layer.convolution is None and layer.macs != 0]
        return cls(names=tuple(name for name, _ in known), left_out=tuple(missing), **columns)

    @property
    def macs(self) -> Integers:
        """Multiply-accumulates of each layer, [1, layers]."""
        return np.asarray(self.pixels * self.window * self.filters * self.groups, np.int64)

    @property
    def compulsory(self) -> Integers:
        """Words that any accelerator moves: each input and weight read once, each output written once, [1, layers]."""
        words = self.inputs + self.window * self.filters + self.pixels * self.filters
        return np.asarray(words * self.groups, np.int64)


_FACTS = (
    "pixels", "window", "filters", "groups", "inputs", "row_inputs", "input_rows", "output_width", "stride", "kernel",
)  # fmt: skip


def _facts(shape: Convolution) -> tuple[int, ...]:
    channels = shape.input_channels // shape.groups
    height = _touched(shape.input_height, shape.output_height, shape.kernel_height, shape.stride_height)
    width = _touched(shape.input_width, shape.output_width, shape.kernel_width, shape.stride_width)
    return (
        shape.output_height * shape.output_width,
        shape.kernel_height * shape.kernel_width * channels,
        shape.output_channels // shape.groups,
        shape.groups,
        height * width * channels,
        width * channels,
        height,
        shape.output_width,
        shape.stride_height,
        shape.kernel_height,
    )


def _touched(size: int, outputs: int, kernel: int, stride: int) -> int:
    """Positions of an axis that lie under any window: the union of `outputs` intervals, without padding."""
    return min(size, outputs * kernel if stride > kernel else (outputs - 1) * stride + kernel)
