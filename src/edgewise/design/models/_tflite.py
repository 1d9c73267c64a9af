"""TFLite models, read from the flatbuffer by its own schema. Nothing is run.

A malformed flatbuffer can make the reader raise anything; `describe` turns all of it into `BadModel`.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from edgewise.design.models import _convolutions
from edgewise.design.models._macs import Shape, elements, product, total
from edgewise.errors import BadModel
from edgewise.nouns import Convolution, Layer, Model, ModelFile, ModelFormat, Signature, Tensor

UNKNOWN_AXIS = "?"
# A hostile file can let many operators share one long list of inputs; real ones stay far below this.
_MOST_OPERANDS = 1_000_000


def _names_of(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATORS = _names_of(schema.BuiltinOperator)
_DTYPES = {number: name.lower() for number, name in _names_of(schema.TensorType).items()}
_ITEM_BITS = {
    "float64": 64, "int64": 64, "uint64": 64, "complex64": 64, "complex128": 128,
    "float32": 32, "int32": 32, "uint32": 32, "float16": 16, "bfloat16": 16, "int16": 16, "uint16": 16,
    "int8": 8, "uint8": 8, "bool": 8, "int4": 4, "uint4": 4, "int2": 2,
}  # fmt: skip
# Operators that multiply and accumulate in a way that is not counted here, or that run other subgraphs.
_UNCOUNTED = frozenset({
    "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CALL", "CALL_ONCE", "CONV_3D_TRANSPOSE",
    "CUSTOM", "DELEGATE", "EMBEDDING_LOOKUP_SPARSE", "IF", "LSTM", "RFFT2D", "RNN", "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "WHILE",
})  # fmt: skip


def describe(content: bytes, name: str, file: ModelFile) -> Model:
    """Describe the TFLite model whose bytes are `content`.

    Raises:
        BadModel: the flatbuffer is damaged.
    """
    try:
        model = schema.Model.GetRootAs(content, 0)
        graphs = [_Graph.of(model, index) for index in range(model.SubgraphsLength())]
        if not graphs:
            raise ValueError("it holds no graph")
        parameters = Counter[str]()
        for value in (value for graph in graphs for value in graph.values if value.constant):
            parameters[value.dtype] += math.prod(value.stored_shape)
        return Model(
            name=name,
            format=ModelFormat.TFLITE,
            files=(file,),
            opset=None,
            signature=_signature(model, graphs[0]),
            layers=tuple(_layers(model, graphs)),
            parameters_by_dtype=dict(sorted(parameters.items())),
        )
    except Exception as problem:
        detail = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
        raise BadModel(
            f"{file.name} is a damaged TFLite file: {detail}",
            hint="copy or convert the model again; it may be cut off",
        ) from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A tensor of a subgraph. `shape` has dynamic axes as "?", a dynamic first axis (the batch) as 1."""

    name: str
    dtype: str
    shape: Shape | None
    declared: Shape
    stored_shape: tuple[int, ...]
    constant: bool
    quantised: bool

    @classmethod
    def of(cls, tensor: schema.Tensor, buffer_bytes: int | None) -> "_Value":
        """Args: the table, and how many bytes its buffer holds (None: in another file)."""
        stored = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
        signature = tuple(tensor.ShapeSignature(axis) for axis in range(tensor.ShapeSignatureLength()))
        if len(signature) != len(stored):
            signature = stored
        declared = tuple(UNKNOWN_AXIS if axis < 0 else axis for axis in signature)
        shape: Shape = (1, *declared[1:]) if declared[:1] == (UNKNOWN_AXIS,) else declared
        name = (tensor.Name() or b"").decode(errors="replace")
        value = cls(
            name=name,
            dtype=_DTYPES[tensor.Type()],
            # Rank 0 without HasRank means that the rank is unknown, or a scalar.
            shape=shape if stored or tensor.HasRank() else None,
            declared=declared,
            stored_shape=stored,
            constant=buffer_bytes is None or buffer_bytes > 0,
            quantised=_is_quantised(tensor),
        )
        if buffer_bytes and tensor.Sparsity() is None:
            value._refuse_unless_it_fits(buffer_bytes)
        return value

    def _refuse_unless_it_fits(self, buffer_bytes: int) -> None:
        bits = _ITEM_BITS.get(self.dtype)
        needed = math.prod(self.stored_shape) * (bits or 0)
        if min(self.stored_shape, default=0) < 0 or (bits and needed > buffer_bytes * 8):
            raise ValueError(f"tensor {self.name!r} does not fit its {buffer_bytes} bytes")


