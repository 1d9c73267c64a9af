"""What an operator multiplies and accumulates, as a `Convolution`. Pure.

Only what shapes state is used; None stands for whatever is not known or is no convolution over a plane: dynamic
axes, a third dimension, recurrent and attention operators. Formulas follow from the operators' definitions in the
ONNX specification and in TFLite's schema.
"""

import math
from collections.abc import Sequence

from edgewise.design.models._macs import Shape
from edgewise.nouns import Convolution


def plane(
    image: Shape | None,
    kernel: Shape | None,
    output: Shape | None,
    *,
    strides: Sequence[int] = (),
    groups: int = 1,
    channels_last: bool = False,
) -> Convolution | None:
    """A convolution over one or two spatial axes; one axis becomes the height.

    Args:
        image, output: [batch, channels, *space], with `channels_last` [batch, *space, channels]; the batch is one.
        kernel: the spatial sizes.
        strides: one for each spatial axis; all one where empty.
    """
    if image is None or kernel is None or output is None or not 1 <= len(kernel) <= 2:
        return None
    image, output = (_channels_first(shape, channels_last) for shape in (image, output))
    if len(image) != len(kernel) + 2 or len(output) != len(image) or (strides and len(strides) != len(kernel)):
        return None
    sizes = [*image[1:], *output[1:], *kernel]
    if not all(isinstance(size, int) for size in sizes):
        return None
    height, width = _two(image[2:])
    rows, columns = _two(output[2:])
    tall, wide = _two(kernel)
    down, across = _two(tuple(strides) or (1,) * len(kernel))
    return Convolution(
        input_height=height,
        input_width=width,
        input_channels=int(image[1]),
        output_height=rows,
        output_width=columns,
        output_channels=int(output[1]),
        kernel_height=tall,
        kernel_width=wide,
        stride_height=down,
        stride_width=across,
        groups=groups,
    )


def product(rows: int | None, inner: int | None, columns: int | None, batch: int | None = 1) -> Convolution | None:
    """A matrix product [rows, inner] x [inner, columns], `batch` times with a right side of its own."""
    if rows is None or inner is None or columns is None or batch is None:
        return None
    return Convolution(
        input_height=rows,
        input_width=1,
        input_channels=inner * batch,
        output_height=rows,
        output_width=1,
        output_channels=columns * batch,
        kernel_height=1,
        kernel_width=1,
        groups=batch,
    )


def of_matmul(
    left: Shape | None, right: Shape | None, output: Shape | None, *, stored: bool, inner_axis: int = -1
) -> Convolution | None:
    """The product of two tensors, numpy's way: leading axes are a batch where the right side has them too.

    Args:
        stored: the right side is a weight; one without leading axes serves all rows.
        inner_axis: the axis of `left` that is summed over.
    """
    if left is None or right is None or output is None or not left or not right:
        return None
    if not all(isinstance(size, int) for size in (*left, *right, *output)):
        return None
    inner, all_outputs = int(left[inner_axis]), math.prod(int(size) for size in output)
    columns = 1 if len(right) == 1 else int(output[-1]) if output else 1
    if stored and len(right) <= 2:
        return product(all_outputs // columns if columns else 0, inner, columns)
    batch = math.prod(int(size) for size in output[:-2])
    rows = all_outputs // (columns * batch) if columns and batch else 0
    return product(rows, inner, columns, batch)


def _channels_first(shape: Shape, channels_last: bool) -> Shape:
    return (shape[0], shape[-1], *shape[1:-1]) if channels_last and len(shape) > 2 else shape


def _two(sizes: Sequence[int | str]) -> tuple[int, int]:
    first, second = (*sizes, 1)[:2]
    return int(first), int(second)
