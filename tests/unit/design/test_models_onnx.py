"""ONNX models: signature, layers, parameters and MACs, against counts made by hand."""

import hashlib
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgewise.design.models import read
from edgewise.errors import BadModel
from edgewise.nouns import Model, ModelFormat
from fakes import models as fakes

Save = Callable[[onnx.ModelProto], Model]


@pytest.fixture
def described(tmp_path: Path) -> Save:
    def save(model: onnx.ModelProto) -> Model:
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return read(path)

    return save


def macs_of(model: Model, operator: str) -> list[int | None]:
    return [layer.macs for layer in model.layers if layer.operator == operator]


def test_an_mlp_is_described_in_full(described: Save, tmp_path: Path) -> None:
    model = described(fakes.mlp())
    content = (tmp_path / "model.onnx").read_bytes()
    assert (model.name, model.format, model.opset) == ("model", ModelFormat.ONNX, 17)
    assert [file.name for file in model.files] == ["model.onnx"]
    assert model.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert model.size_bytes == len(content)
    (x,), (y,) = model.signature.inputs, model.signature.outputs
    assert (x.name, x.dtype, x.shape) == ("x", "float32", (1, 16))
    assert (y.name, y.dtype, y.shape) == ("y", "float32", (1, 4))
    assert model.parameters_by_dtype == {"float32": 16 * 32 + 32 + 32 * 4 + 4}
    assert [(layer.operator, layer.macs) for layer in model.layers] == [
        ("Gemm", 16 * 32),
        ("Relu", 0),
        ("Gemm", 32 * 4),
    ]
    assert model.layers[0].parameters == 16 * 32 + 32
    assert model.layers[0].output_shape == (1, 32)
    assert model.macs == 16 * 32 + 32 * 4


def test_grouped_convolutions_count_their_own_channels(described: Save) -> None:
    model = described(fakes.depthwise(channels=8, size=12))
    pixels = 6 * 6
    assert macs_of(model, "Conv") == [pixels * 8 * 3 * 9, pixels * 8 * 9, pixels * 16 * 8]


def test_matmul_and_gemm_agree(described: Save) -> None:
    model = described(fakes.autoencoder(features=64, code=8))
    assert macs_of(model, "Gemm") == [64 * 16, 8 * 64]
    assert macs_of(model, "MatMul") == [16 * 8]
    assert model.signature.inputs[0].shape == ("batch", 64)


def test_several_inputs_keep_their_order_and_dynamic_axes(described: Save) -> None:
    signature = described(fakes.two_inputs()).signature
    assert [(t.name, t.shape) for t in signature.inputs] == [("image", ("batch", 1, 8, 8)), ("state", ("batch", 4))]
    assert [t.name for t in signature.outputs] == ["score", "features"]


def test_macs_are_counted_at_batch_one(described: Save) -> None:
    model = described(fakes.dynamic_batch(size=10, classes=3))
    assert model.macs == 64 * 6 * 9 + 36 * 8 * 6 * 9 + 3 * 8 * 36
    assert model.layers[0].output_shape == (1, 6, 8, 8)
    assert model.signature.outputs[0].shape == ("batch", 3)


def test_attention_is_counted_through_its_batched_products(described: Save) -> None:
    tokens, width, heads = 6, 16, 2
    model = described(fakes.transformer_block(tokens, width, heads))
    projections = 4 * tokens * width * width
    attention = 2 * tokens * tokens * width
    feed_forward = 2 * tokens * width * 4 * width
    assert model.macs == projections + attention + feed_forward
    assert model.parameters_by_dtype["float32"] == 12 * width * width + 4 * width + 1


@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_cells_count_every_step(described: Save, operator: str, gates: int) -> None:
    steps, features, hidden = 5, 7, 3
    graph = fakes.GraphBuilder(0)
    w, r = graph.weight(2, gates * hidden, features), graph.weight(2, gates * hidden, hidden)
    graph.add(operator, "x", w, r, hidden_size=hidden, direction="bidirectional", output="y")
    model = described(graph.model([("x", (steps, "n", features))], [("y", (steps, 2, "n", hidden))]))
    assert macs_of(model, operator) == [None]  # the batch is not the first axis here: its size is unknown
    graph.nodes[0].input[0] = "x"
    fixed = graph.model([("x", (steps, 1, features))], [("y", (steps, 2, 1, hidden))])
    assert macs_of(described(fixed), operator) == [2 * steps * gates * hidden * (features + hidden)]