def _is_quantised(tensor: schema.Tensor) -> bool:
    parameters = tensor.Quantization()
    return parameters is not None and parameters.ScaleLength() == 1 and parameters.Scale(0) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    table: schema.SubGraph
    values: tuple[_Value, ...]

    @classmethod
    def of(cls, model: schema.Model, index: int) -> "_Graph":
        table = model.Subgraphs(index)
        tensors = (table.Tensors(number) for number in range(table.TensorsLength()))
        return cls(
            table=table,
            values=tuple(_Value.of(tensor, _buffer_bytes(model, tensor)) for tensor in tensors),
        )

    def value(self, index: int) -> _Value | None:
        """The tensor called `index`; None for -1, an optional input that is left out."""
        if index == -1:
            return None
        if not 0 <= index < len(self.values):
            raise ValueError(f"there is no tensor {index}")
        return self.values[index]


def _buffer_bytes(model: schema.Model, tensor: schema.Tensor) -> int | None:
    """Size of the constant behind `tensor`; 0 for one that is computed, None for one outside the file."""
    if tensor.ExternalBuffer():
        return None
    if not 0 <= tensor.Buffer() < model.BuffersLength():
        raise ValueError(f"there is no buffer {tensor.Buffer()}")
    buffer = model.Buffers(tensor.Buffer())
    if buffer.Offset() > 1:  # the bytes follow the flatbuffer
        return int(buffer.Size())
    return len(buffer.DataAsNumpy()) if buffer.DataLength() else 0


# --- Signature --------------------------------------------------------------------------------


def _signature(model: schema.Model, graph: _Graph) -> Signature:
    input_names, output_names = _signature_names(model)
    table = graph.table
    return Signature(
        inputs=tuple(_tensor(graph, table.Inputs(index), input_names) for index in range(table.InputsLength())),
        outputs=tuple(_tensor(graph, table.Outputs(index), output_names) for index in range(table.OutputsLength())),
    )


def _tensor(graph: _Graph, index: int, names: dict[int, str]) -> Tensor:
    value = graph.value(index)
    if value is None:
        raise ValueError("an input or output is left out")
    return Tensor(name=names.get(index, value.name), dtype=value.dtype, shape=value.declared, quantised=value.quantised)


def _signature_names(model: schema.Model) -> tuple[dict[int, str], dict[int, str]]:
    """Names by tensor index that the first SignatureDef of the main subgraph gives, if there is one."""
    for index in range(model.SignatureDefsLength()):
        table = model.SignatureDefs(index)
        if table.SubgraphIndex() == 0:
            inputs = [table.Inputs(number) for number in range(table.InputsLength())]
            outputs = [table.Outputs(number) for number in range(table.OutputsLength())]
            return _by_index(inputs), _by_index(outputs)
    return {}, {}


def _by_index(entries: list[schema.TensorMap]) -> dict[int, str]:
    return {entry.TensorIndex(): entry.Name().decode(errors="replace") for entry in entries if entry.Name()}


# --- Layers -----------------------------------------------------------------------------------


def _layers(model: schema.Model, graphs: list[_Graph]) -> Iterator[Layer]:
    """Layers of every subgraph; only those of the main one have MACs, the others run as often as called."""
    operands = 0
    for number, graph in enumerate(graphs):
        for index in range(graph.table.OperatorsLength()):
            operator = graph.table.Operators(index)
            operands += operator.InputsLength() + operator.OutputsLength()
            if operands > _MOST_OPERANDS:
                raise ValueError(f"it has more than {_MOST_OPERANDS} operands")
            yield _layer(model, graph, operator, index, counted=number == 0)


def _layer(model: schema.Model, graph: _Graph, operator: schema.Operator, index: int, *, counted: bool) -> Layer:
    inputs = [graph.value(operator.Inputs(number)) for number in range(operator.InputsLength())]
    outputs = [graph.value(operator.Outputs(number)) for number in range(operator.OutputsLength())]
    kind, shown = _operator_name(model, operator.OpcodeIndex())
    out = outputs[0] if outputs else None
    return Layer(
        name=out.name if out and out.name else f"{kind}_{index}",
        operator=shown,
        output_shape=("...",) if out is None or out.shape is None else out.shape,
        parameters=sum(math.prod(value.stored_shape) for value in inputs if value and value.constant),
        macs=_macs(kind, [value.shape if value else None for value in inputs], out, operator) if counted else None,
        read_elements=total(*(elements(value.shape) for value in inputs if value and not value.constant)),
        written_elements=total(*(elements(value.shape) for value in outputs if value)),
        convolution=_convolution(kind, inputs, out.shape if out else None, operator) if counted else None,
    )


