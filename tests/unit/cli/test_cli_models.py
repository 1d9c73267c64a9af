"""inspect and init, with small models that are made here."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from outcome import Run

from edgewise.errors import BadModel, EdgewiseError, NotFound
from edgewise.flow import edgefile
from fakes import models


@pytest.fixture
def model(home: Path) -> Path:
    """A small classifier in a folder of its own."""
    path = home / "models" / "Meter Reader v2.onnx"
    path.parent.mkdir()
    onnx.save(models.mlp(), path)
    return path


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_inspect_in_every_format(edgewise_command: Run, model: Path, output: str) -> None:
    done = edgewise_command("inspect", model, "-o", output)
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    match output:
        case "name":
            assert done.out.strip() == model.stem
        case "json" | "yaml":
            found = (json.loads if output == "json" else yaml.safe_load)(done.out)
            assert found["parameters"] == sum(found["parameters_by_dtype"].values())
            assert found["macs"] > 0
            assert found["signature"]["inputs"][0]["dtype"] == "float32"
            assert found["size_bytes"] == model.stat().st_size
        case _:
            assert "float32" in done.out
            assert "MACs" in done.out
            assert ("Layers" in done.out) is (output == "wide")
            assert output == "wide" or max(map(len, done.out.splitlines())) <= 80


def test_inspect_what_is_no_model(edgewise_command: Run, home: Path) -> None:
    (home / "x.onnx").write_text("<html>not found</html>")
    assert edgewise_command("inspect", "x.onnx").code == BadModel.exit_code
    done = edgewise_command("inspect", "y.onnx")
    assert (done.code, done.out) == (NotFound.exit_code, "")


def test_init_writes_what_plan_reads(edgewise_command: Run, model: Path, home: Path) -> None:
    np.savez(model.parent / "eval.npz", x=np.zeros((30, 16)), y=np.zeros(30))
    done = edgewise_command("init", model)
    assert (done.code, done.out) == (0, "")
    assert done.err == "wrote edge.yaml\nnext: edgewise plan\n"
    project = edgefile.load(home / "edge.yaml")
    assert project.name == "meter-reader-v2"
    assert project.model_paths == (model,)
    assert project.data == str(model.parent / "eval.npz")


def test_init_never_overwrites_unless_told_to(edgewise_command: Run, model: Path, home: Path) -> None:
    (home / "edge.yaml").write_text("mine")
    done = edgewise_command("init", model)
    assert (done.code, done.out) == (EdgewiseError.exit_code, "")
    assert "--force" in done.err
    assert (home / "edge.yaml").read_text() == "mine"
    assert edgewise_command("init", model, "--force").code == 0
    assert edgefile.load(home / "edge.yaml").model_paths == (model,)


def test_init_dry_run_prints_and_writes_nothing(edgewise_command: Run, model: Path, home: Path) -> None:
    done = edgewise_command("init", model, "--dry-run")
    assert yaml.safe_load(done.out)["model"]["file"] == "models/Meter Reader v2.onnx"
    assert not (home / "edge.yaml").exists()


def test_init_elsewhere_says_how_to_go_on(edgewise_command: Run, model: Path, home: Path) -> None:
    done = edgewise_command("init", model, "-o", "deep/site.yaml")
    assert "no data found beside the model" in done.err
    assert "next: edgewise plan deep/site.yaml" in done.err
    assert edgefile.load(home / "deep/site.yaml").model_paths[0].samefile(model)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], None),
        (["odd.npz"], "odd.npz"),
        (["a.npz", "b.npz"], None),
        (["a.npz", "eval.npz"], "eval.npz"),
        (["eval.npz", "Meter Reader v2.npz"], "Meter Reader v2.npz"),
    ],
)
def test_init_finds_the_data(
    edgewise_command: Run, model: Path, home: Path, files: list[str], found: str | None
) -> None:
    for name in files:
        np.savez(model.parent / name, x=np.zeros((4, 1)))
    done = edgewise_command("init", model)
    assert ("no data found" in done.err) is (found is None)
    assert edgefile.load(home / "edge.yaml").data.endswith(found or "eval.npz")


def test_init_with_data_that_is_not_there(edgewise_command: Run, model: Path) -> None:
    assert edgewise_command("init", model, "--data", "no.npz").code == NotFound.exit_code


def test_init_says_that_data_does_not_fit_the_model(edgewise_command: Run, home: Path) -> None:
    onnx.save(models.mlp(), home / "net.onnx")
    np.savez(home / "net.npz", x=np.zeros((30, 7), np.float32))
    done = edgewise_command("init", "net.onnx")
    assert done.code == 0
    assert "net.npz, found beside the model, does not fit yet" in done.err
    np.savez(home / "net.npz", x=np.zeros((30, 16), np.float32))
    assert "does not fit" not in edgewise_command("init", "net.onnx", "--force").err
