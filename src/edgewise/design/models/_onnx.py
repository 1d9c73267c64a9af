"""ONNX models: checked, shapes inferred, every node counted. Nothing is run.

External weights are hashed, never loaded; they must lie inside the model's folder.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError
from onnx import inliner, shape_inference

from edgewise.design.models import _convolutions
from edgewise.design.models._macs import Shape, elements, macs, total
from edgewise.errors import BadModel
from edgewise.nouns import Convolution, Layer, Model, ModelFile, ModelFormat, Signature, Tensor

UNKNOWN_AXIS = "?"
UNKNOWN_RANK: Shape = ("...",)
_DEFAULT_DOMAINS = ("", "ai.onnx")
# Shape inference reads the values of small tensors only (shapes, axes); larger ones are dropped first.
_MOST_ELEMENTS_READ = 1024
_PAYLOADS = (
    "raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data",
)  # fmt: skip


def describe(content: bytes, path: Path, file: ModelFile) -> Model:
    """Describe the ONNX model whose bytes are `content`, read from `path`.

    Raises:
        BadModel: damaged, not ONNX, invalid, or its external data is missing or outside the folder.
    """
    model = _parse(content, path)
    external = _external_files(model, path)
    _check(model, content, path, has_external=bool(external))
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        parameters = Counter[str]()
        for tensor in _tensors(model.graph):
            parameters[_dtype(tensor.data_type)] += _count(tensor)
        _drop_payloads(model)
        return Model(
            name=path.stem,
            format=ModelFormat.ONNX,
            files=(file, *external),
            opset=_opset(model),
            signature=_signature(model, path),
            layers=tuple(_layers(_inferred(model, batch=1).graph, {}, {}, counted=True)),
            parameters_by_dtype=dict(sorted(parameters.items())),
        )
    except (
        DecodeError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        RecursionError,
    ) as problem:
        # A file can satisfy the checker and still contradict itself.
        raise BadModel(
            f"{path} is an ONNX file that contradicts itself: {_sentence(problem)}",
            hint="see whether onnx.checker and onnxruntime load it, and export it again",
        ) from problem


# --- Loading ----------------------------------------------------------------------------------


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError, RecursionError) as problem:
        raise BadModel(
            f"{path} is not a whole ONNX file: its protobuf cannot be parsed",
            hint="copy or export the model again; it may be cut off or of another format",
        ) from problem
    if not model.ir_version or not model.HasField("graph"):
        raise BadModel(f"{path} is not an ONNX model: it holds no graph", hint="export the model again")
    return model


def _check(model: onnx.ModelProto, content: bytes, path: Path, *, has_external: bool) -> None:
    """Run ONNX's checker; mends in `model` what ONNX Runtime takes and the checker does not."""
    try:
        if not model.graph.name or not _outputs_have_shapes(model.graph):
            model.graph.name = model.graph.name or "graph"
            model.graph.CopyFrom(_inferred(model).graph)
            content = model.SerializeToString()
        # Only given a path does the checker find the external data.
        onnx.checker.check_model(str(path) if has_external else content)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as problem:
        raise BadModel(
            f"{path} is not a valid ONNX model: {_sentence(problem)}",
            hint="export it again with an opset that onnxruntime supports",
        ) from problem


def _outputs_have_shapes(graph: onnx.GraphProto) -> bool:
    return all(value.type.tensor_type.HasField("shape") for value in graph.output)


