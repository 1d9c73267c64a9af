"""A TFLite file as plain values: its tensors and operators in the order in which they run.

A malformed flatbuffer can make the reader raise anything; `read` turns all of it into `BadModel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgewise.errors import BadModel

Array = npt.NDArray[Any]

_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.BOOL: np.bool_,
}
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A tensor.

    Attributes:
        scales: float32 [channels] or [1]; empty where it is not quantised.
        zeros: int64, likewise.
        data: its values where it is constant, else None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scales: npt.NDArray[np.float32]
    zeros: npt.NDArray[np.int64]
    data: Array | None

    @property
    def scale(self) -> np.float32:
        """The only scale of an activation."""
        return np.float32(self.scales[0])

    @property
    def zero(self) -> int:
        """The only zero point of an activation."""
        return int(self.zeros[0])

    @property
    def quantised(self) -> bool:
        """True where integers stand for real numbers."""
        return bool(len(self.scales))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operator: TFLite's name for it, its options by their names, and its tensors by position (-1: none)."""

    name: str
    options: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The first subgraph of a file."""

    operands: tuple[Operand, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(content: bytes) -> Graph:
    """The graph of the TFLite file whose bytes are `content`.

    Raises:
        BadModel: the file is damaged, or has tensors of a type that is not known here.
    """
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        graph = model.subgraphs[0]
        made = Graph(
            operands=tuple(_operand(tensor, model) for tensor in graph.tensors),
            operations=tuple(_operation(operator, model) for operator in graph.operators),
            inputs=tuple(int(index) for index in graph.inputs),
            outputs=tuple(int(index) for index in graph.outputs),
        )
        _check_positions(made)
        return made
    except Exception as error:  # what a damaged flatbuffer raises has no common class
        raise BadModel(
            f"the TFLite file cannot be read: {type(error).__name__}: {error}", hint="export it again"
        ) from error


def _check_positions(graph: Graph) -> None:
    """See that every tensor is there when it is needed; raises ValueError."""
    known = {-1, *graph.inputs} | {index for index, operand in enumerate(graph.operands) if operand.data is not None}
    for operation in graph.operations:
        if not operation.inputs or not operation.outputs or not known.issuperset(operation.inputs):
            raise ValueError(f"{operation.name} has no inputs or no outputs, or runs before what it needs")
        known.update(operation.outputs)
    if not known.issuperset(graph.outputs) or not all(-1 <= index < len(graph.operands) for index in known):
        raise ValueError("it names tensors that nothing computes")


def _operand(tensor: Any, model: Any) -> Operand:
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    dtype = np.dtype(_DTYPES[tensor.type])
    stored = model.buffers[tensor.buffer].data
    quantisation = tensor.quantization
    scales = None if quantisation is None else quantisation.scale
    zeros = None if quantisation is None else quantisation.zeroPoint
    found = np.zeros(0, np.float32) if scales is None else np.asarray(scales, dtype=np.float32)
    constant = stored is not None and len(stored)
    return Operand(
        name=(tensor.name or b"").decode(errors="replace"),
        shape=shape,
        dtype=dtype,
        scales=found,
        zeros=np.zeros(len(found), np.int64) if zeros is None else np.asarray(zeros, dtype=np.int64),
        data=np.asarray(stored, dtype=np.uint8).view(dtype).reshape(shape) if constant else None,
    )


def _operation(operator: Any, model: Any) -> Operation:
    code = model.operatorCodes[operator.opcodeIndex]
    return Operation(
        name=_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)],
        options={} if operator.builtinOptions is None else vars(operator.builtinOptions),
        inputs=tuple(int(index) for index in operator.inputs),
        outputs=tuple(int(index) for index in operator.outputs),
    )
