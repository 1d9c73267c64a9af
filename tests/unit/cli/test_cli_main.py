"""The table of verbs, errors and exit codes."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from outcome import Run

from edgewise import __version__, errors
from edgewise.cli import _lazy, main, version
from edgewise.documents import Fault
from edgewise.errors import BadDocument, ChildFailed, EdgewiseError, MissingDependency, NotFound

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def _verbs(table: tuple[_lazy.Verb, ...]) -> Iterator[_lazy.Verb]:
    for verb in table:
        if verb.verbs:
            yield from _verbs(verb.verbs)
        else:
            yield verb


def _tree(error: type[EdgewiseError]) -> Iterator[type[EdgewiseError]]:
    yield error
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _tree(kind)


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run() -> None:
        raise error

    monkeypatch.setattr(version, "run", run)


@pytest.mark.parametrize("verb", _verbs(main.VERBS), ids=lambda verb: verb.module.rpartition(".")[2])
def test_table_has_first_line_of_the_commands_own_help(verb: _lazy.Verb) -> None:
    command = _lazy.LazyCommand(verb).load()
    assert inspect.cleandoc(command.help).splitlines()[0] == verb.help
    assert command.name == verb.name


def test_help_lists_every_verb(edgewise_command: Run) -> None:
    done = edgewise_command("--help")
    assert done.code == 0
    for verb in main.VERBS:
        assert re.search(rf"\b{verb.name}\b", done.out)


@pytest.mark.parametrize("arguments", [(), ("get",), ("config",)])
def test_no_verb_prints_help(edgewise_command: Run, arguments: tuple[str, ...]) -> None:
    done = edgewise_command(*arguments)
    assert (done.code, done.err) == (0, "")
    assert "Usage" in done.out


@pytest.mark.parametrize("arguments", [("--version",), ("version",)])
def test_version(edgewise_command: Run, arguments: tuple[str, ...]) -> None:
    assert edgewise_command(*arguments).out == f"edgewise {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("verson",), "Did you mean 'version'?"),
        (("plan", "--frehs"), "--fresh"),
        (("completion",), "SHELL"),
        (("config", "show", "-o", "tabel"), "'wide'"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_right(
    edgewise_command: Run, arguments: tuple[str, ...], expected: str
) -> None:
    done = edgewise_command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert done.err.splitlines()[-1].startswith("hint: edgewise")


@pytest.mark.parametrize("kind", _tree(EdgewiseError), ids=lambda kind: kind.__name__)
def test_error_is_a_message_and_a_hint_on_stderr(
    kind: type[EdgewiseError], edgewise_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"plan": None} if kind is errors.NoFeasibleDesign else {}
    _raising(monkeypatch, kind("it is [bold]broken[/]", hint="mend it", **more))
    done = edgewise_command("version")
    assert done == (type(done))(kind.exit_code, "", "error: it is [bold]broken[/]\nhint: mend it\n")


def test_exit_codes_are_unique_and_documented() -> None:
    own = {kind: kind.exit_code for kind in _tree(EdgewiseError) if "exit_code" in vars(kind)}
    codes = sorted(own.values())
    assert len(set(codes)) == len(codes)
    assert all(code == 1 or 3 <= code <= 99 for code in codes)
    page = (REFERENCE / "exit-codes.md").read_text()
    for kind, code in own.items():
        assert f"| {code} |" in page
        assert code == 1 or f"| {code} | `{kind.__name__}`" in page


def test_every_fault_of_a_document_on_a_line_of_its_own(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [Fault(file="a/" * 60 + "edge.yaml", line=n, where="model", problem="wrong") for n in (3, 9)]
    _raising(monkeypatch, BadDocument("edge.yaml has 2 faults", faults=faults))
    done = edgewise_command("version")
    assert done.err.splitlines() == [*map(str, faults), "error: edge.yaml has 2 faults"]


def test_the_end_of_a_childs_log_is_shown(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, ChildFailed("it crashed", log="\n".join(f"line {n}" for n in range(100))))
    lines = edgewise_command("version").err.splitlines()
    assert lines[-2:] == ["  | line 99", "error: it crashed"]
    assert len(lines) == 21


def test_control_characters_do_not_reach_the_terminal(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, NotFound("no \x1b[31mfile\x07 \u202e\r here"))
    assert edgewise_command("version").err == "error: no \\x1b[31mfile\\x07 \\u202e\\r here\n"


def test_interrupted(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, KeyboardInterrupt())
    done = edgewise_command("version")
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted; what is done so far is kept, run the same command again to go on\n"


def test_bug_keeps_its_traceback(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, ZeroDivisionError("oh"))
    done = edgewise_command("version")
    assert (done.code, done.out) == (1, "")
    assert "Traceback" in done.err
    assert "ZeroDivisionError: oh" in done.err
    assert "bug" in done.err.splitlines()[-1]


def test_missing_package_at_import_names_the_extra(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_onnx(_: str) -> object:
        raise ModuleNotFoundError("No module named 'onnx.helper'", name="onnx.helper")

    monkeypatch.setattr(_lazy.importlib, "import_module", without_onnx)
    done = edgewise_command("get", "machines")
    assert done.code == MissingDependency.exit_code
    assert done.err == (
        "error: edgewise get machines needs onnx, which the design extra brings\nhint: pip install 'edgewise[design]'\n"
    )


def test_missing_package_later_names_the_extra_too(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, ModuleNotFoundError("No module named 'nncf'", name="nncf"))
    done = edgewise_command("version")
    assert done.code == MissingDependency.exit_code
    assert "nncf" in done.err


def test_missing_module_of_our_own_is_a_bug(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, ModuleNotFoundError("No module named 'edgewise.nope'", name="edgewise.nope"))
    done = edgewise_command("version")
    assert done.code == 1
    assert "Traceback" in done.err
