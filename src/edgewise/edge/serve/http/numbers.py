"""`data` of a tensor in JSON, to an array and back.

Strict: a number is a number, an integer has none after the point and fits its datatype, truth is true or false. numpy
would take "1", null and 2.7 for an INT8 without a word; `struct` does not, and is three times as fast on lists.
"""

import struct
from collections.abc import Mapping
from itertools import chain
from math import prod
from types import MappingProxyType

import numpy as np
import orjson

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import BadRequest, ModelFailed
from edgewise.edge.serve.tensors import DTYPES
from edgewise.runtimes.samples import Array

_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "UINT8": "B",
        "UINT16": "H",
        "UINT32": "I",
        "UINT64": "Q",
        "INT8": "b",
        "INT16": "h",
        "INT32": "i",
        "INT64": "q",
        "FP16": "e",
        "FP32": "f",
        "FP64": "d",
        "BF16": "f",
    }
)
Json = object


def read(data: list[Json], *, name: str, datatype: str, shape: tuple[int, ...]) -> Array:
    """The array that `data` stands for: flat, or nested as `shape` says.

    Raises:
        BadRequest: it has another number of elements, another nesting, or elements of another kind.
    """
    flat = _flat(data, name, shape)
    if len(flat) != prod(shape):
        raise BadRequest(f"{name!r} has {len(flat)} elements, its shape {list(shape)} wants {prod(shape)}")
    if datatype == "BYTES":
        return _texts(flat, name).reshape(shape)
    if datatype == "BOOL":
        if set(map(type, flat)) - {bool}:
            raise BadRequest(f"{name!r} is BOOL and holds what is neither true nor false")
        return np.array(flat, dtype=np.bool_).reshape(shape)
    return _packed(flat, name, datatype).reshape(shape)


def _flat(data: list[Json], name: str, shape: tuple[int, ...]) -> list[Json]:
    if not data or type(data[0]) is not list:
        return data
    if not shape or len(data) != shape[0]:
        raise BadRequest(f"{name!r} is nested otherwise than its shape {list(shape)} says")
    for size in shape[1:]:
        if set(map(type, data)) != {list} or set(map(len, data)) != {size}:  # type: ignore[arg-type]  # lists, as the first half says
            raise BadRequest(f"{name!r} is nested otherwise than its shape {list(shape)} says")
        data = list(chain.from_iterable(data))  # type: ignore[arg-type]  # as above
        if not data:
            break
    return data


def _packed(flat: list[Json], name: str, datatype: str) -> Array:
    try:
        packed = struct.pack(f"<{len(flat)}{_FORMATS[datatype]}", *flat)
    except (struct.error, OverflowError, TypeError) as error:
        raise BadRequest(f"{name!r} holds what is no {datatype}: {error}") from error
    if datatype == "BF16":
        return elements.to_bf16(np.frombuffer(packed, dtype="<f4"))
    return np.frombuffer(packed, dtype=DTYPES[datatype])


def _texts(flat: list[Json], name: str) -> Array:
    if set(map(type, flat)) - {str}:
        raise BadRequest(f"{name!r} is BYTES and holds what is no text; bytes that are no UTF-8 go as binary data")
    return elements.objects([text.encode() for text in flat])  # type: ignore[attr-defined]  # texts, as just seen


def written(array: Array, datatype: str, name: str) -> Json:
    """What orjson (with OPT_SERIALIZE_NUMPY) writes as the flat data of `array`; NaN and infinities become null.

    Raises:
        ModelFailed: BYTES that are no UTF-8; they can be had as binary data.
    """
    if datatype == "BYTES":
        try:
            return [one.decode() if isinstance(one, bytes) else str(one) for one in array.ravel()]
        except UnicodeDecodeError as error:
            raise ModelFailed(f"{name!r} is no UTF-8 text: ask for it as binary data") from error
    if datatype == "BF16":
        return elements.from_bf16(array).ravel()
    flat = np.ascontiguousarray(array).ravel()
    return flat if flat.dtype.isnative else flat.astype(flat.dtype.newbyteorder("="))


def parse(content: bytes | memoryview, *, elements_limit: int) -> Json:
    """The JSON value.

    What it would become in memory is bounded before it is parsed: by its commas and brackets.

    Raises:
        BadRequest: it is no JSON. TooLarge: it has more elements than that.
    """
    if len(content) > elements_limit // 4:
        whole = bytes(content)
        found = whole.count(b",") + 2 * (whole.count(b"[") + whole.count(b"{"))
        if found > elements_limit:
            raise BadRequest(f"the JSON has more than {elements_limit} elements: send tensors as binary data")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"this is no JSON: {error}") from error
