"""BYTES and BF16, the two datatypes that numpy lacks, as they stand in raw tensors.

A BYTES element is its length, 4 bytes little-endian, and then its bytes; elements follow each other in row-major order.
"""

import struct
from collections.abc import Sequence

import numpy as np

from edgewise.edge.serve.faults import BadRequest
from edgewise.runtimes.samples import Array

_LENGTH = struct.Struct("<I")


def read_bytes(content: memoryview, count: int, name: str) -> Array:
    """`count` elements of the tensor `name` as an object array, [count].

    Raises:
        BadRequest: the content is not exactly that many elements.
    """
    elements: list[bytes] = []
    at, end = 0, len(content)
    if count * _LENGTH.size > end:
        raise BadRequest(f"{name!r} has {end} bytes, too few for {count} elements")
    whole, length_at, add = bytes(content), _LENGTH.unpack_from, elements.append
    try:
        for _ in range(count):
            start = at + 4
            at = start + length_at(whole, at)[0]
            add(whole[start:at])
    except struct.error as error:
        raise BadRequest(f"{name!r} ends in the midst of element {len(elements)}") from error
    if at > end:
        raise BadRequest(f"{name!r} ends in the midst of element {count - 1}")
    if at != end:
        raise BadRequest(f"{name!r} has {end - at} bytes after its {count} elements")
    return objects(elements)


def written_bytes(array: Array) -> bytes:
    """Elements of an object array as they stand in a raw tensor; text is written as UTF-8."""
    pieces: list[bytes] = []
    for element in array.ravel():
        content = element if isinstance(element, bytes) else str(element).encode()
        pieces += (_LENGTH.pack(len(content)), content)
    return b"".join(pieces)


def objects(elements: Sequence[bytes]) -> Array:
    """An object array of `elements`, [n]; numpy's own constructor would make fixed-width strings of them."""
    made = np.empty(len(elements), dtype=np.object_)
    made[:] = elements
    return made


def to_bf16(values: Array) -> Array:
    """Bit patterns of `values`, rounded to the nearest, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def from_bf16(patterns: Array) -> Array:
    """The float32 values of bit patterns."""
    return (np.ascontiguousarray(patterns).astype(np.uint32) << 16).view(np.float32)