def _sentence(problem: Exception) -> str:
    """First line of a library's message, cut to what fits on a screen."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return lines[0][:300]


def _opset(model: onnx.ModelProto) -> int | None:
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in _DEFAULT_DOMAINS]
    return max(versions, default=None)


# --- External data ----------------------------------------------------------------------------


def _external_files(model: onnx.ModelProto, path: Path) -> tuple[ModelFile, ...]:
    """The files that tensors point into, each once, in the order of their first use."""
    reach: dict[str, int] = {}
    graphs = [model.graph, *model.functions]
    for tensor in (tensor for graph in graphs for tensor in _tensors(graph)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            location = entries.get("location", "")
            try:
                end = int(entries.get("offset", 0)) + int(entries.get("length", 0))
            except ValueError:
                raise BadModel(
                    f"{path} has external data of tensor {tensor.name!r} without a valid offset and length",
                    hint="save the model with its external data again",
                ) from None
            reach[location] = max(end, reach.get(location, 0))
    return tuple(_external_file(location, end, path) for location, end in reach.items())


def _external_file(location: str, end: int, path: Path) -> ModelFile:
    parts = PurePosixPath(location.replace("\\", "/")).parts
    folder = path.parent.resolve()
    inside = (
        parts
        and "\0" not in location
        and ".." not in parts
        and not PurePosixPath(location).is_absolute()
        and not PureWindowsPath(location).anchor
        and (folder / location).resolve().is_relative_to(folder)
    )
    if not inside:
        raise BadModel(
            f"{path} refers to external data outside its folder: {location!r}",
            hint="save the model with its external data beside it",
        )
    try:
        with (folder / location).open("rb") as file:
            if not (folder / location).is_file():
                raise OSError("not a regular file")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size_bytes = file.tell()
    except OSError as problem:
        raise BadModel(
            f"{path} refers to external data {location!r}, which cannot be read: {problem.strerror or problem}",
            hint="copy the model with all its files",
        ) from problem
    if size_bytes < end:
        raise BadModel(
            f"{path} refers to {end} bytes of external data {location!r}, which has {size_bytes}",
            hint="copy the file again; it may be cut off",
        )
    return ModelFile(name=PurePosixPath(location).as_posix(), digest=f"sha256:{digest}", size_bytes=size_bytes)


# --- Signature and shapes ---------------------------------------------------------------------


def _signature(model: onnx.ModelProto, path: Path) -> Signature:
    stored = {tensor.name for tensor in model.graph.initializer}
    return Signature(
        inputs=tuple(_tensor(value, path) for value in model.graph.input if value.name not in stored),
        outputs=tuple(_tensor(value, path) for value in model.graph.output),
    )


def _tensor(value: onnx.ValueInfoProto, path: Path) -> Tensor:
    if value.type.WhichOneof("value") != "tensor_type":
        raise BadModel(
            f"{path} has {value.name!r}, which is no tensor but a sequence, map or optional",
            hint="export it with tensors only (scikit-learn classifiers: zipmap=False)",
        )
    shape = _shape(value.type)
    return Tensor(
        name=value.name,
        dtype=_dtype(value.type.tensor_type.elem_type),
        shape=UNKNOWN_RANK if shape is None else shape,
    )


def _dtype(elem_type: int) -> str:
    return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type).name)


def _shape(kind: onnx.TypeProto) -> Shape | None:
    if not kind.tensor_type.HasField("shape"):
        return None
    return tuple(
        int(axis.dim_value) if axis.HasField("dim_value") and axis.dim_value >= 0
        else str(axis.dim_param) or UNKNOWN_AXIS
        for axis in kind.tensor_type.shape.dim
    )  # fmt: skip


def _inferred(model: onnx.ModelProto, *, batch: int | None = None) -> onnx.ModelProto:
    """A copy with inferred shapes, the dynamic first axis of each input set to `batch`.

    Where inference itself fails, the copy has the shapes that the file states.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if batch is not None:
        _fix_batch(copy.graph, batch)
    for data_prop in (True, False):
        try:
            return shape_inference.infer_shapes(copy, data_prop=data_prop)
        except (shape_inference.InferenceError, RuntimeError, ValueError, IndexError):
            continue
    return copy


