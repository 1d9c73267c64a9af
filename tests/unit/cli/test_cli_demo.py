"""The demo's own steps, with the training, the planning and the device made up."""

from pathlib import Path

import pytest
from outcome import Run
from planner import Planner

from edgewise.cli import demo
from edgewise.cli import plan as verb
from edgewise.errors import EdgewiseError
from edgewise.flow.demo.life import Happened


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

    def live(project: object, folder: Path, *, keep: bool, **_: object) -> Happened:
        return Happened(
            design="litert/int8@1t",
            right=19,
            served=frozenset("1"),
            device="d" * 32,
            status="RolledBack",
            runs="m 1",
            reason="the golden is not reproduced: row 0",
            hub="http://127.0.0.1:1",
            database="sqlite:///hub.db",
            left_running=(11, 12) if keep else (),
        )

    monkeypatch.setattr(demo.life, "live", live)


def test_demo_ends_with_report_and_what_to_try(edgewise_command: Run, meter: None, home: Path) -> None:
    done = edgewise_command("demo")
    assert done.code == 0
    assert done.out.startswith("press-line: run int8 NNCF mixed")
    assert (home / "edgewise-demo/report.html").read_text() == "<html>"
    assert "report: edgewise-demo/report.html" in done.err
    assert "try next: edgewise explain edgewise-demo/edge.yaml" in done.err
    assert edgewise_command("demo", "--report", "r.html").code == 0
    assert (home / "r.html").is_file()


def test_demo_says_what_the_device_made_of_both_releases_and_where_to_look(edgewise_command: Run, meter: None) -> None:
    done = edgewise_command("demo")
    assert "release 1, litert/int8@1t: the device proved it and serves it; 19 of 20 pictures" in done.err
    assert "refused before it answered anybody\n  the golden is not reproduced: row 0" in done.err
    assert "edgewise agent logs --root edgewise-demo/device" in done.err
    assert "kill" not in done.err
    assert "to end hub and device: kill 11 12" in edgewise_command("demo", "--keep").err


def test_demo_leaves_files_of_yours_alone(edgewise_command: Run, meter: None, home: Path) -> None:
    (home / "edge.yaml").write_text("mine")
    done = edgewise_command("demo", "--folder", ".")
    assert (done.code, done.out) == (EdgewiseError.exit_code, "")
    assert (home / "edge.yaml").read_text() == "mine"
