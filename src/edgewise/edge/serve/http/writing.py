"""A `Response` of the core, to an answer in JSON with or without binary tensors behind it."""

from typing import Any

import numpy as np
import orjson

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import ModelFailed
from edgewise.edge.serve.http import numbers
from edgewise.edge.serve.http.answers import BINARY, Answer, Piece, head, whole
from edgewise.edge.serve.http.reading import Asked
from edgewise.edge.serve.tensors import Response
from edgewise.runtimes.samples import Array

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_JOINED_BYTES = 16 << 10
"""Smaller tensors are copied into one piece: a system call with many pieces costs more than that."""
_KEPT_HEADS = 64


def answer(response: Response, asked: Asked) -> Answer:
    """The answer to what was `asked`.

    Raises:
        ModelFailed: an output cannot be written as JSON.
    """
    if response.parameters:
        return _anew(response, asked)
    key = (response.model, response.version, *[(name, kind, array.shape) for name, kind, array in response.outputs])
    known = asked.heads.get(key)
    if known is None:
        made = _anew(response, asked)
        if all(kind != "BYTES" and _binary(asked, name) for name, kind, _ in response.outputs):
            if len(asked.heads) >= _KEPT_HEADS:
                asked.heads.clear()
            asked.heads[key] = made.head, made.pieces[0], made.size_bytes
        return made
    begin, said, size_bytes = known
    return Answer(begin, [said, *[raw(array, kind) for _, kind, array in response.outputs]], size_bytes)


def _binary(asked: Asked, name: str) -> bool:
    return asked.binary.get(name, asked.binary_by_default)


def _anew(response: Response, asked: Asked) -> Answer:
    described: list[dict[str, Any]] = []
    pieces: list[Piece] = []
    for name, datatype, array in response.outputs:
        said: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
        if _binary(asked, name):
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
        return whole(200, written)
    size_bytes = len(written) + sum(map(len, pieces))
    lines = b"Inference-Header-Content-Length: %d\r\n" % len(written)
    return Answer(head(200, size_bytes, content_type=BINARY, headers=lines), (written, *pieces), size_bytes)


def raw(array: Array, datatype: str) -> Piece:
    """The tensor's bytes in row-major order, little-endian: its own memory where it is large."""
    if datatype == "BYTES":
        return elements.written_bytes(array)
    if array.nbytes < _JOINED_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).data.cast("B")
