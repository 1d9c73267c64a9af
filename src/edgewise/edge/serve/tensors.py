"""What is asked and what is answered, whichever protocol carries it: numpy arrays by name.

Datatypes are those of the Open Inference Protocol v2 ("Tensor Data Types"). BYTES are object arrays of bytes; BF16,
which numpy lacks, is held as uint16 bit patterns. Arrays of a request may be read-only views into what came over the
network: nobody writes into them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from edgewise.runtimes.samples import Array

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        "UINT8": np.dtype("<u1"),
        "UINT16": np.dtype("<u2"),
        "UINT32": np.dtype("<u4"),
        "UINT64": np.dtype("<u8"),
        "INT8": np.dtype("<i1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
        "FP16": np.dtype("<f2"),
        "FP32": np.dtype("<f4"),
        "FP64": np.dtype("<f8"),
        "BF16": np.dtype("<u2"),
        "BYTES": np.dtype(np.object_),
    }
)
"""numpy's dtype of every datatype of the protocol."""

DATATYPES: Mapping[np.dtype[Any], str] = MappingProxyType(
    {dtype: name for name, dtype in DTYPES.items() if name != "BF16"}
)
"""The datatype of a numpy dtype; a model's bfloat16 tensors are told apart by their signature."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One inference that a client asks for.

    Attributes:
        version: "" for the newest.
        id: given back as it came; "" where there is none.
        inputs: arrays by name, of the shapes and dtypes that the client says; not yet checked against the model.
        datatypes: of `inputs`, the protocol's.
        outputs: names that are wanted, in this order; empty for all.
        priority: as Triton has it: 1 goes first, 0 is the model's default.
        deadline_s: on the monotonic clock, after which nobody waits for the answer; None for never.
        traceparent: the W3C trace context that it came with; "" where there is none.
    """

    model: str
    version: str = ""
    id: str = ""
    inputs: Mapping[str, Array]
    datatypes: Mapping[str, str]
    outputs: tuple[str, ...] = ()
    priority: int = 0
    deadline_s: float | None = None
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    traceparent: str = ""


@dataclass(slots=True, kw_only=True)
class Response:
    """The answer: outputs in the order asked for, else the model's, with the protocol's datatype of each."""

    model: str
    version: str
    id: str
    outputs: tuple[tuple[str, str, Array], ...]
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)