def test_transposed_convolution_counts_from_its_input(described: Save) -> None:
    graph = fakes.GraphBuilder(0)
    graph.add("ConvTranspose", "x", graph.weight(4, 6, 3, 3), strides=[2, 2], output="y")
    model = described(graph.model([("x", ("n", 4, 5, 5))], [("y", ("n", 6, 11, 11))]))
    assert model.macs == 4 * 5 * 5 * 6 * 9


def test_gemm_takes_its_inner_axis_from_the_transposed_side(described: Save) -> None:
    graph = fakes.GraphBuilder(0)
    graph.add("Gemm", "x", graph.weight(7, 3), transA=1, output="y")
    assert described(graph.model([("x", (7, 2))], [("y", (2, 3))])).macs == 2 * 7 * 3


@pytest.mark.parametrize(
    ("equation", "expected"), [("bij,bjk->bik", 2 * 3 * 4 * 5), ("bij,bkj", 2 * 3 * 4 * 5), ("...ij,...jk", None)]
)
def test_einsum_counts_plain_equations_only(described: Save, equation: str, expected: int | None) -> None:
    right = (2, 5, 4) if equation.endswith("bkj") else (2, 4, 5)
    graph = fakes.GraphBuilder(0)
    graph.add("Einsum", "x", graph.weight(*right), equation=equation, output="y")
    shape = (3, 5) if equation == "bij,bkj" else (2, 3, 5)
    model = graph.model([("x", (2, 3, 4))], [("y", [None] * len(shape))])
    assert described(model).macs == expected


def test_nodes_inside_subgraphs_are_listed_without_macs(described: Save) -> None:
    def branch(name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3))
        return helper.make_graph([helper.make_node("MatMul", ["x", "w0"], [name])], name, [], [out])

    graph = fakes.GraphBuilder(0)
    graph.weight(4, 3)
    graph.constant(np.array(True))
    graph.add("If", "w1", then_branch=branch("a"), else_branch=branch("b"), output="y")
    model = described(graph.model([("x", (1, 4))], [("y", (1, 3))]))
    assert [layer.operator for layer in model.layers] == ["If", "MatMul", "MatMul"]
    assert [layer.macs for layer in model.layers] == [None, None, None]
    assert model.layers[1].parameters == 12
    assert model.macs is None
    assert model.parameters_by_dtype == {"bool": 1, "float32": 12}


def test_constant_nodes_hold_parameters_and_give_shapes(described: Save) -> None:
    graph = fakes.GraphBuilder(0)
    weight = helper.make_tensor("w", TensorProto.FLOAT, (4, 3), np.ones(12, dtype=np.float32))
    graph.add("MatMul", "x", graph.add("Constant", value=weight), output="y")
    model = described(graph.model([("x", ("n", 4))], [("y", ("n", 3))]))
    assert model.parameters_by_dtype == {"float32": 12}
    assert model.macs == 12


def test_functions_are_counted_where_they_are_called(described: Save) -> None:
    body = [helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["d"])]
    function = helper.make_function("mine", "Dense", ["a", "b"], ["d"], body, [helper.make_opsetid("", 17)])
    graph = fakes.GraphBuilder(0)
    graph.weight(4, 3)
    node = helper.make_node("Dense", ["x", "w0"], ["y"], domain="mine")
    model = graph.model([("x", ("n", 4))], [("x", ("n", 4))])
    model.graph.node.append(node)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 3)))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    assert described(model).macs == 12


def test_foreign_operators_are_named_with_their_domain_and_not_counted(described: Save) -> None:
    model = fakes.mlp()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = described(model)
    assert found.layers[1].operator == "com.microsoft.Gelu"
    assert found.macs is None


def test_unnamed_axes_and_outputs_without_shape(described: Save) -> None:
    model = fakes.dynamic_batch()
    model.graph.input[0].type.tensor_type.shape.dim[0].ClearField("dim_param")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    found = described(model)
    assert found.signature.inputs[0].shape == ("?", 1, 10, 10)
    assert len(found.signature.outputs[0].shape) == 2
    assert found.macs is not None


def test_initializers_that_are_also_inputs_are_no_inputs(described: Save) -> None:
    model = fakes.mlp()
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    assert [tensor.name for tensor in described(model).signature.inputs] == ["x"]


@pytest.mark.parametrize("opset", [7, 9, 13, 21])
def test_old_and_new_opsets(described: Save, opset: int) -> None:
    model = fakes.mlp()
    model.opset_import[0].version = opset
    assert described(model).opset == opset