def _convolution(
    kind: str, inputs: list[_Value | None], output: Shape | None, operator: schema.Operator
) -> Convolution | None:
    image, weights = (value.shape if value else None for value in (*inputs, None, None)[:2])
    match kind:
        case "CONV_2D" if image and weights:
            strides = _strides(operator, schema.Conv2DOptions())
            all_in, of_group = image[-1], weights[-1]  # weights [out, height, width, in / groups]
            groups = all_in // of_group if isinstance(all_in, int) and isinstance(of_group, int) and of_group else 1
            kernel = weights[1:-1]
            return _convolutions.plane(image, kernel, output, strides=strides, groups=groups, channels_last=True)
        case "DEPTHWISE_CONV_2D" if image and weights and isinstance(image[-1], int):
            strides = _strides(operator, schema.DepthwiseConv2DOptions())
            kernel = weights[1:-1]
            return _convolutions.plane(image, kernel, output, strides=strides, groups=image[-1], channels_last=True)
        case "FULLY_CONNECTED" if weights and len(weights) == 2:  # [out, in]
            columns, inner = elements(weights[:1]), elements(weights[1:])
            outputs = elements(output)
            return _convolutions.product(outputs // columns if outputs and columns else None, inner, columns)
        case "BATCH_MATMUL":
            axis = -2 if _transposed(operator) else -1
            stored = inputs[1] is not None and inputs[1].constant
            return _convolutions.of_matmul(image, weights, output, stored=stored, inner_axis=axis)
        case _:
            return None


def _strides(
    operator: schema.Operator, options: schema.Conv2DOptions | schema.DepthwiseConv2DOptions
) -> tuple[int, int]:
    table = operator.BuiltinOptions()
    if table is None:
        return 1, 1
    options.Init(table.Bytes, table.Pos)
    return int(options.StrideH()), int(options.StrideW())


def _operator_name(model: schema.Model, index: int) -> tuple[str, str]:
    """The builtin operator, and as shown to people ("CUSTOM:name" for custom ones)."""
    if not 0 <= index < model.OperatorCodesLength():
        raise ValueError(f"there is no operator code {index}")
    code = model.OperatorCodes(index)
    # Codes below 127 may be in the deprecated field only (schema.fbs).
    kind = _OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    if kind == "CUSTOM":
        return kind, f"CUSTOM:{(code.CustomCode() or b'').decode(errors='replace')}"
    return kind, kind


def _macs(kind: str, inputs: list[Shape | None], output: _Value | None, operator: schema.Operator) -> int | None:
    """MACs of one operator; weight layouts are those of TFLite's kernels (see each line)."""
    first, second, third = (*inputs, None, None, None)[:3]
    out = elements(output.shape) if output and output.shape is not None else None
    match kind:
        case "CONV_2D" | "FULLY_CONNECTED":  # [out, ..., in / groups]
            return product(out, elements(second[1:]) if second else None)
        case "DEPTHWISE_CONV_2D":  # [1, height, width, out]
            return product(out, elements(second[:-1]) if second else None)
        case "CONV_3D":  # [depth, height, width, in, out]
            return product(out, elements(second[:-1]) if second else None)
        case "TRANSPOSE_CONV":  # inputs: output shape, weights [out, height, width, in], activations
            return product(elements(third), elements(second[:-1]) if second else None)
        case "BATCH_MATMUL":
            return product(out, _inner_axis(first, operator))
        case _:
            return None if kind in _UNCOUNTED or kind.startswith("STABLEHLO_") else 0


def _inner_axis(first: Shape | None, operator: schema.Operator) -> int | None:
    """Length of the axis that BATCH_MATMUL sums over: the last of the left operand, unless transposed."""
    if first is None or len(first) < 2:
        return None
    return elements(first[-2:-1] if _transposed(operator) else first[-1:])


def _transposed(operator: schema.Operator) -> bool:
    """Whether BATCH_MATMUL transposes its left operand."""
    options = schema.BatchMatMulOptions()
    table = operator.BuiltinOptions()
    if table is None:
        return False
    options.Init(table.Bytes, table.Pos)
    return bool(options.AdjX())
