"""A `Response` of the core, to an answer in JSON with or without binary tensors behind it."""

from typing import Any

import numpy as np
import orjson

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import ModelFailed
from edgewise.edge.serve.http import numbers
from edgewise.edge.serve.http.answers import BINARY, Answer, Piece
from edgewise.edge.serve.http.reading import Asked
from edgewise.edge.serve.tensors import Response
from edgewise.runtimes.samples import Array

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_JOINED_BYTES = 16 << 10
"""Smaller tensors are copied into one piece: a system call with many pieces costs more than that."""


def answer(response: Response, asked: Asked) -> Answer:
    """The answer to what was `asked`.

    Raises:
        ModelFailed: an output cannot be written as JSON.
    """
    described: list[dict[str, Any]] = []
    pieces: list[Piece] = []
    for name, datatype, array in response.outputs:
        said: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
        if asked.binary.get(name, asked.binary_by_default):
            content = raw(array, datatype)
            said["parameters"] = {"binary_data_size": len(content)}
            pieces.append(content)
        else:
            said["data"] = numbers.written(array, datatype, name)
        described.append(said)
    document: dict[str, Any] = {"model_name": response.model, "model_version": response.version}
    if response.id:
        document["id"] = response.id
    if response.parameters:
        document["parameters"] = response.parameters
    document["outputs"] = described
    try:
        written = orjson.dumps(document, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise ModelFailed(f"the answer cannot be written as JSON: {error}") from error
    if not pieces:
        return Answer(200, (written,))
    return Answer(
        200,
        (written, *pieces),
        content_type=BINARY,
        headers=b"Inference-Header-Content-Length: %d\r\n" % len(written),
    )


def raw(array: Array, datatype: str) -> Piece:
    """The tensor's bytes in row-major order, little-endian: its own memory where it is large."""
    if datatype == "BYTES":
        return elements.written_bytes(array)
    if array.nbytes < _JOINED_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).data.cast("B")
