"""The body of an inference request, to a `Request` for the core.

JSON, or JSON with the tensors' bytes behind it (the protocol's binary tensor data extension), or one raw tensor. The
JSON before binary tensors says the same in every request of a client, so what it means is kept for as long as it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from edgewise.edge.serve import elements
from edgewise.edge.serve.faults import BadRequest, TooLarge
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.http import numbers
from edgewise.edge.serve.tensors import DTYPES
from edgewise.nouns import Tensor
from edgewise.runtimes.samples import Array

Parameter = bool | int | float | str
_UNSUPPORTED = ("shared_memory_region", "sequence_id", "sequence_start", "sequence_end", "classification")
_KEPT_PLANS, _KEPT_BYTES = 256, 2048


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


@dataclass(slots=True)
class Reader:
    """Reads bodies within `limits`."""

    limits: Limits
    _kept: dict[bytes, Asked] = field(default_factory=dict)

    def read(self, body: bytes | memoryview, json_size: int | None) -> tuple[Asked, dict[str, Array]]:
        """What is asked, and the inputs by name.

        Args:
            json_size: bytes of JSON before the binary tensors; None where all is JSON.

        Raises:
            BadRequest, TooLarge: the body contradicts itself, or a limit.
        """
        size = len(body) if json_size is None else json_size
        if size > len(body):
            raise BadRequest(f"the JSON has {size} bytes, says its header; the body has {len(body)}")
        asked = self._asked(body if size == len(body) else memoryview(body)[:size], size)
        return asked, arrays(asked.inputs, memoryview(body)[size:], self.limits)

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
    parameters = _parameters(document, "the request")
    inputs = tuple(_input(one, limits) for one in _list(document, "inputs", limits))
    if len({one.name for one in inputs}) != len(inputs):
        raise BadRequest("two inputs have the same name")
    outputs = [(_name(one, "output"), _parameters(one, "an output")) for one in _list(document, "outputs", limits)]
    binary = {name: _flag(said, "binary_data") for name, said in outputs if "binary_data" in said}
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
        binary_by_default=_flag(parameters, "binary_data_output"),
        priority=_whole(parameters, "priority"),
        timeout_us=_whole(parameters, "timeout"),
        parameters=parameters,
    )


def arrays(inputs: Sequence[Input], binary: memoryview, limits: Limits) -> dict[str, Array]:
    """The arrays of `inputs`: views into `binary` where they are aligned there.

    Raises:
        BadRequest, TooLarge: a tensor's bytes or elements are not what its shape says.
    """
    if sum([one.size_bytes for one in inputs if one.data is None]) != len(binary):
        raise BadRequest(
            f"{len(binary)} bytes follow the JSON, its inputs say "
            f"{sum(one.size_bytes for one in inputs if one.data is None)}"
        )
    made: dict[str, Array] = {}
    at = 0
    for one in inputs:
        if one.data is None:
            made[one.name] = raw(one.name, one.datatype, one.shape, binary[at : at + one.size_bytes], limits)
            at += one.size_bytes
        else:
            made[one.name] = numbers.read(one.data, name=one.name, datatype=one.datatype, shape=one.shape)
    return made


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


def _input(one: numbers.Json, limits: Limits) -> Input:
    name = _name(one, "input")
    assert isinstance(one, dict)
    datatype, shape = one.get("datatype"), one.get("shape")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise BadRequest(f"{name!r} has the datatype {datatype!r}; there are {', '.join(DTYPES)}")
    if not isinstance(shape, list):
        raise BadRequest(f"{name!r} has no shape")
    sizes = checked_shape(name, shape, limits)
    parameters = _parameters(one, f"{name!r}")
    if "binary_data_size" not in parameters:
        if "data" not in one:
            raise BadRequest(f"{name!r} has neither data nor binary_data_size")
        if not isinstance(one["data"], list):
            raise BadRequest(f"the data of {name!r} is no array")
        return Input(name=name, datatype=datatype, shape=sizes, size_bytes=0, data=one["data"])
    if "data" in one:
        raise BadRequest(f"{name!r} has both data and binary_data_size")
    return Input(name=name, datatype=datatype, shape=sizes, size_bytes=_whole(parameters, "binary_data_size"))


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
    for name in _UNSUPPORTED:
        if found.get(name):
            raise BadRequest(f"the parameter {name} is not offered")
    return found


def _flag(parameters: Mapping[str, Parameter], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"the parameter {name} is neither true nor false")
    return value


def _whole(parameters: Mapping[str, Parameter], name: str) -> int:
    value = parameters.get(name, 0)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise BadRequest(f"the parameter {name} is no whole number")
    return value
