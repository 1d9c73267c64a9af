"""A ModelInferRequest to a `Request` for the core, with raw or typed tensors."""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from edgewise.edge.serve import elements, parameters, payload
from edgewise.edge.serve.faults import BadRequest, TooLarge
from edgewise.edge.serve.grpc import descriptors, wire
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.parameters import Parameter
from edgewise.edge.serve.tensors import DTYPES, Request
from edgewise.runtimes.samples import Array

ModelInferRequest = descriptors.of("ModelInferRequest")
CONTENTS: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        "BYTES": "bytes_contents",
    }
)
"""Where the typed elements of a datatype stand; FP16 and BF16 have only the raw form."""


def read(content: bytes, limits: Limits) -> tuple[Request, bool]:
    """The request, without a deadline, and whether its tensors came raw (then so do those of the answer).

    Raises:
        BadRequest, TooLarge: it contradicts itself, or a limit.
    """
    head, raw = wire.split(content, limits)
    try:
        message = ModelInferRequest.FromString(head)
    except DecodeError as error:
        raise BadRequest("this is no ModelInferRequest") from error
    given = message.inputs
    if len(given) > limits.tensors or len(message.outputs) > limits.tensors:
        raise TooLarge(f"{len(given)} inputs and {len(message.outputs)} outputs are more than {limits.tensors}")
    if raw and len(raw) != len(given):
        raise BadRequest(f"{len(raw)} raw tensors came for {len(given)} inputs")
    arrays: dict[str, Array] = {}
    datatypes: dict[str, str] = {}
    for index, one in enumerate(given):
        name = one.name
        if not name or name in arrays:
            raise BadRequest("an input has no name, or that of another one")
        arrays[name] = _array(one, raw[index] if raw else None, limits)
        datatypes[name] = one.datatype
    outputs = tuple([one.name for one in message.outputs])
    if len(set(outputs)) != len(outputs):
        raise BadRequest("two outputs have the same name")
    for one in message.outputs:
        _said(one.parameters)
    said = _said(message.parameters)
    request = Request(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        inputs=arrays,
        datatypes=datatypes,
        outputs=outputs,
        priority=parameters.whole(said, "priority") if said else 0,
        parameters=said,
    )
    return request, bool(raw)


def _array(given: Any, raw: memoryview | None, limits: Limits) -> Array:
    name, datatype = given.name, given.datatype
    if datatype not in DTYPES:
        raise BadRequest(f"{name!r} has the datatype {datatype!r}; there are {', '.join(DTYPES)}")
    if len(given.shape) > limits.rank:
        raise TooLarge(f"{name!r} has {len(given.shape)} dimensions, more than {limits.rank}")
    shape = payload.checked_shape(name, list(given.shape), limits)
    _said(given.parameters)
    if raw is None:
        return _typed(given.contents, name, datatype, shape)
    if given.HasField("contents"):
        raise BadRequest(f"{name!r} has both contents and raw contents")
    return payload.raw(name, datatype, shape, raw, limits)


def _typed(contents: Any, name: str, datatype: str, shape: tuple[int, ...]) -> Array:
    if datatype not in CONTENTS:
        raise BadRequest(f"{name!r} is {datatype}, which has only the raw form")
    values = getattr(contents, CONTENTS[datatype])
    filled = [field.name for field, _ in contents.ListFields() if field.name != CONTENTS[datatype]]
    if filled:
        raise BadRequest(f"{name!r} is {datatype} and has {', '.join(filled)}")
    if len(values) != prod(shape):
        raise BadRequest(f"{name!r} has {len(values)} elements, its shape {list(shape)} wants {prod(shape)}")
    if datatype == "BYTES":
        return elements.objects(list(values)).reshape(shape)
    wanted = DTYPES[datatype]
    array: Array = np.array(values, dtype=np.int64 if wanted.itemsize < 8 and wanted.kind in "iu" else wanted)
    if array.dtype != wanted:
        bounds = np.iinfo(wanted)
        if array.size and (array.min() < bounds.min or array.max() > bounds.max):
            raise BadRequest(f"{name!r} holds what is no {datatype}")
        array = array.astype(wanted)
    return array.reshape(shape)


def _said(given: Any) -> dict[str, Parameter]:
    if not given:
        return {}
    found: dict[str, Parameter] = {}
    for key, value in given.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is not None:
            found[key] = getattr(value, choice)
    parameters.check(found)
    return found
