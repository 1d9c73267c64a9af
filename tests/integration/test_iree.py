"""The real compiler: models that compile for machines that are not here, and models that do not."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgewise.design.iree.prove import PACKAGE, prove, prove_all
from edgewise.design.iree.targets import TARGETS
from edgewise.store.steps import Store
from fakes import models

FLOAT = TensorProto.FLOAT
INTERRUPTED_AFTER_S = 20.0


@pytest.fixture(scope="module", autouse=True)
def iree() -> None:
    """IREE's compiler; named and skipped where it is missing, a failure under CI=true."""
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{PACKAGE} is missing, and CI=true")
        pytest.skip(f"{PACKAGE} is missing (pip install 'edgewise[iree]')")


def _one(operator: str, path: Path, *, opset: int = 17, domain: str = "", rank: int = 4, **more: object) -> Path:
    """A file with Relu, then the node "odd one" of `operator`, on [1, 1, 4, 4]."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="first"),
        helper.make_node(operator, ["r"], ["y"], name="odd one", domain=domain, **more),
    ]
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, 1, 4, 4])]
    outputs = [helper.make_tensor_value_info("y", FLOAT, [None] * rank)]
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(helper.make_graph(nodes, "one", inputs, outputs), opset_imports=opsets, ir_version=8)
    onnx.save(model, path)
    return path


def test_a_model_compiles_for_every_target_and_is_kept(tmp_path: Path) -> None:
    path, store = tmp_path / "model.onnx", Store(tmp_path / "store")
    onnx.save(models.mlp(), path)
    weights = sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)
    proofs = prove_all(path, list(TARGETS), store=store)
    assert {proof.target: proof.reason for proof in proofs} == dict.fromkeys(TARGETS, "")
    assert all(proof.compiles and proof.size_bytes and proof.size_bytes > weights for proof in proofs)
    assert len({proof.size_bytes for proof in proofs}) > 3  # not one module under many names
    started = time.monotonic()
    assert prove_all(path, list(TARGETS), store=store) == proofs
    assert time.monotonic() - started < min(proof.seconds for proof in proofs) + 1.0


@pytest.mark.parametrize("make", [models.dynamic_batch, models.transformer_block, models.two_inputs])
def test_other_shapes_of_models_compile(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = tmp_path / "model.onnx"
    onnx.save(make(), path)
    proofs = prove_all(path, ["aarch64", "vulkan", "cuda-sm_87"], store=None)
    assert [proof.reason for proof in proofs] == ["", "", ""]


def test_an_old_opset_is_taken_to_a_newer_one(tmp_path: Path) -> None:
    path = _one("Upsample", tmp_path / "old.onnx", opset=7, scales=[1.0, 1.0, 2.0, 2.0])
    before = path.read_bytes()
    assert prove(path, "aarch64", store=None).reason == ""
    assert path.read_bytes() == before


def test_an_operator_that_is_not_supported_is_named(tmp_path: Path) -> None:
    path = _one("Fancy", tmp_path / "custom.onnx", domain="com.example")
    for proof in prove_all(path, ["aarch64", "vulkan", "cuda-sm_87"], store=None):
        assert (proof.compiles, proof.decided, proof.size_bytes) == (False, True, None)
        assert proof.reason.startswith("com.example.Fancy (node odd_one) is an operator that IREE does not support")


def test_a_tensor_that_the_importer_does_not_take_is_named(tmp_path: Path) -> None:
    weights = helper.make_tensor("packed", TensorProto.INT4, [4, 2], [1] * 8)
    nodes = [helper.make_node("Cast", ["packed"], ["w"], to=FLOAT), helper.make_node("MatMul", ["x", "w"], ["y"])]
    values = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in (("x", [1, 4]), ("y", [1, 2]))]
    graph = helper.make_graph(nodes, "int4", values[:1], values[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "4.onnx")
    proof = prove(tmp_path / "4.onnx", "aarch64", store=None)
    assert proof.compiles or proof.reason.startswith("IREE does not import tensor packed: ")


def test_an_operator_that_crashes_the_compiler_is_named_or_refused(tmp_path: Path) -> None:
    """IREE 3.13.0 ends with SIGSEGV at Unique; a later one may do better, but must not take us down."""
    proof = prove(_one("Unique", tmp_path / "unique.onnx", rank=1), "aarch64", store=None)
    assert proof.compiles or "Unique (node odd_one)" in proof.reason


def test_too_little_memory_or_time_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(models.depthwise(), path)
    starved = prove(path, "aarch64", store=None, memory_bytes=32 << 20)
    assert (starved.compiles, starved.decided) == (False, False)
    assert starved.reason.startswith("not proved: ")
    assert starved.reason.endswith(" more memory than 32.0 MiB")  # it may end without a word
    hurried = prove(path, "aarch64", store=None, timeout_s=0.05)
    assert (hurried.compiles, hurried.decided) == (False, False)


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(models.depthwise(), path)
    arguments = ["inspect", str(path), "--compile-for", ",".join(TARGETS), "--store", str(tmp_path / "store")]
    command = [sys.executable, "-m", "edgewise", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as parent:
        child = _child_of(parent.pid)
        parent.send_signal(signal.SIGINT)
        parent.communicate(timeout=INTERRUPTED_AFTER_S)
    assert parent.returncode == 130
    deadline = time.monotonic() + INTERRUPTED_AFTER_S
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether `pid` is there and is more than an entry that nobody has reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _child_of(pid: int) -> int:
    """The first child that `pid` starts."""
    deadline = time.monotonic() + INTERRUPTED_AFTER_S
    while time.monotonic() < deadline:
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if started:
            return int(started[0])
        time.sleep(0.005)
    pytest.fail("no compilation was started")