def test_a_graph_without_a_name_is_taken_as_onnx_runtime_takes_it(described: Save) -> None:
    model = fakes.mlp()
    model.graph.name = ""
    assert described(model).macs == 640


def test_sequences_are_refused(described: Save) -> None:
    model = fakes.mlp()
    graph = model.graph
    graph.node.append(helper.make_node("SequenceConstruct", ["y"], ["s"]))
    graph.output.append(helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None))
    with pytest.raises(BadModel, match="'s', which is no tensor"):
        described(model)


def external(folder: Path, location: str = "weights.bin") -> Path:
    path = folder / "model.onnx"
    onnx.save_model(fakes.mlp(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    if location != "weights.bin":
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            tensor.external_data[0].value = location
        path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_listed_with_its_digest(tmp_path: Path) -> None:
    model = read(external(tmp_path))
    weights = (tmp_path / "weights.bin").read_bytes()
    assert [file.name for file in model.files] == ["model.onnx", "weights.bin"]
    assert model.files[1].digest == f"sha256:{hashlib.sha256(weights).hexdigest()}"
    assert model.files[1].size_bytes == len(weights)
    assert (model.parameters, model.macs) == (676, 640)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "a/../../w", "C:\\w", "..\\w", ""])
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(BadModel, match="outside its folder"):
        read(external(tmp_path, location))


def test_external_data_through_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = external(tmp_path / "in")
    (tmp_path / "in" / "weights.bin").rename(tmp_path / "weights.bin")
    (tmp_path / "in" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(BadModel, match="outside its folder"):
        read(path)


def test_external_data_missing_or_short(tmp_path: Path) -> None:
    path = external(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(BadModel, match=r"which has 5"):
        read(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(BadModel, match="cannot be read"):
        read(path)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=0, max_size=2), st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_a_batched_product_counts_each_of_its_matrices(lead: list[int], m: int, k: int, n: int) -> None:
    from edgewise.design.models._macs import macs

    shape = tuple(lead)
    assert macs("MatMul", [(*shape, m, k), (k, n)], [(*shape, m, n)], {}) == math.prod(shape) * m * k * n


@pytest.mark.parametrize(("name", "macs", "parameters"), [("ic01", 12_501_632, 77_706), ("kws01", 2_656_768, 22_604)])
def test_mlperf_tiny(shared_data: Path, name: str, macs: int, parameters: int) -> None:
    path = shared_data / "mlperf-tiny" / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    model = read(path)
    assert model.macs == macs
    assert model.parameters_by_dtype["float32"] == parameters


def test_a_layer_says_what_it_reads_writes_and_convolves(described: Save) -> None:
    model = described(fakes.depthwise(channels=8, size=12))
    layer = next(layer for layer in model.layers if layer.operator == "Conv" and layer.convolution.groups > 1)  # type: ignore[union-attr]
    shape = layer.convolution
    assert shape is not None
    assert (shape.input_channels, shape.output_channels, shape.groups) == (8, 8, 8)
    assert (shape.kernel_height, shape.kernel_width) == (3, 3)
    assert layer.read_elements == shape.input_height * shape.input_width * 8
    assert layer.written_elements == shape.output_height * shape.output_width * 8


@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([2, 4, 6]),
    groups=st.sampled_from([1, 2]),
    out=st.sampled_from([2, 4]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
)
def test_a_convolution_counts_what_its_layer_does(
    channels: int, groups: int, out: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    weights = np.zeros((out, channels // groups, *kernel), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=list(stride), group=groups)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, 9, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
        (layer,) = read(path).layers
    assert layer.convolution is not None
    assert layer.convolution.macs == layer.macs
    assert (layer.convolution.stride_height, layer.convolution.stride_width) == stride
    assert layer.written_elements == layer.convolution.output_height * layer.convolution.output_width * out


def test_products_become_convolutions_with_a_kernel_of_one(described: Save) -> None:
    dense = described(fakes.mlp()).layers[0].convolution
    assert dense is not None
    assert (dense.output_height, dense.input_channels, dense.output_channels, dense.macs) == (1, 16, 32, 512)
    attention = described(fakes.transformer_block())
    batched = [layer for layer in attention.layers if layer.operator == "MatMul"]
    assert all(layer.convolution is not None and layer.convolution.macs == layer.macs for layer in batched)
