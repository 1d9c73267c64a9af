"""plan and explain, with plans that are made up."""

import inspect
import json
from pathlib import Path

import pytest
import yaml
from outcome import Run
from planner import Planner

from edgewise.cli import plan as verb
from edgewise.errors import NoFeasibleDesign, NotFound
from edgewise.flow import plan as planning
from fakes import plans

CHOICE = "int8 NNCF mixed, OpenVINO, 1 thread"


@pytest.mark.parametrize("name", ["check", "plan", "last", "propose", "document", "logs", "schema"])
def test_the_fake_takes_what_the_real_one_takes(name: str) -> None:
    fake = inspect.signature(getattr(Planner(), name)).parameters
    real = inspect.signature(getattr(planning, name)).parameters
    assert [(p.name, p.kind) for p in fake.values()] == [(p.name, p.kind) for p in real.values()]


def test_answer_choice_first_then_why_then_the_frontier(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan", "--site", "press-line")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == f"press-line: run {CHOICE} on this machine."
    assert "lowest median latency" in lines[1]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.out
    assert "…" not in done.out
    assert "12 rejected: misses the limit of latency p99 (5)" in done.out
    assert "coral-dev-board is not in this plan" in done.out
    assert "Know before use" in done.out


def test_wide_has_every_design_with_its_reason_on_one_line(edgewise_command: Run, planner: Planner) -> None:
    lines = edgewise_command("plan", "--site", "press-line", "-o", "wide").out.splitlines()
    for verdict in planner.plans["press-line"].verdicts:
        assert any(verdict.design.name in line and verdict.reason in line for line in lines)


def test_nothing_fits_is_an_answer_and_an_error(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan", "--site", "gate-camera")
    assert done.code == NoFeasibleDesign.exit_code
    assert done.out.startswith("gate-camera: none of 21 designs fits the budget.")
    assert "What would fit\n- With accuracy drop of" in done.out
    assert "error: no design fits the budget of gate-camera" in done.err


def test_every_site_where_none_is_named(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan")
    assert done.code == NoFeasibleDesign.exit_code
    assert "press-line: run" in done.out
    assert "gate-camera: none" in done.out


def test_documents(edgewise_command: Run, planner: Planner) -> None:
    one = json.loads(edgewise_command("plan", "--site", "press-line", "-o", "json").out)
    assert one == {"site": "press-line", "choice": CHOICE}
    both = yaml.safe_load(edgewise_command("plan", "-o", "yaml").out)
    assert [plan["site"] for plan in both] == ["press-line", "gate-camera"]


def test_names_choice_first(edgewise_command: Run, planner: Planner) -> None:
    names = edgewise_command("plan", "-o", "name").out.splitlines()
    assert names[0] == CHOICE
    assert len(names) == sum(v.feasible and v.on_frontier for v in planner.plans["press-line"].verdicts)


def test_settings_reach_the_planner(edgewise_command: Run, planner: Planner, home: Path) -> None:
    (home / "mine").mkdir()
    edgewise_command("plan", "--site", "press-line", "--wait", "--fresh", "--store", "s", "--machines", "mine")
    assert planner.asked == [{"wait": True, "fresh": True, "folder": home / "s", "machines": (home / "mine",)}]


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_dry_run_lists_and_runs_nothing(edgewise_command: Run, planner: Planner, output: str) -> None:
    done = edgewise_command("plan", "--dry-run", "-o", output)
    assert (done.code, planner.asked) == (0, [])
    assert "\x1b" not in done.out
    if output == "json":
        assert json.loads(done.out)[0]["site"] == "press-line"
    if output != "table":
        assert CHOICE in done.out
    if output == "wide":
        assert "operator GridSample has no counterpart" in done.out


def test_report_is_written_whole(
    edgewise_command: Run, planner: Planner, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb.reporting, "render", lambda plans, logs: f"<html>{len(plans)} {len(logs)}")
    done = edgewise_command("plan", "--report", "out/report.html")
    assert (home / "out/report.html").read_text() == "<html>2 21"
    assert "report: out/report.html" in done.err
    assert done.code == NoFeasibleDesign.exit_code


def test_report_over_a_folder_is_refused_before_any_work(edgewise_command: Run, planner: Planner, home: Path) -> None:
    done = edgewise_command("plan", "--report", home)
    assert (done.code, planner.asked) == (2, [])


def test_progress_goes_to_stderr(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan", "--site", "press-line", "--progress", "json")
    assert "planning" not in done.out
    assert json.loads(done.err.splitlines()[0])["stage"] == "planning press-line"


@pytest.mark.parametrize("arguments", [("plan",), ("explain",), ("plan", "--dry-run")])
def test_no_edge_yaml(edgewise_command: Run, arguments: tuple[str, ...]) -> None:
    done = edgewise_command(*arguments)
    assert (done.code, done.out) == (NotFound.exit_code, "")
    assert "edgewise init" in done.err


@pytest.mark.parametrize("verb", ["plan", "explain"])
def test_unknown_site_names_the_known_ones(edgewise_command: Run, planner: Planner, verb: str) -> None:
    done = edgewise_command(verb, "--site", "nowhere")
    assert (done.code, done.out) == (NotFound.exit_code, "")
    assert "press-line, gate-camera" in done.err


def test_figures_that_were_not_measured_are_marked(edgewise_command: Run, planner: Planner) -> None:
    planner.plans["press-line"] = plans.estimated_plan()
    out = edgewise_command("plan", "--site", "press-line", "-o", "wide").out
    assert "~" in out
    assert "not measured" in out


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "-o", "wide"), ("plan", "-o", "name"), ("explain",)])
def test_hostile_names_do_not_move_the_cursor(
    edgewise_command: Run, planner: Planner, arguments: tuple[str, ...]
) -> None:
    planner.plans["press-line"] = plans.hostile_plan()
    done = edgewise_command(*arguments, "--site", "press-line")
    assert done.code == 0
    assert all(sign.isprintable() or sign == "\n" for sign in done.out)


def test_explain_choice_beside_runner_up(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("explain", "--site", "press-line")
    assert done.code == 0
    assert "CHOICE  RUNNER-UP" in done.out
    rows = {line[:15].strip(): line.split("  ")[-1].strip() for line in done.out.splitlines()}
    assert rows["latency p50"] == "choice"
    assert rows["memory"] == "cannot be told apart"
    assert rows["flash"] == "equal"


def test_explain_where_nothing_fits(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("explain", "--site", "gate-camera")
    assert done.code == 0
    assert "none of 21 designs" in done.out


@pytest.mark.parametrize(
    "words", [("int16x8 TFLite, LiteRT, 1 thread",), ("INT16",), ("16x8",), ("edge.yaml", "int16x8", "TFLite")]
)
def test_explain_a_design_by_a_part_of_its_name(
    edgewise_command: Run, planner: Planner, words: tuple[str, ...]
) -> None:
    done = edgewise_command("explain", "--site", "press-line", *words)
    assert done.code == 0
    assert done.out.startswith("press-line: int16x8 TFLite, LiteRT, 1 thread on this machine is rejected.")
    assert "LiteRT has no kernel for CONV_2D" in done.out
    assert "[1] measured on this, 2026-03-14" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("NNCF", "say which: int8 NNCF mixed, OpenVINO, 1 thread; int8 NNCF"),
        ("int8 tflit litert", "did you mean"),
        ("@", "edgewise plan -o wide"),
    ],
)
def test_explain_offers_names(edgewise_command: Run, planner: Planner, word: str, hint: str) -> None:
    done = edgewise_command("explain", "--site", "press-line", word)
    assert (done.code, done.out) == (NotFound.exit_code, "")
    assert hint in done.err


def test_design_at_two_sites_asks_which(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("explain", CHOICE)
    assert "--site press-line; --site gate-camera" in done.err
