"""A `Response` of the core to the bytes of a ModelInferResponse, and faults to the codes of gRPC."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import (
    BadRequest,
    DeadlineExceeded,
    Fault,
    ModelFailed,
    NoMemory,
    NotReady,
    Overloaded,
    TooLarge,
    Unauthenticated,
    UnknownModel,
)
from edgewise.edge.serve.grpc import codes, descriptors, wire
from edgewise.edge.serve.grpc.reading import CONTENTS
from edgewise.edge.serve.parameters import Parameter
from edgewise.edge.serve.tensors import Response
from edgewise.runtimes.samples import Array

ModelInferResponse = descriptors.of("ModelInferResponse")
_ERROR_MESSAGE, _INFER_RESPONSE = 1, 2
CODES: Mapping[type[Fault], int] = MappingProxyType(
    {
        BadRequest: codes.INVALID_ARGUMENT,
        Unauthenticated: codes.UNAUTHENTICATED,
        UnknownModel: codes.NOT_FOUND,
        TooLarge: codes.RESOURCE_EXHAUSTED,
        Overloaded: codes.RESOURCE_EXHAUSTED,
        ModelFailed: codes.INTERNAL,
        NotReady: codes.UNAVAILABLE,
        DeadlineExceeded: codes.DEADLINE_EXCEEDED,
        NoMemory: codes.RESOURCE_EXHAUSTED,
    }
)


def code(fault: Fault) -> int:
    """The status code of gRPC for the kind of `fault`."""
    return next((CODES[kind] for kind in type(fault).__mro__ if kind in CODES), codes.INTERNAL)


def trailers(fault: Fault) -> tuple[tuple[str, str], ...]:
    """When to come back, as gRPC's own retries read it, and as HTTP has it."""
    if fault.retry_after_s is None:
        return ()
    milliseconds = max(1, math.ceil(fault.retry_after_s * 1e3))
    return ("grpc-retry-pushback-ms", str(milliseconds)), ("retry-after", str(max(1, math.ceil(fault.retry_after_s))))


def written(response: Response, *, raw: bool) -> bytes:
    """The bytes of the answer, its tensors raw or typed."""
    message = ModelInferResponse(model_name=response.model, model_version=response.version, id=response.id)
    raw = raw or any(datatype not in CONTENTS for _, datatype, _ in response.outputs)
    tensors: list[wire.Piece] = []
    for name, datatype, array in response.outputs:
        output = message.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            tensors.append(_raw(array, datatype))
        else:
            values = array.ravel().tolist()
            if datatype == "BYTES":
                values = [one if isinstance(one, bytes) else str(one).encode() for one in values]
            getattr(output.contents, CONTENTS[datatype]).extend(values)
    for key, value in response.parameters.items():
        _set(message.parameters[key], value)
    return wire.joined(message.SerializeToString(), tensors)


def streamed(response: bytes) -> bytes:
    """A ModelStreamInferResponse with the bytes of a ModelInferResponse."""
    return wire.length_delimited(_INFER_RESPONSE, len(response)) + response


def streamed_fault(fault: Fault, identity: str) -> bytes:
    """A ModelStreamInferResponse that says what went wrong, and with which request."""
    message = fault.message.encode()
    response = ModelInferResponse(id=identity).SerializeToString()
    return wire.length_delimited(_ERROR_MESSAGE, len(message)) + message + streamed(response)


def _raw(array: Array, datatype: str) -> wire.Piece:
    if datatype == "BYTES":
        return elements.written_bytes(array)
    return array.tobytes() if array.nbytes < 1 << 14 or not array.size else np.ascontiguousarray(array).data.cast("B")


def _set(into: Any, value: Parameter) -> None:
    match value:
        case bool():
            into.bool_param = value
        case int():
            into.int64_param = value
        case float():
            into.double_param = value
        case str():
            into.string_param = value