def _fix_batch(graph: onnx.GraphProto, batch: int) -> None:
    stored = {tensor.name for tensor in graph.initializer}
    names: set[str] = set()
    for value in graph.input:
        axes = value.type.tensor_type.shape.dim
        if value.name not in stored and axes and not axes[0].HasField("dim_value"):
            names.add(axes[0].dim_param)
            axes[0].dim_value = batch
    names.discard("")
    for value in (*graph.input, *graph.value_info, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_value = batch


# --- Layers and parameters --------------------------------------------------------------------


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers, sparse values, tensors in attributes, and those in subgraphs."""
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
            yield from attribute.tensors
            for inner in _subgraphs(attribute):
                yield from _tensors(inner)


def _subgraphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    return ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs)


def _drop_payloads(model: onnx.ModelProto) -> None:
    for tensor in _tensors(model.graph):
        if _count(tensor) > _MOST_ELEMENTS_READ:
            for field in _PAYLOADS:
                tensor.ClearField(field)
            tensor.raw_data = b""


def _count(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        if size < 0:
            raise ValueError(f"tensor {tensor.name!r} has a negative axis")
        count *= int(size)
    return count


def _layers(
    graph: onnx.GraphProto, outer: dict[str, Shape], outer_sizes: dict[str, int], *, counted: bool
) -> Iterator[Layer]:
    """A layer for each node of `graph` and, after its owner, for each node of a subgraph.

    Args:
        outer: shapes of values that the graph sees from outside.
        outer_sizes: element counts of the initializers that it sees from outside.
        counted: False inside subgraphs, which run an unknown number of times.
    """
    sizes = outer_sizes | {tensor.name: _count(tensor) for tensor in graph.initializer}
    sizes |= {sparse.values.name: _count(sparse.values) for sparse in graph.sparse_initializer}
    shapes = dict(outer)
    for value in (*graph.value_info, *graph.input, *graph.output):
        if (shape := _shape(value.type)) is not None:
            shapes[value.name] = shape
    shapes |= {tensor.name: tuple(int(size) for size in tensor.dims) for tensor in graph.initializer}
    for index, node in enumerate(graph.node):
        owned = {name: sizes[name] for name in node.input if name in sizes}
        subgraphs = [inner for attribute in node.attribute for inner in _subgraphs(attribute)]
        yield _layer(node, index, shapes, owned, counted=counted)
        for inner in subgraphs:
            yield from _layers(inner, shapes, sizes, counted=False)


def _layer(
    node: onnx.NodeProto, index: int, shapes: dict[str, Shape], owned: dict[str, int], *, counted: bool
) -> Layer:
    standard = node.domain in _DEFAULT_DOMAINS
    operator = node.op_type if standard else f"{node.domain}.{node.op_type}"
    inputs = [shapes.get(name) if name else None for name in node.input]
    outputs = [shapes.get(name) if name else None for name in node.output]
    literal = sum(_count(attribute.t) for attribute in node.attribute if attribute.HasField("t"))
    attributes = _attributes(node)
    known = macs(operator, inputs, outputs, attributes) if standard and counted else None
    stored = [name in owned for name in node.input]
    shape = outputs[0] if outputs else None
    return Layer(
        name=node.name or next(iter(node.output), "") or f"{operator}_{index}",
        operator=operator,
        output_shape=UNKNOWN_RANK if shape is None else shape,
        parameters=sum(owned.values()) + literal,
        macs=known,
        read_elements=total(*(elements(shapes.get(name)) for name in node.input if name and name not in owned)),
        written_elements=total(*(elements(shapes.get(name)) for name in node.output if name)),
        convolution=_convolution(operator, inputs, shape, attributes, stored) if standard and counted else None,
    )


def _convolution(
    operator: str,
    inputs: list[Shape | None],
    output: Shape | None,
    attributes: dict[str, object],
    stored: list[bool],
) -> Convolution | None:
    first, second, *_ = (*inputs, None, None)
    match operator:
        case "Conv" | "ConvInteger" | "QLinearConv":
            kernel = inputs[3] if operator == "QLinearConv" else second
            strides, groups = attributes.get("strides", ()), attributes.get("group", 1)
            if kernel is None or not isinstance(strides, tuple) or not isinstance(groups, int):
                return None
            return _convolutions.plane(first, kernel[2:], output, strides=strides, groups=groups)
        case "Gemm":
            inner_axis = 0 if attributes.get("transA") else -1
            return _convolutions.of_matmul(first, second, output, stored=True, inner_axis=inner_axis)
        case "MatMul" | "MatMulInteger" | "QLinearMatMul":
            right = 3 if operator == "QLinearMatMul" else 1
            return _convolutions.of_matmul(first, inputs[right], output, stored=stored[right])
        case _:
            return None


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    """The integers, lists of integers and strings by name: all that counting needs."""
    values: dict[str, object] = {}
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.INT:
            values[attribute.name] = int(attribute.i)
        elif attribute.type == onnx.AttributeProto.INTS:
            values[attribute.name] = tuple(int(value) for value in attribute.ints)
        elif attribute.type == onnx.AttributeProto.STRING:
            values[attribute.name] = attribute.s.decode(errors="replace")
    return values
