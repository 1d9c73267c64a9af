"""`agent --bench` and `plan --device`: addresses, tokens, and what is said when they are wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from outcome import Run
from planner import Planner

from edgewise.cli import _device, agent
from edgewise.errors import BadConfiguration, DeviceLost
from edgewise.runtimes import pairing


@pytest.mark.parametrize(
    ("listen", "found"),
    [("127.0.0.1:8470", ("127.0.0.1", 8470)), ("pi.local:0", ("pi.local", 0)), ("[::1]:8470", ("::1", 8470))],
)
def test_host_and_port(listen: str, found: tuple[str, int]) -> None:
    assert agent.address(listen) == found


@pytest.mark.parametrize("listen", ["", "8470", ":8470", "a:", "a:x", "a:70000", "[x]:1", "a:-1", "[1.2.3.4]:1"])
def test_what_is_neither_is_told(listen: str) -> None:
    with pytest.raises(BadConfiguration, match="HOST:PORT"):
        agent.address(listen)


def test_the_agent_s_verbs_are_listed_and_the_old_option_is_the_verb(edgewise_command: Run) -> None:
    assert "rollback" in edgewise_command("agent").out
    told = [edgewise_command("agent", *words, "--listen", "nowhere") for words in (("--bench",), ("bench",))]
    assert [one.code for one in told] == [17, 17]


def test_without_a_terminal_the_token_needs_a_file(edgewise_command: Run) -> None:
    done = edgewise_command("agent", "--bench")
    assert done.code == BadConfiguration.exit_code
    assert "must not get into a log" in done.err
    assert "--token-file" in done.err


def test_an_address_that_is_taken_or_not_ours(edgewise_command: Run, home: Path) -> None:
    done = edgewise_command("agent", "--bench", "--token-file", home / "token", "--listen", "192.0.2.1:8470")
    assert done.code == BadConfiguration.exit_code
    assert "192.0.2.1:8470 cannot be listened at" in done.err


def test_the_token_comes_from_the_file_before_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfiguration, match="wants its pairing token"):
        _device.token(None)
    monkeypatch.setenv(pairing.VARIABLE, "from-the-environment")
    assert _device.token(None) == "from-the-environment"
    made = pairing.read_or_make(home / "token")
    assert _device.token(home / "token") == made


def test_a_plan_without_a_token_is_told_how_to_get_one(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan", "--device", "http://127.0.0.1:1")
    assert done.code == BadConfiguration.exit_code
    assert pairing.VARIABLE in done.err


def test_a_device_that_is_not_there(edgewise_command: Run, planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewise.design.device.device.FIRST_PATIENCE_S", 0.0)
    monkeypatch.setenv(pairing.VARIABLE, "from-the-environment")
    done = edgewise_command("plan", "--device", "http://127.0.0.1:1")
    assert done.code == DeviceLost.exit_code
    assert "does not answer" in done.err
    assert "from-the-environment" not in done.err


def test_a_token_file_belongs_to_a_device(edgewise_command: Run, planner: Planner, home: Path) -> None:
    assert edgewise_command("plan", "--token-file", home / "token").code == BadConfiguration.exit_code


def test_a_device_needs_no_more_than_the_agent_imports() -> None:
    script = "import sys, edgewise.cli.agent; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    heavy = {"httpx", "onnx", "onnxruntime", "openvino", "nncf", "scipy", "sklearn", "jinja2", "starlette", "uvicorn"}
    assert not heavy & set(done.stdout.split())
