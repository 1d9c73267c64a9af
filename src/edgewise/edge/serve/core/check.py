"""Whether a request fits its model (pure): inputs in the model's order, or the sentence that says what is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.edge.serve.faults import BadRequest
from edgewise.edge.serve.tensors import DATATYPES, DTYPES, Request
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Signature, Tensor

UNKNOWN_RANK = ("...",)


class Check:
    """What a model wants of a request, worked out once.

    Args:
        even: every input must have as many rows as the first, for rows of several requests run together.
    """

    def __init__(self, signature: Signature, *, even: bool = False) -> None:
        self._inputs = [(tensor, tensor.name, datatype(tensor)) for tensor in signature.inputs]
        self._names = [tensor.name for tensor in signature.inputs]
        self._outputs = [tensor.name for tensor in signature.outputs]
        self._even = even
        self._passed: tuple[object, object, list[tuple[int, ...]]] | None = None

    def inputs(self, request: Request) -> list[Array]:
        """Inputs of `request` in the model's order, C-contiguous and of the model's dtypes.

        Raises:
            BadRequest: they do not fit.
        """
        given = request.inputs
        passed = self._passed
        if (
            passed is not None
            and request.datatypes is passed[0]
            and request.outputs is passed[1]
            and [array.shape for array in given.values()] == passed[2]
        ):  # the same words of the same client with other numbers: what was said has been checked
            found = list(map(given.__getitem__, self._names))
            if all(array.flags.c_contiguous for array in found):
                return found
        if len(given) != len(self._inputs):
            raise self._misnamed(request)
        found = []
        sizes: dict[str, int] = {}
        for tensor, name, wanted in self._inputs:
            array = given.get(name)
            if array is None:
                raise self._misnamed(request)
            if request.datatypes[name] != wanted:
                raise BadRequest(f"the input {name} takes {wanted}, and got {request.datatypes[name]}")
            _shape(array.shape, tensor, sizes)
            found.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
        if self._even and any(len(array) != len(found[0]) for array in found):
            rows = ", ".join(str(len(array)) for array in found)
            raise BadRequest(f"the inputs of {request.model} must have equally many rows, and have {rows}")
        for name in request.outputs:
            if name not in self._outputs:
                known = ", ".join(self._outputs)
                raise BadRequest(f"the model {request.model} has no output {name!r}; its outputs are {known}")
        self._passed = request.datatypes, request.outputs, [array.shape for array in given.values()]
        return found

    def _misnamed(self, request: Request) -> BadRequest:
        wanted = ", ".join(self._names)
        got = ", ".join(request.inputs) or "none"
        return BadRequest(f"the model {request.model} takes the inputs {wanted}, and got {got}")


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
