"""The demo's own steps, with the training and the planning made up."""

from pathlib import Path

import pytest
from outcome import Run
from planner import Planner

from edgewise.cli import demo
from edgewise.cli import plan as verb
from edgewise.errors import EdgewiseError


@pytest.fixture
def meter(planner: Planner, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "edge.yaml").unlink()

    def write(folder: Path, trained: object) -> Path:
        (folder / "edge.yaml").write_text(
            "apiVersion: edgewise/v1\n"
            "model: {name: m, file: m.onnx, data: e.npz}\n"
            "sites: {press-line: {machines: [this]}}\n"
        )
        return folder / "edge.yaml"

    monkeypatch.setattr(demo.meter, "train", lambda progress: None)
    monkeypatch.setattr(demo.meter, "write", write, raising=False)
    monkeypatch.setattr(verb.reporting, "render", lambda plans, logs: "<html>")


def test_demo_ends_with_report_and_what_to_try(edgewise_command: Run, meter: None, home: Path) -> None:
    done = edgewise_command("demo")
    assert done.code == 0
    assert done.out.startswith("press-line: run int8 NNCF mixed")
    assert (home / "edgewise-demo/report.html").read_text() == "<html>"
    assert "report: edgewise-demo/report.html" in done.err
    assert "try next: edgewise explain edgewise-demo/edge.yaml" in done.err
    assert edgewise_command("demo", "--report", "r.html").code == 0
    assert (home / "r.html").is_file()


def test_demo_leaves_files_of_yours_alone(edgewise_command: Run, meter: None, home: Path) -> None:
    (home / "edge.yaml").write_text("mine")
    done = edgewise_command("demo", "--folder", ".")
    assert (done.code, done.out) == (EdgewiseError.exit_code, "")
    assert (home / "edge.yaml").read_text() == "mine"
