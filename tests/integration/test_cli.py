"""The command as a person runs it: a process with pipes, signals, shells and a terminal."""

import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from edgewise.edge.agent import servers

HEAVY = ("numpy", "onnx", "onnxruntime", "openvino", "jinja2", "nncf", "sklearn", "pydantic", "yaml")
HELP_CPU_SECONDS = 0.6  # aimed at 0.2; the bound leaves room for a busy machine
README = Path(__file__).parents[2] / "README.md"
EDGEWISE = Path(sys.executable).with_name("edgewise")

INTERRUPTED_IN_A_VERB = """
import time
from edgewise.cli import main, version
def run():
    print("ready", flush=True)
    time.sleep(30)
version.run = run
main.main()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    outside = ("EDGEWISE_", "XDG_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "_EDGEWISE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    return {**kept, "HOME": str(tmp_path), "PATH": f"{EDGEWISE.parent}:{os.environ['PATH']}"}


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgewise", *arguments],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_is_quick(environment: dict[str, str]) -> None:
    _run(environment, "--help")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert _run(environment, "--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < HELP_CPU_SECONDS


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom edgewise.cli import main\nmain.run(['--help'])\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "typer" in done.stderr.split()
    assert not set(done.stderr.split()) & set(HEAVY)


def test_script_and_module_are_the_same_command(environment: dict[str, str]) -> None:
    script = subprocess.run(
        [EDGEWISE, "--help"], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert script.stdout == _run(environment, "--help").stdout
    assert "Usage: edgewise " in script.stdout


def test_ctrl_c(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_IN_A_VERB, "version"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "interrupted; what is done so far is kept, run the same command again to go on\n"


@pytest.mark.parametrize("arguments", [["get", "machines", "-o", "json"], ["schema", "edge"], ["--help"]])
def test_reader_that_goes_away_is_no_error(environment: dict[str, str], arguments: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "edgewise", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) in (1, 141)


PLAIN_INSTALLATION = """
import sys
from edgewise.cli import _lazy, main
sys.modules.update(dict.fromkeys(_lazy.OPTIONAL))
main.main()
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("get machines", 0),
        ("describe machine this", 0),
        ("schema edge", 0),
        ("config show", 0),
        ("completion bash", 0),
        ("version", 0),
        ("plan", 30),
        ("explain", 30),
        ("inspect model.onnx", 30),
        ("init model.onnx", 30),
        ("demo", 30),
    ],
)
def test_installation_without_extras(environment: dict[str, str], tmp_path: Path, command: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_INSTALLATION, *command.split()],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert done.stdout == ""
        assert done.stderr.endswith("hint: pip install 'edgewise[design]'\n")


def test_full_disk_behind_stdout_is_told(environment: dict[str, str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgewise", "schema", "edge"],
            check=False,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode != 0
    assert "no space left" in done.stderr


def test_plain_ascii_locale(environment: dict[str, str]) -> None:
    done = _run({**environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}, "get", "machines")
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_colours_on_a_terminal_only(environment: dict[str, str]) -> None:
    def on_a_terminal(**more: str) -> bytes:
        main, side = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "edgewise", "plan", "nowhere.yaml"],
            env={**environment, "TERM": "xterm-256color", **more},
            stdin=side,
            stdout=side,
            stderr=side,
        ) as process:
            os.close(side)
            written = b""
            while True:
                try:
                    chunk = os.read(main, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                written += chunk
            os.close(main)
        assert process.returncode == 18
        return written

    colour = re.compile(rb"\x1b\[[0-9;]*3[0-9]m")
    assert colour.search(on_a_terminal())
    assert not colour.search(on_a_terminal(NO_COLOR="1"))
    assert "\x1b" not in _run(environment, "plan", "nowhere.yaml").stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("edgewise pl", {"plan"}),
        ("edgewise get m", {"machines"}),
        ("edgewise config show -o j", {"json"}),
        ("edgewise plan --fr", {"--fresh"}),
        ("edgewise completion z", {"zsh"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_answers_each_shell(environment: dict[str, str], shell: str, typed: str, offered: set[str]) -> None:
    asked = {"_EDGEWISE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": typed, "COMP_WORDS": typed}
    asked |= {"COMP_CWORD": str(typed.count(" ")), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [EDGEWISE], check=False, env={**environment, **asked}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = set(re.findall(r'"([^"]*)"', done.stdout)[::2]) if shell == "zsh" else set()
    found = found or {line.split("\t")[0] for line in done.stdout.splitlines()}
    assert offered <= found
    assert not any(name.startswith("Traceback") for name in found)


SHELLS = {
    "bash": 'COMP_WORDS=(edgewise expl); COMP_CWORD=1; _edgewise_completion edgewise; echo "${COMPREPLY[@]}"',
    "zsh": "(( $+functions[_edgewise_completion] )) && echo explain",
    "fish": 'complete --do-complete "edgewise expl"',
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_script_works_in_the_shell(environment: dict[str, str], tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        assert os.environ.get("CI") != "true", f"{shell} is not installed"
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(_run(environment, "completion", shell).stdout)
    start = "autoload -U compinit && compinit -u\n" if shell == "zsh" else ""
    done = subprocess.run(
        [shell, "-c", f"{start}source {script}\n{SHELLS[shell]}"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "explain" in done.stdout, done.stderr


def _shape(text: str) -> str:
    """`text` without what differs from machine to machine: figures, designs, ids and paths."""
    for pattern, word in ((r"[0-9a-f]{32}", "ID"), (r"\S+@\d+t", "DESIGN"), (r"sqlite:\S+", "DATABASE")):
        text = re.sub(pattern, word, text)
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "0", text)


@pytest.mark.slow
def test_demo_from_nothing_to_a_report(environment: dict[str, str], tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [EDGEWISE, "demo", "--progress", "none"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "edgewise-demo/report.html").stat().st_size > 10_000
    assert time.monotonic() - started < 900
    assert "release 1, " in done.stderr
    promised = README.read_text().partition("$ edgewise demo\n")[2].partition("\n```")[0]
    assert _shape(promised).splitlines() == [
        line for line in _shape(done.stderr).splitlines() if line in _shape(promised).splitlines()
    ]
    assert servers.orphans(tmp_path / "edgewise-demo/running.json") == []
    again = subprocess.run(
        [EDGEWISE, "plan", "edgewise-demo/edge.yaml", "-o", "json"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    plan = json.loads(again.stdout)
    assert plan["choice"]
    jsonschema.validate(plan, json.loads(_run(environment, "schema", "plan").stdout))
    explained = subprocess.run(
        [EDGEWISE, "explain", "edgewise-demo/edge.yaml"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert explained.returncode == 0, explained.stderr
