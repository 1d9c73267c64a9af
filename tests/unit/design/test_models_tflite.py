"""TFLite models: described from the flatbuffer, agreeing with ONNX on the same network."""

import hashlib
from collections import Counter
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.design.models import read
from edgewise.errors import BadModel
from edgewise.nouns import Model, ModelFormat

FLOAT, INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8


class Builder:
    """One subgraph, one operator after the other, through the schema's own object interface."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
        self.model = schema.ModelT(
            version=3,
            operatorCodes=[],
            subgraphs=[self.graph],
            buffers=[schema.BufferT()],
            signatureDefs=[],
        )

    def tensor(self, name: str, shape: tuple[int, ...], data: bytes | None = None, *, dtype: int = FLOAT) -> int:
        buffer = 0
        if data is not None:
            buffer = len(self.model.buffers)
            self.model.buffers.append(schema.BufferT(data=np.frombuffer(data, dtype=np.uint8)))
        stored = [abs(axis) for axis in shape]
        self.graph.tensors.append(
            schema.TensorT(name=name, shape=stored, shapeSignature=list(shape), type=dtype, buffer=buffer)
        )
        return len(self.graph.tensors) - 1

    def weight(self, *shape: int) -> int:
        return self.tensor("w", shape, np.ones(shape, dtype=np.float32).tobytes())

    def add(self, builtin: int, inputs: list[int], output: int, **options: object) -> None:
        self.model.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=builtin, deprecatedBuiltinCode=min(builtin, 127), version=1)
        )
        operator = schema.OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1, inputs=inputs, outputs=[output], **options
        )
        self.graph.operators.append(operator)

    def content(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def described(folder: Path, content: bytes) -> Model:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return read(path)


def one_operator(builtin: int, tensors: list[tuple[int, ...]], out: tuple[int, ...], weights: tuple[int, ...]) -> bytes:
    """A file with one operator; `weights` tells which of its inputs are constants."""
    builder = Builder()
    indices = [
        builder.weight(*shape) if index in weights else builder.tensor(f"x{index}", shape)
        for index, shape in enumerate(tensors)
    ]
    output = builder.tensor("y", out)
    builder.add(builtin, indices, output)
    return builder.content([index for index in indices if index not in weights], [output])


@pytest.mark.parametrize(
    ("operator", "tensors", "out", "weights", "macs"),
    [
        ("CONV_2D", [(-1, 8, 8, 4), (6, 3, 3, 4)], (-1, 8, 8, 6), (1,), 64 * 6 * 9 * 4),
        ("CONV_2D", [(-1, 8, 8, 4), (6, 3, 3, 2)], (-1, 8, 8, 6), (1,), 64 * 6 * 9 * 2),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 8)], (1, 8, 8, 8), (1,), 64 * 8 * 9),
        ("FULLY_CONNECTED", [(-1, 20), (5, 20)], (-1, 5), (1,), 100),
        ("FULLY_CONNECTED", [(1, 7, 20), (5, 20)], (1, 7, 5), (1,), 700),
        ("TRANSPOSE_CONV", [(4,), (6, 3, 3, 4), (1, 5, 5, 4)], (1, 11, 11, 6), (1,), 25 * 4 * 6 * 9),
        ("BATCH_MATMUL", [(1, 2, 3, 4), (1, 2, 4, 5)], (1, 2, 3, 5), (), 2 * 3 * 4 * 5),
        ("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 5)], (1, 4, 4, 4, 5), (1,), 64 * 5 * 27 * 2),
        ("ADD", [(1, 4), (1, 4)], (1, 4), (), 0),
        ("SVDF", [(1, 4), (1, 4)], (1, 4), (), None),
        ("FULLY_CONNECTED", [(1, -1, 20), (5, 20)], (1, -1, 5), (1,), None),
    ],
)
def test_macs(
    tmp_path: Path,
    operator: str,
    tensors: list[tuple[int, ...]],
    out: tuple[int, ...],
    weights: tuple[int, ...],
    macs: int | None,
) -> None:
    content = one_operator(getattr(schema.BuiltinOperator, operator), tensors, out, weights)
    model = described(tmp_path, content)
    assert [(layer.operator, layer.macs) for layer in model.layers] == [(operator, macs)]
    assert model.format is ModelFormat.TFLITE
    assert model.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_transposed_left_operand_gives_its_other_axis(tmp_path: Path) -> None:
    builder = Builder()
    x, y, out = builder.tensor("x", (1, 4, 3)), builder.tensor("y", (1, 4, 5)), builder.tensor("z", (1, 3, 5))
    builder.add(
        schema.BuiltinOperator.BATCH_MATMUL,
        [x, y],
        out,
        builtinOptions=schema.BatchMatMulOptionsT(adjX=True),
        builtinOptionsType=schema.BuiltinOptions.BatchMatMulOptions,
    )
    assert described(tmp_path, builder.content([x, y], [out])).macs == 3 * 4 * 5


def test_signature_definitions_give_the_names(tmp_path: Path) -> None:
    builder = Builder()
    x, out = builder.tensor("serving_default_x:0", (-1, 4)), builder.tensor("PartitionedCall:0", (-1, 4))
    builder.add(schema.BuiltinOperator.RELU, [x], out)
    builder.model.signatureDefs.append(
        schema.SignatureDefT(
            inputs=[schema.TensorMapT(name="x", tensorIndex=x)],
            outputs=[schema.TensorMapT(name="y", tensorIndex=out)],
            signatureKey="serving_default",
        )
    )
    signature = described(tmp_path, builder.content([x], [out])).signature
    assert [(t.name, t.shape) for t in signature.inputs] == [("x", ("?", 4))]
    assert [(t.name, t.shape) for t in signature.outputs] == [("y", ("?", 4))]


def test_optional_inputs_and_custom_operators(tmp_path: Path) -> None:
    builder = Builder()
    x, out = builder.tensor("x", (1, 4), dtype=INT8), builder.tensor("y", (1, 2), dtype=INT8)
    weight = builder.tensor("w", (2, 4), bytes(8), dtype=INT8)
    builder.add(schema.BuiltinOperator.FULLY_CONNECTED, [x, weight, -1], out)
    builder.add(schema.BuiltinOperator.CUSTOM, [out], out)
    builder.model.operatorCodes[1].customCode = "Mine"
    model = described(tmp_path, builder.content([x], [out]))
    assert [layer.operator for layer in model.layers] == ["FULLY_CONNECTED", "CUSTOM:Mine"]
    assert [layer.macs for layer in model.layers] == [8, None]
    assert model.parameters_by_dtype == {"int8": 8}
    assert model.signature.inputs[0].dtype == "int8"


def test_a_tensor_larger_than_its_buffer_is_refused(tmp_path: Path) -> None:
    builder = Builder()
    x = builder.tensor("x", (1, 4))
    weight = builder.tensor("w", (1000, 1000), bytes(8))
    out = builder.tensor("y", (1, 2))
    builder.add(schema.BuiltinOperator.FULLY_CONNECTED, [x, weight], out)
    with pytest.raises(BadModel, match="does not fit its 8 bytes"):
        described(tmp_path, builder.content([x], [out]))


@pytest.mark.parametrize("name", ["ic01", "kws01"])
@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_mlperf_tiny_agrees_with_onnx(shared_data: Path, name: str, kind: str) -> None:
    folder = shared_data / "mlperf-tiny"
    paths = folder / f"{name}_{kind}.tflite", folder / f"{name}.onnx"
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path.name} is not here")
    tflite, onnx = (read(path) for path in paths)
    assert tflite.macs == onnx.macs
    weights = tflite.parameters_by_dtype
    main = "float32" if kind == "fp32" else "int8"
    assert tflite.signature.inputs[0].dtype == main
    assert tflite.signature.inputs[0].shape[1:] == onnx.signature.inputs[0].shape[1:]
    assert max(weights, key=lambda dtype: weights[dtype]) == main
    shapes = 2  # the operand of Reshape
    assert tflite.parameters - shapes == onnx.parameters_by_dtype["float32"]
    products = [Counter(layer.convolution for layer in model.layers if layer.macs) for model in (tflite, onnx)]
    assert products[0] == products[1]


WHOLE = one_operator(schema.BuiltinOperator.CONV_2D, [(-1, 8, 8, 4), (6, 3, 3, 4)], (-1, 8, 8, 6), (1,))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(8, len(WHOLE) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(8, len(WHOLE)),
)
def test_damage_is_a_bad_model_or_still_a_model(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(WHOLE)
    for position, value in flips:
        content[position] = value
    try:
        described(tmp_path, bytes(content[:cut]))
    except BadModel as error:
        assert "\n" not in error.message  # noqa: PT017 - either outcome is fine
