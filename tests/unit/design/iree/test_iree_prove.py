"""Proofs with a compiler that does what the test says: refuses, crashes, hangs, starves."""

import importlib.metadata
import os
from pathlib import Path

import onnx
import pytest

from edgewise.design.iree import compilation
from edgewise.design.iree import prove as prove_module
from edgewise.design.iree.prove import Proof, prove, prove_all
from edgewise.errors import BadModel, EdgewiseError, MissingDependency, NotFound
from edgewise.store.steps import Store
from fakes import iree as fake
from fakes import models
from fakes.tflite_files import OneOperator, Value, tflite

TESTS = Path(__file__).parents[3]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(models.mlp(), path)
    return path


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.setattr(compilation, "WORKER", "fakes.iree")
    monkeypatch.setattr(prove_module, "version", lambda: "9.9")


def test_a_module_proves_it(model: Path) -> None:
    proof = prove(model, "aarch64", store=None)
    assert (proof.compiles, proof.decided, proof.reason) == (True, True, "")
    assert (proof.size_bytes, proof.tool) == (fake.SIZE_BYTES, "iree-base-compiler 9.9")
    assert proof.seconds > 0


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("vulkan", f"Unique (node second) does not compile: {fake.DETAIL}"),
        ("x86_64", "IREE does not import Unique (node second): bad type"),
        ("riscv64", "Unique (node second) crashes the compiler"),
    ],
)
def test_what_does_not_compile_names_the_node(model: Path, target: str, reason: str) -> None:
    proof = prove(model, target, store=None)
    assert (proof.compiles, proof.decided, proof.size_bytes) == (False, True, None)
    assert proof.reason == reason


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("cuda-sm_80", "not proved: IREE was ended by SIGABRT, and no operator was found to do that on its own"),
        ("cuda-sm_86", "not proved: IREE gave no answer to compile in 1 s"),
        ("cuda-sm_87", "not proved: the compiler wants more memory than 1.00 GiB"),
        ("cuda-sm_89", "not proved: [Errno 28] No space left on device"),
    ],
)
def test_what_is_no_verdict_on_the_model_decides_nothing_and_is_not_kept(
    model: Path, tmp_path: Path, target: str, reason: str
) -> None:
    store = Store(tmp_path / "store")
    proof = prove(model, target, store=store, timeout_s=1.0, memory_bytes=1 << 30)
    assert (proof.compiles, proof.decided, proof.reason) == (False, False, reason)
    assert not (store.folder / "steps").exists()


def test_a_second_proof_comes_from_the_store(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, targets = Store(tmp_path / "store"), ["aarch64", "vulkan", "riscv64"]
    first = prove_all(model, targets, store=store)
    monkeypatch.setattr(compilation, "WORKER", "fakes.nothing")
    assert prove_all(model, targets, store=store) == first
    assert [proof.target for proof in first] == targets
    monkeypatch.setattr(prove_module, "version", lambda: "10.0")
    assert not prove(model, "aarch64", store=store).compiles  # another compiler is another proof


def test_other_weights_are_another_proof(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    prove(model, "aarch64", store=store)
    onnx.save(models.mlp(seed=1), model)
    monkeypatch.setattr(compilation, "WORKER", "fakes.nothing")
    assert not prove(model, "aarch64", store=store).decided


def test_a_huge_model_is_not_tried(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove_module, "MAX_MODEL_BYTES", 100)
    proof = prove(model, "aarch64", store=None)
    assert (proof.compiles, proof.decided, proof.seconds) == (False, False, 0.0)
    assert proof.reason.startswith("not tried: the model has ")


def test_what_is_no_onnx_model_is_refused(tmp_path: Path) -> None:
    relu = OneOperator(
        name="RELU", inputs=[Value(shape=(1, 4), scales=[1.0], zeros=[0])], output=Value(shape=(1, 4), scales=[1.0])
    )
    (tmp_path / "model.tflite").write_bytes(tflite(relu))
    with pytest.raises(BadModel, match="IREE compiles ONNX models"):
        prove(tmp_path / "model.tflite", "aarch64", store=None)
    with pytest.raises(NotFound):
        prove(tmp_path / "nothing.onnx", "aarch64", store=None)


def test_an_unknown_target_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(EdgewiseError, match="no target 'z80'"):
        prove(tmp_path / "nothing.onnx", "z80", store=None)


def test_without_iree_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.undo()
    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(MissingDependency) as error:
        prove(model, "aarch64", store=None)
    assert error.value.hint == "pip install 'edgewise[iree]'"


def test_a_proof_survives_its_record(model: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert isinstance(prove(model, "vulkan", store=store), Proof)
    assert prove(model, "vulkan", store=store) == prove(model, "vulkan", store=store)
