"""`edgewise run` as a person types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from outcome import Run

from edgewise.cli import run as running
from edgewise.errors import HubUnreachable
from edgewise.flow import bases
from edgewise.flow.life.wishes import Wishes
from fakes.lives import Living


@pytest.fixture
def living(home: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    """A project in the working folder."""
    monkeypatch.setenv("EDGEWISE_STORE", str(home / "store"))
    living = Living(home, monkeypatch)
    monkeypatch.setattr(running, "work_of", living.worker)
    return living


def test_a_dry_run_says_what_is_due_and_writes_nothing(living: Living, edgewise_command: Run) -> None:
    before = sorted(living.folder.rglob("*"))
    done = edgewise_command("run", "--registry", "oci:registry", "--tree", "tree", "--dry-run", "-o", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [(one["site"], one["step"], one["state"], one["why"]) for one in found[:3]] == [
        ("press-line", "plan", "due", "never done"),
        ("press-line", "build", "pending", "after plan"),
        ("press-line", "push", "pending", "after plan"),
    ]
    assert sorted(living.folder.rglob("*")) == before


def test_one_display_for_all_steps_and_nothing_the_second_time(living: Living, edgewise_command: Run) -> None:
    command = ("run", "--registry", "oci:registry", "--tree", "tree", "--site", "gate", "--platform", "linux/amd64")
    done = edgewise_command(*command, "--progress", "json")
    assert done.code == 0, done.err
    stages = [json.loads(line)["stage"] for line in done.err.splitlines()]
    assert {one.partition(":")[0] for one in stages} == {"gate build", "gate push", "gate publish"}
    assert living.done == [("gate", step) for step in ("plan", "build", "push", "publish")]
    living.done.clear()
    again = edgewise_command(*command, "-o", "json", "--result", "result", "--images", "images")
    (release,) = json.loads(Path("result").read_text())["gate"].values()
    assert release in again.out
    assert [one.rpartition("@")[0] for one in Path("images").read_text().split(",")] == [
        "oci:registry:meter/gate:1",
        "oci:registry:meter/gate/model:1",
    ]
    assert {one["state"] for one in json.loads(again.out)} == {"unchanged"}
    assert "nothing was due" in again.err
    assert living.done == []


def test_a_hub_is_asked_first_and_told_at_the_end(living: Living, edgewise_command: Run) -> None:
    command = ("run", "--registry", "oci:registry", "--tree", "tree", "--site", "gate", "--platform", "linux/amd64")
    done = edgewise_command(*command, "--hub", "http://127.0.0.1:9")
    assert done.code == HubUnreachable.exit_code
    assert living.done == []
    hub = ("--database", "sqlite:///hub.db")
    done = edgewise_command(*command, *hub, "--result", "result")
    assert done.code == 0, done.err
    (release,) = json.loads(Path("result").read_text())["gate"].values()
    assert [one["digest"] for one in json.loads(edgewise_command("get", "releases", *hub, "-o", "json").out)] == [
        release
    ]


def test_what_cannot_be_meant_is_said(living: Living, edgewise_command: Run) -> None:
    for arguments, word in (
        ([], "--until build"),
        (["--from", "push", "--until", "build"], "build comes before push"),
        (["--until", "build", "--setting", "NAME"], "NAME=VALUE"),
        (["--until", "ship"], "ship"),
    ):
        done = edgewise_command("run", *arguments)
        assert done.code == 2
        assert word in done.err


def test_looking_what_is_due_brings_no_compilers() -> None:
    script = "import sys, edgewise.cli.run; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"onnx", "onnxruntime", "scipy", "openvino", "nncf", "sklearn"} & set(loaded)
    assert Wishes().base == bases.DEBIAN
