"""The body of an inference request, to a `Request` for the core.

JSON, or JSON with the tensors' bytes behind it (the protocol's binary tensor data extension), or one raw tensor. The
JSON before binary tensors says the same in every request of a client, so what it means is kept for as long as it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from edgewise.edge.serve import parameters, payload
from edgewise.edge.serve.faults import BadRequest, TooLarge
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.http import numbers
from edgewise.edge.serve.http.answers import Piece
from edgewise.edge.serve.parameters import Parameter
from edgewise.edge.serve.tensors import DTYPES
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Tensor

_KEPT_PLANS, _KEPT_BYTES = 256, 2048
_CHECKED = ("BYTES", "BOOL")
"""Datatypes whose bytes must be looked at one by one."""

Place = tuple[str, np.dtype[Any], tuple[int, ...], int]
"""Name, dtype and shape of an input, and where it begins in the binary part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What the JSON says of one input: its elements in `data`, or `size_bytes` of the binary part."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    size_bytes: int
    data: list[numbers.Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the JSON of a request says.

    Attributes:
        binary: of each output, whether it is wanted as binary data; `binary_by_default` for those that are not there.
        timeout_us: 0 for as long as it takes.
        places: where every input is plain numbers in the binary part; else None.
        binary_bytes: the binary part that `places` need.
        heads: what answers to it began with, by what they depend on; written and read by `writing.py`.
    """

    id: str
    inputs: tuple[Input, ...]
    datatypes: Mapping[str, str]
    outputs: tuple[str, ...]
    binary: Mapping[str, bool]
    binary_by_default: bool
    priority: int
    timeout_us: int
    parameters: Mapping[str, Parameter]
    places: tuple[Place, ...] | None = None
    binary_bytes: int = 0
    heads: "dict[Any, tuple[bytes, Piece, int]]" = field(default_factory=dict)


@dataclass(slots=True)
class Reader:
    """Reads bodies within `limits`."""

    limits: Limits
    _kept: dict[bytes, Asked] = field(default_factory=dict)

    def asked(self, body: bytes | memoryview, json_size: int | None) -> Asked:
        """What the JSON of `body` asks.

        Args:
            json_size: bytes of JSON before the binary tensors; None where all is JSON.

        Raises:
            BadRequest, TooLarge: it is not as the protocol has it, or beyond a limit.
        """
        size = len(body) if json_size is None else json_size
        if size > len(body):
            raise BadRequest(f"the JSON has {size} bytes, says its header; the body has {len(body)}")
        return self._asked(body if size == len(body) else memoryview(body)[:size], size)

    def arrays(self, asked: Asked, body: bytes | memoryview, json_size: int | None) -> dict[str, Array]:
        """The inputs by name; as `asked`."""
        size = len(body) if json_size is None else json_size
        return arrays(asked, memoryview(body)[size:], self.limits)

    def _asked(self, content: bytes | memoryview, size: int) -> Asked:
        if size > self.limits.json_bytes:
            raise TooLarge(
                f"the JSON has {size} bytes, more than {self.limits.json_bytes}: send tensors as binary data"
            )
        key = bytes(content) if size <= _KEPT_BYTES else b""
        asked = self._kept.get(key)
        if asked is None:
            asked = understood(numbers.parse(key or content, elements_limit=self.limits.elements), self.limits)
            if key and all(one.data is None for one in asked.inputs):
                if len(self._kept) >= _KEPT_PLANS:
                    self._kept.clear()
                self._kept[key] = asked
        return asked


def understood(document: numbers.Json, limits: Limits) -> Asked:
    """What the parsed JSON of a request means.

    Raises:
        BadRequest: it is not as the protocol has it. TooLarge: too many tensors.
    """
    if not isinstance(document, dict):
        raise BadRequest("the request is no JSON object")
    said = _parameters(document, "the request")
    inputs = tuple(_input(one, limits) for one in _list(document, "inputs", limits))
    if len({one.name for one in inputs}) != len(inputs):
        raise BadRequest("two inputs have the same name")
    outputs = [(_name(one, "output"), _parameters(one, "an output")) for one in _list(document, "outputs", limits)]
    binary = {name: parameters.flag(one, "binary_data") for name, one in outputs if "binary_data" in one}
    if len({name for name, _ in outputs}) != len(outputs):
        raise BadRequest("two outputs have the same name")
    given = document.get("id", "")
    if not isinstance(given, str):
        raise BadRequest("the id is no text")
    return Asked(
        id=given,
        inputs=inputs,
        datatypes={one.name: one.datatype for one in inputs},
        outputs=tuple(name for name, _ in outputs),
        binary=binary,
        binary_by_default=parameters.flag(said, "binary_data_output"),
        priority=parameters.whole(said, "priority"),
        timeout_us=parameters.whole(said, "timeout"),
        parameters=said,
        places=_places(inputs),
        binary_bytes=sum(one.size_bytes for one in inputs),
    )


def _places(inputs: Sequence[Input]) -> tuple[Place, ...] | None:
    """Where the arrays of `inputs` are, if that follows from what is said alone."""
    found: list[Place] = []
    at = 0
    for one in inputs:
        dtype = DTYPES[one.datatype]
        if one.data is not None or one.datatype in _CHECKED or not one.size_bytes:
            return None
        if prod(one.shape) * dtype.itemsize != one.size_bytes:
            return None
        found.append((one.name, dtype, one.shape, at))
        at += one.size_bytes
    return tuple(found)


def arrays(asked: Asked, binary: memoryview, limits: Limits) -> dict[str, Array]:
    """The arrays that are `asked` about: views into `binary` where they are aligned there.

    Raises:
        BadRequest, TooLarge: a tensor's bytes or elements are not what its shape says.
    """
    if asked.places is not None and len(binary) == asked.binary_bytes:
        found = {}
        for name, dtype, shape, at in asked.places:
            array: Array = np.ndarray(shape, dtype, binary, at)
            found[name] = array if array.flags.aligned else array.copy()
        return found
    inputs = asked.inputs
    said = sum([one.size_bytes for one in inputs])
    if said != len(binary):
        raise BadRequest(f"{len(binary)} bytes follow the JSON, its inputs say {said}")
    made: dict[str, Array] = {}
    at = 0
    for one in inputs:
        if one.data is None:
            made[one.name] = payload.raw(one.name, one.datatype, one.shape, binary[at : at + one.size_bytes], limits)
            at += one.size_bytes
        else:
            made[one.name] = numbers.read(one.data, name=one.name, datatype=one.datatype, shape=one.shape)
    return made


def whole_body(body: bytes | memoryview, inputs: Sequence[Tensor], datatypes: Sequence[str]) -> Asked:
    """What a raw request asks: the body is the only input of the model, all outputs go back as binary data.

    Raises:
        BadRequest: the model has several inputs, or a shape that the size does not tell.
    """
    if len(inputs) != 1:
        raise BadRequest(f"a body without JSON is one tensor, and the model has {len(inputs)} inputs")
    tensor, datatype = inputs[0], datatypes[0]
    unknown = [index for index, size in enumerate(tensor.shape) if isinstance(size, str)]
    known = prod(size for size in tensor.shape if isinstance(size, int))
    size_bytes = len(body)
    if datatype == "BYTES":
        raise BadRequest("a body without JSON cannot be BYTES here: say the shape in JSON")
    row_bytes = known * DTYPES[datatype].itemsize
    if len(unknown) > 1 or tensor.shape == ("...",) or not row_bytes or (unknown and size_bytes % row_bytes):
        raise BadRequest(f"the shape of {tensor.name!r} does not follow from {size_bytes} bytes: say it in JSON")
    shape = tuple(size if isinstance(size, int) else size_bytes // row_bytes for size in tensor.shape)
    return Asked(
        id="",
        inputs=(Input(name=tensor.name, datatype=datatype, shape=shape, size_bytes=size_bytes),),
        datatypes={tensor.name: datatype},
        outputs=(),
        binary={},
        binary_by_default=True,
        priority=0,
        timeout_us=0,
        parameters={},
    )


def _input(one: numbers.Json, limits: Limits) -> Input:
    name = _name(one, "input")
    assert isinstance(one, dict)
    datatype, shape = one.get("datatype"), one.get("shape")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise BadRequest(f"{name!r} has the datatype {datatype!r}; there are {', '.join(DTYPES)}")
    if not isinstance(shape, list):
        raise BadRequest(f"{name!r} has no shape")
    sizes = payload.checked_shape(name, shape, limits)
    said = _parameters(one, f"{name!r}")
    if "binary_data_size" not in said:
        if "data" not in one:
            raise BadRequest(f"{name!r} has neither data nor binary_data_size")
        if not isinstance(one["data"], list):
            raise BadRequest(f"the data of {name!r} is no array")
        return Input(name=name, datatype=datatype, shape=sizes, size_bytes=0, data=one["data"])
    if "data" in one:
        raise BadRequest(f"{name!r} has both data and binary_data_size")
    return Input(name=name, datatype=datatype, shape=sizes, size_bytes=parameters.whole(said, "binary_data_size"))


def _list(document: Mapping[str, numbers.Json], field_name: str, limits: Limits) -> list[numbers.Json]:
    found = document.get(field_name, [])
    if not isinstance(found, list):
        raise BadRequest(f"{field_name} is no array")
    if len(found) > limits.tensors:
        raise TooLarge(f"{len(found)} {field_name} are more than {limits.tensors}")
    return found


def _name(one: numbers.Json, what: str) -> str:
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest(f"an {what} has no name")
    return name


def _parameters(one: numbers.Json, what: str) -> dict[str, Parameter]:
    assert isinstance(one, dict)
    found = one.get("parameters", {})
    if not isinstance(found, dict) or not all(isinstance(value, bool | int | float | str) for value in found.values()):
        raise BadRequest(f"the parameters of {what} are no object of numbers, texts and truth values")
    parameters.check(found)
    return found
