"""A person at a terminal without a terminal: a home of their own, and what the command printed."""

import os
from pathlib import Path

import pytest
from outcome import Outcome, Run
from planner import Planner

from edgewise.cli import main
from edgewise.flow import plan as planning

EDGE_YAML = """\
apiVersion: edgewise/v1
model: {name: meter-reader, file: model.onnx, data: eval.npz}
sites:
  press-line: {machines: [this], budget: {latency_p99: 300us, memory: 64MiB}}
  gate-camera: {machines: [this], budget: {latency_p99: 150us, memory: 32MiB}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, which is the working folder too; no setting from outside."""
    for name in [*os.environ]:
        if name.startswith(("EDGEWISE_", "XDG_")) or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def edgewise_command(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command with arguments; its exit code and what it printed."""

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def planner(home: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """A project in the working folder whose plans are made up."""
    (home / "edge.yaml").write_text(EDGE_YAML)
    fake = Planner()
    for name in ("check", "plan", "last", "propose", "document", "logs", "schema"):
        monkeypatch.setattr(planning, name, getattr(fake, name))
    return fake
