"""plan with a training: its flags, its dry run, and the table of trials."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from outcome import Run
from planner import Planner

from edgewise.errors import BadConfiguration, BadTraining
from edgewise.flow import engines, structures
from edgewise.nouns import Plan, Quantity, Trial, TrialStage
from fakes import plans, trainings
from fakes.designs import figure


def trial(number: int, stage: TrialStage, *, failure: str = "", accuracy: float | None = None) -> Trial:
    figures = {Quantity.LATENCY_P50: figure(Quantity.LATENCY_P50, 0.1 * number)}
    if accuracy is not None:
        figures |= {Quantity.METRIC: figure(Quantity.METRIC, accuracy)}
    return Trial(
        name=f"s{number}",
        structure={"width": 16 * number, "rate": 0.123456},
        stage=stage,
        figures=figures,
        macs=1000 * number,
        failure=failure,
        duration_s=None if accuracy is None else 1.5,
    )


TRIALS = (
    trial(3, TrialStage.PLANNED, accuracy=0.91),
    trial(2, TrialStage.TRAINED, accuracy=0.88),
    trial(1, TrialStage.BUILT),
    trial(4, TrialStage.BUILT, failure="its 9 parameters take 9 B even at one byte each"),
)


@pytest.fixture
def searched(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """A project that trains, whose search is made up; what it was asked."""
    asked: list[dict[str, object]] = []

    def planned(project, site, **options: object) -> Plan:
        asked.append(options)
        return replace(plans.feasible_plan(), trials=TRIALS)

    monkeypatch.setattr(structures, "plan", planned)
    trainings.project(home)
    return asked


def test_the_trials_that_came_farthest_stand_below_the_plan(edgewise_command: Run, searched: list[object]) -> None:
    done = edgewise_command("plan")
    assert done.code == 0
    table = done.out[done.out.index("Structures (") :]
    assert re.findall(r"^(s\d)", table, re.MULTILINE) == ["s3", "s2"]
    assert "0.1235" in table
    assert "2 more: 1 built and not trained, 1 ruled out or failed." in table


def test_wide_has_every_trial_with_its_reason(edgewise_command: Run, searched: list[object]) -> None:
    lines = edgewise_command("plan", "-o", "wide").out.splitlines()
    assert any(line.startswith("s4 ") and "even at one byte each" in line for line in lines)
    assert any(line.startswith("s1 ") for line in lines)


def test_json_has_them_too(edgewise_command: Run, searched: list[object]) -> None:
    document = json.loads(edgewise_command("plan", "-o", "json").out)
    assert [each["name"] for each in document["trials"]] == ["s3", "s2", "s1", "s4"]
    assert document["trials"][0]["structure"] == {"width": 48, "rate": 0.123456}


def test_flags_reach_the_search(edgewise_command: Run, searched: list[dict[str, object]]) -> None:
    edgewise_command("plan")
    edgewise_command("plan", "--trials", "5", "--engine", "local", "--fresh")
    assert [each["trials"] for each in searched] == [structures.TRIALS, 5]
    assert [each["fresh"] for each in searched] == [False, True]
    assert all(isinstance(each["engine"], engines.Local) for each in searched)


def test_an_engine_that_is_none(edgewise_command: Run, searched: list[object]) -> None:
    done = edgewise_command("plan", "--engine", "dask://x")
    assert done.code == BadConfiguration.exit_code
    assert "allowed are local and ray://HOST" in done.err
    assert searched == []


@pytest.mark.parametrize("flag", [("--trials", "3"), ("--engine", "local")])
def test_the_flags_mean_nothing_for_a_model_file(
    edgewise_command: Run, planner: Planner, flag: tuple[str, str]
) -> None:
    done = edgewise_command("plan", *flag)
    assert done.code == 2
    assert "edge.yaml names a model.file" in done.err


def test_a_dry_run_shows_the_dimensions_and_trains_nothing(edgewise_command: Run, home: Path) -> None:
    trainings.project(home, diary=str(home / "diary"))
    done = edgewise_command("plan", "--dry-run")
    assert done.code == 0
    assert "depth       every integer from 1 to 2" in done.out
    assert "24 structures, all are built before any is trained" in done.err
    assert trainings.diary(home / "diary") == []


def test_a_train_py_that_fails_shows_its_log(edgewise_command: Run, home: Path) -> None:
    trainings.project(home)
    (home / "train.py").write_text("import sys\nprint('reading the data')\n1 / 0\n")
    done = edgewise_command("plan", "--dry-run")
    assert done.code == BadTraining.exit_code
    assert "| reading the data" in done.err
    assert "error: train.py cannot be imported: division by zero" in done.err
