"""The emulation against ONNX Runtime's own kernels on an emulated Haswell, which has no VNNI."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgewise.design.numerics import _int8_operators, predict_without_vnni
from edgewise.design.numerics.vpmaddubsw import exact_matmul
from edgewise.design.numerics.without_vnni import fused
from edgewise.design.variants import onnx_int8
from edgewise.design.variants.made import Material
from edgewise.errors import BadModel
from edgewise.nouns import RuntimeName
from edgewise.runtimes.child import Child
from edgewise.runtimes.samples import read_arrays, write_arrays
from fakes import models as fakes_models
from fakes import saturating
from fakes.needed import missing

Array = npt.NDArray[Any]
Predict = Callable[..., list[Array]]

HASWELL = ("qemu-x86_64", "-cpu", "Haswell")
SECONDS = 300.0
ENOUGH = 0.99
"""Share of predictions that must agree. They all do; the last bit of a float is allowed to differ."""


class Real:
    """ONNX Runtime under an emulator of a CPU without VNNI; one child for all tests."""

    def __init__(self, child: Child, folder: Path) -> None:
        self._child = child
        self._folder = folder

    def predict(self, model: onnx.ModelProto, x: Array, *, rows: int = 1, graph: str = "all") -> list[Array]:
        """Outputs for the samples `x` [n, …], `rows` of them an inference."""
        path, inputs, outputs = (self._folder / name for name in ("model.onnx", "inputs.npz", "outputs.npz"))
        onnx.save(model, path)
        write_arrays(inputs, [x])
        self._child.call(
            "load", timeout_s=SECONDS, runtime=RuntimeName.ONNXRUNTIME.value, path=str(path), threads=1,
            options={"graph": graph}, inputs=str(inputs), batched=True, batch=rows, limit=None,
        )  # fmt: skip
        self._child.call("predict", timeout_s=SECONDS, outputs=str(outputs))
        return read_arrays(outputs)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    if not shutil.which(HASWELL[0]):
        missing(f"{HASWELL[0]} (Debian: qemu-user)")
    with Child("edgewise.runtimes.worker", name="ONNX Runtime on Haswell", prefix=HASWELL) as child:
        child.call("prepare", timeout_s=SECONDS, runtime=RuntimeName.ONNXRUNTIME.value)
        yield Real(child, tmp_path_factory.mktemp("haswell"))


def emulated(model: onnx.ModelProto, x: Array, *, rows: int = 1) -> list[Array]:
    inferences = [[x[start : start + rows]] for start in range(0, len(x), rows)]
    return predict_without_vnni(model, inferences, rows=rows)


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> Predict:
    """The same emulation with products that never saturate."""

    def predict(model: onnx.ModelProto, x: Array, *, rows: int = 1) -> list[Array]:
        with monkeypatch.context() as patch:
            patch.setattr(_int8_operators, "saturating_matmul", exact_matmul)
            return emulated(model, x, rows=rows)

    return predict


# --- Single operators, to the last bit --------------------------------------------------------

SATURATING: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv": lambda: saturating.conv(16, 16),
    "conv, 3 channels": lambda: saturating.conv(3, 16),
    "conv, 5 to 7 channels": lambda: saturating.conv(5, 7),
    "conv, 130 channels": lambda: saturating.conv(130, 20),
    "conv, pointwise": lambda: saturating.conv(64, 64, (1, 1)),
    "conv, pointwise and strided": lambda: saturating.conv(16, 16, (1, 1), strides=[2, 2]),
    "conv, strided": lambda: saturating.conv(16, 16, strides=[2, 2], pads=[0, 0, 1, 1]),
    "conv, dilated": lambda: saturating.conv(8, 16, dilations=[2, 1], pads=[2, 1, 2, 1]),
    "conv, 1 by 5": lambda: saturating.conv(8, 16, (1, 5)),
    "conv, same padding": lambda: saturating.conv(8, 16, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, weights with a zero point": lambda: saturating.conv(16, 16, weight_zero=7),
    "conv, two groups": lambda: saturating.conv(8, 16, group=2),
    "conv, odd groups": lambda: saturating.conv(6, 10, group=2),
    "conv, depth multiplier 2": lambda: saturating.conv(8, 16, group=8),
    "matmul": lambda: saturating.matmul("QLinearMatMul", (7, 33), 40),
    "matmul, one row": lambda: saturating.matmul("QLinearMatMul", (1, 65), 12),
    "matmul, long": lambda: saturating.matmul("QLinearMatMul", (3, 1001), 33),
    "matmul, weights with a zero point": lambda: saturating.matmul("QLinearMatMul", (7, 33), 40, weight_zero=5),
    "gemm": lambda: saturating.matmul("QGemm", (7, 33), 40),
    "matmul integer": lambda: saturating.matmul("MatMulInteger", (7, 33), 40),
    "matmul integer to float": lambda: saturating.matmul("MatMulIntegerToFloat", (7, 33), 40),
    "dynamic": lambda: saturating.matmul("DynamicQuantizeMatMul", (7, 64), 20),
}
EXACT: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv, depthwise": lambda: saturating.conv(16, 16, group=16),
    "conv, depthwise 5 by 5": lambda: saturating.conv(12, 12, (5, 5), group=12),
    "conv, depthwise with a zero point": lambda: saturating.conv(16, 16, group=16, weight_zero=7),
    "conv, unsigned weights": lambda: saturating.conv(16, 16, unsigned=True, weight_zero=128),
    "conv, signed activations": lambda: saturating.conv(16, 16, dtype=np.int8),
    "matmul, signed activations": lambda: saturating.matmul("QLinearMatMul", (7, 33), 40, dtype=np.int8),
}


REAL_MODELS = [("kws01", (49, 10, 1), 0.0, 5.0), ("ic01", (32, 32, 3), 120.0, 60.0)]


def inputs_of(model: onnx.ModelProto, inferences: int) -> tuple[Array, int]:
    """Samples [n, …] for a model with one input, and how many rows an inference takes."""
    tensor = model.graph.input[0].type.tensor_type
    rows, *shape = [axis.dim_value or 1 for axis in tensor.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    random = np.random.default_rng(7)
    if dtype == np.float32:
        return random.uniform(-0.5, 2, (inferences * rows, *shape)).astype(np.float32), rows
    return saturating.bright(random, (inferences * rows, *shape), dtype.type), rows


@pytest.mark.parametrize("name", [*SATURATING, *EXACT])
def test_an_operator_answers_as_the_real_kernel_does(name: str, real: Real, exactly: Predict) -> None:
    model = (SATURATING | EXACT)[name]()
    x, rows = inputs_of(model, 3)
    mine, theirs = emulated(model, x, rows=rows)[0], real.predict(model, x, rows=rows)[0]
    assert mine.dtype == theirs.dtype
    if mine.dtype.kind == "f":
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    else:
        np.testing.assert_array_equal(mine, theirs)
    assert (mine == exactly(model, x, rows=rows)[0]).all() == (name in EXACT)


# --- Whole models: prediction by prediction, and layer by layer -------------------------------


def quantised(model: onnx.ModelProto, x: Array, folder: Path, *, activations: str, reduced: bool) -> onnx.ModelProto:
    """`model` as our own static recipe makes it."""
    source, target = folder / "model.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    material = Material(samples=[[row[None]] for row in x], y=None, metric="accuracy", project=folder, scratch=folder)
    settings = {"activations": activations, "reduced": reduced, "per_channel": True, "calibration": "minmax"}
    onnx_int8.quantise(onnx_int8.prepared(source, material), target, settings, material)
    return onnx.load(target)


def fields(count: int, shape: tuple[int, int, int], middle: float, spread: float) -> Array:
    """Inputs [count, h, w, c] with offsets of rows, columns and channels, as spectrograms and pictures have them."""
    random = np.random.default_rng(10)
    height, width, channels = shape
    parts = ((height, 1, channels), (1, width, channels), (height, width, 1))
    field = sum(random.normal(size=(count, *part)) for part in parts)
    return (middle + spread * random.uniform(0.2, 1, (count, 1, 1, 1)) * field).astype(np.float32)


def agreement(mine: Array, theirs: Array) -> float:
    """Share of equal predictions of [n, classes]."""
    return float(np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1)))


def exposed(model: onnx.ModelProto, x: Array) -> onnx.ModelProto:
    """The fused `model` with every value as an output."""
    graph = fused(model, [x[:1]])
    known = {tensor.name for tensor in graph.graph.output}
    for node in graph.graph.node:
        graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name not in known)
    return graph


@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_a_network_that_saturates_predicts_as_the_real_kernels_do(
    activations: str, real: Real, exactly: Predict, tmp_path: Path
) -> None:
    x = np.moveaxis(fields(150, (12, 12, 3), 0.5, 0.3), -1, 1).clip(0, 1)
    model = quantised(saturating.network(x[:40]), x[:40], tmp_path, activations=activations, reduced=False)
    mine, theirs = emulated(model, x)[0], real.predict(model, x)[0]
    assert agreement(mine, theirs) >= ENOUGH
    assert np.mean(np.isclose(mine, theirs, rtol=1e-5)) >= ENOUGH
    plain = exactly(model, x)[0]
    assert np.mean((plain != theirs).any(axis=1)) > 0.5, "most samples must be ones where it matters"
    assert agreement(plain, theirs) < ENOUGH


def test_reduced_weights_never_saturate(real: Real, exactly: Predict, tmp_path: Path) -> None:
    x = np.random.default_rng(9).uniform(0, 1, (30, 3, 12, 12)).astype(np.float32)
    model = quantised(saturating.network(x), x, tmp_path, activations="u8", reduced=True)
    mine = emulated(model, x)[0]
    np.testing.assert_array_equal(mine, exactly(model, x)[0])
    np.testing.assert_allclose(mine, real.predict(model, x)[0], rtol=1e-5)


@pytest.mark.parametrize("activations", ["u8", "s8"])
@pytest.mark.parametrize(("name", "shape", "middle", "spread"), REAL_MODELS)
def test_real_models_predict_as_the_real_kernels_do(
    name: str, shape: tuple[int, int, int], middle: float, spread: float, activations: str,
    real: Real, exactly: Predict, shared_data: Path, tmp_path: Path,
) -> None:  # fmt: skip
    x = fields(100, shape, middle, spread)
    model = onnx.load(shared_data / "mlperf-tiny" / f"{name}.onnx")
    model = quantised(model, x[:20], tmp_path, activations=activations, reduced=False)
    mine, theirs = emulated(model, x)[0], real.predict(model, x)[0]
    assert agreement(mine, theirs) >= ENOUGH
    if activations == "u8":
        assert (exactly(model, x)[0] != theirs).any()
    graph = exposed(model, x)
    layers = zip(emulated(graph, x[:8]), real.predict(graph, x[:8], graph="off"), strict=True)
    for mine, theirs in layers:
        assert np.mean(np.isclose(mine, theirs, rtol=1e-4, atol=1e-5)) >= ENOUGH


@pytest.mark.parametrize("build", [fakes_models.mlp, fakes_models.transformer_block])
def test_dynamic_quantisation_is_covered(build: Callable[[], onnx.ModelProto], real: Real, tmp_path: Path) -> None:
    onnx.save(build(), tmp_path / "model.onnx")
    quantize_dynamic(tmp_path / "model.onnx", tmp_path / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
    model = onnx.load(tmp_path / "int8.onnx")
    x, rows = inputs_of(model, 10)
    np.testing.assert_allclose(
        emulated(model, x, rows=rows)[0], real.predict(model, x, rows=rows)[0], rtol=1e-3, atol=1e-4
    )


# --- What is refused --------------------------------------------------------------------------


def test_what_onnx_runtime_refuses_is_a_bad_model() -> None:
    broken = saturating.network(np.zeros((1, 3, 12, 12), np.float32))
    broken.graph.node[0].op_type = "Convolve"
    with pytest.raises(BadModel, match="ONNX Runtime refuses the model"):
        emulated(broken, np.zeros((1, 3, 12, 12), np.float32))


def test_blocks_do_not_change_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SATURATING["conv"]()
    x, rows = inputs_of(model, 7)
    whole = emulated(model, x, rows=rows)[0]
    monkeypatch.setattr("edgewise.design.numerics.without_vnni.BLOCK", 3)
    np.testing.assert_array_equal(emulated(model, x, rows=rows)[0], whole)
