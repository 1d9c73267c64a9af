"""`edgewise inspect --compile-for`, with a compiler that does what the test says."""

import json
import os
from pathlib import Path

import onnx
import pytest
from outcome import Run

from edgewise.design.iree import compilation
from edgewise.design.iree import prove as prove_module
from edgewise.errors import EdgewiseError
from fakes import iree as fake
from fakes import models

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def model(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(models.mlp(), home / "model.onnx")
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.setattr(compilation, "WORKER", "fakes.iree")
    monkeypatch.setattr(prove_module, "version", lambda: "9.9")


def test_a_table_says_what_compiles_and_why_not(edgewise_command: Run) -> None:
    done = edgewise_command(
        "inspect", "model.onnx", "--compile-for", "aarch64, vulkan,cuda-sm_89", "--progress", "none"
    )
    assert (done.code, done.err) == (0, "")
    table = done.out.partition("Compiled with iree-base-compiler 9.9\n")[2]
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["TARGET", "COMPILES", "TIME", "SIZE", "WHY", "NOT"]
    assert [row[:2] for row in rows[1:3]] == [["aarch64", "yes"], ["vulkan", "no"]]
    assert ["cuda-sm_89", "unknown"] in [row[:2] for row in rows]
    assert "Unique (node second)" in table
    assert max(map(len, done.out.splitlines())) <= 80


def test_json_has_every_proof(edgewise_command: Run) -> None:
    done = edgewise_command("inspect", "model.onnx", "--compile-for", "aarch64,riscv64", "-o", "json")
    proofs = json.loads(done.out)["compiled"]
    assert [(proof["target"], proof["compiles"], proof["size_bytes"]) for proof in proofs] == [
        ("aarch64", True, fake.SIZE_BYTES),
        ("riscv64", False, None),
    ]
    assert "compiling with IREE" in done.err


def test_without_the_option_nothing_is_compiled(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(prove_module, "version")
    done = edgewise_command("inspect", "model.onnx", "-o", "json")
    assert done.code == 0
    assert "compiled" not in json.loads(done.out)


def test_a_target_that_is_none(edgewise_command: Run) -> None:
    done = edgewise_command("inspect", "model.onnx", "--compile-for", "vulkn")
    assert (done.code, done.out) == (EdgewiseError.exit_code, "")
    assert "did you mean vulkan?" in done.err
    assert edgewise_command("inspect", "model.onnx", "--compile-for", ",").code == 2


def test_how_long_one_compilation_may_take(edgewise_command: Run) -> None:
    done = edgewise_command("inspect", "model.onnx", "--compile-for", "cuda-sm_86", "--timeout", "1", "-o", "json")
    [proof] = json.loads(done.out)["compiled"]
    assert (proof["compiles"], proof["decided"]) == (False, False)
    assert "in 1 s" in proof["reason"]
