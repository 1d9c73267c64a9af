"""The shape and the raw bytes of a tensor, to an array: the same in both skins."""

from collections.abc import Sequence
from math import prod

import numpy as np

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import BadRequest, TooLarge
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.tensors import DTYPES
from edgewise.runtimes.samples import Array


def raw(name: str, datatype: str, shape: tuple[int, ...], content: memoryview, limits: Limits) -> Array:
    """The array of a tensor's bytes: a view, or a copy where the view would not be aligned.

    Raises:
        BadRequest, TooLarge: the bytes are not what datatype and shape say.
    """
    dtype = DTYPES[datatype]
    count = prod(shape)
    if datatype == "BYTES":
        if count > limits.elements:
            raise TooLarge(f"{name!r} has {count} elements, more than {limits.elements}")
        return elements.read_bytes(content, count, name).reshape(shape)
    if count * dtype.itemsize != len(content):
        raise BadRequest(
            f"{name!r} has {len(content)} bytes, {datatype} of shape {list(shape)} takes {count * dtype.itemsize}"
        )
    array: Array = np.ndarray(shape, dtype, content) if count else np.zeros(shape, dtype)
    if not array.flags.aligned:
        array = array.copy()
    if datatype == "BOOL" and count and array.view(np.uint8).max() > 1:
        raise BadRequest(f"{name!r} is BOOL and holds bytes that are neither 0 nor 1")
    return array


def checked_shape(name: str, shape: Sequence[object], limits: Limits) -> tuple[int, ...]:
    """The shape, where it is one: whole numbers, not negative, whose product is no larger than a body can be.

    Raises:
        BadRequest: it is none. TooLarge: it is beyond a limit.
    """
    if len(shape) > limits.rank:
        raise TooLarge(f"{name!r} has {len(shape)} dimensions, more than {limits.rank}")
    found = 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise BadRequest(f"the shape of {name!r} holds {size!r}, which is no size")
        found *= size or 1
        if found > limits.body_bytes:
            raise TooLarge(f"{name!r} has more elements than a body of {limits.body_bytes} bytes can hold")
    return tuple(shape)  # type: ignore[arg-type]  # whole numbers, as just seen
