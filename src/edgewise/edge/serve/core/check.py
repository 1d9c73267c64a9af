"""Whether a request fits its model (pure): inputs in the model's order, or the sentence that says what is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.edge.serve.faults import BadRequest
from edgewise.edge.serve.tensors import DATATYPES, DTYPES, Request
from edgewise.nouns import Signature, Tensor
from edgewise.runtimes.samples import Array

UNKNOWN_RANK = ("...",)


def inputs(request: Request, signature: Signature) -> list[Array]:
    """Inputs of `request` in the model's order, C-contiguous and of the model's dtypes.

    Raises:
        BadRequest: they do not fit.
    """
    given = request.inputs
    if len(given) != len(signature.inputs):
        raise _names(request, signature)
    found = []
    sizes: dict[str, int] = {}
    for tensor in signature.inputs:
        array = given.get(tensor.name)
        if array is None:
            raise _names(request, signature)
        _datatype(request.datatypes[tensor.name], tensor)
        _shape(array.shape, tensor, sizes)
        found.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
    for name in request.outputs:
        if not any(name == tensor.name for tensor in signature.outputs):
            known = ", ".join(tensor.name for tensor in signature.outputs)
            raise BadRequest(f"the model {request.model} has no output {name!r}; its outputs are {known}")
    return found


def _names(request: Request, signature: Signature) -> BadRequest:
    wanted = ", ".join(tensor.name for tensor in signature.inputs)
    return BadRequest(
        f"the model {request.model} takes the inputs {wanted}, and got {', '.join(request.inputs) or 'none'}"
    )


def _datatype(given: str, tensor: Tensor) -> None:
    if given != datatype(tensor):
        raise BadRequest(f"the input {tensor.name} takes {datatype(tensor)}, and got {given}")


def datatype(tensor: Tensor) -> str:
    """The protocol's datatype of a tensor of a model."""
    if tensor.dtype == "bfloat16":
        return "BF16"
    if tensor.dtype in ("object", "bytes", "str", "string"):
        return "BYTES"
    return DATATYPES[np.dtype(tensor.dtype)]


def answered(array: Array, tensor: Tensor) -> str:
    """The protocol's datatype of an output as the runtime gave it."""
    if tensor.dtype == "bfloat16" and array.dtype == DTYPES["BF16"]:
        return "BF16"
    dtype: np.dtype[Any] = array.dtype
    return "BYTES" if dtype.kind in "OSU" else DATATYPES[dtype]


def _shape(given: Sequence[int], tensor: Tensor, sizes: dict[str, int]) -> None:
    wanted = tensor.shape
    if wanted == UNKNOWN_RANK:
        return
    fits = len(given) == len(wanted)
    if fits:
        for size, axis in zip(given, wanted, strict=True):
            if isinstance(axis, int):
                fits = fits and size == axis
            elif axis != "?" and sizes.setdefault(axis, size) != size:
                raise BadRequest(
                    f"the axis {axis} of the input {tensor.name} has the size {size}, and it was {sizes[axis]} before"
                )
    if not fits:
        shown = ", ".join(map(str, wanted))
        raise BadRequest(f"the input {tensor.name} takes the shape [{shown}], and got {list(given)}")
    if 0 in given:
        raise BadRequest(f"the input {tensor.name} has the shape {list(given)}, without any value")
