"""`plan` over structures end to end: real trainings, real toolchains, real timing."""

from pathlib import Path

import pytest

from edgewise.flow import engines, plan, structures
from edgewise.flow.edgefile import Project
from edgewise.nouns import Plan, Quantity, Stage, TrialStage
from fakes import trainings

pytestmark = pytest.mark.slow

STRUCTURE = "{'width': [4, 24, 96], 'depth': [1, 2], 'resolution': [32], 'pruning': [0.0]}"
DROP = 0.1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("structures")


@pytest.fixture(scope="module")
def project(place: Path) -> Project:
    return trainings.project(
        place / "p",
        structure=STRUCTURE,
        budget=f"{{latency_p99: 500ms, accuracy_drop: {DROP}}}",
        diary=str(place / "diary"),
    )


def planned(project: Project, place: Path) -> Plan:
    return structures.plan(
        project, project.sites[0], engine=engines.Local(), folder=place / "store", trials=6, wait=True
    )


@pytest.fixture(scope="module")
def made(project: Project, place: Path) -> Plan:
    return planned(project, place)


def test_the_choice_keeps_the_drop_against_the_best_structure(made: Plan):
    assert made.choice is not None
    figures = made.verdict(made.choice).design.figures
    trials = {trial.name: trial for trial in made.trials}
    best = max(trial.figures[Quantity.METRIC].value for trial in made.trials)
    label = made.choice.partition("/")[0]
    assert figures[Quantity.DROP].value == pytest.approx(best - figures[Quantity.METRIC].value, abs=1e-9)
    assert figures[Quantity.DROP].value <= DROP
    assert trials[label].stage is TrialStage.PLANNED
    assert made.model.digest == trials[label].model


def test_the_reference_is_the_best_structure_as_trained(made: Plan):
    best = max(made.trials, key=lambda trial: trial.figures[Quantity.METRIC].value)
    reference = made.verdict(made.reference).design
    assert reference.figures[Quantity.METRIC].value == best.figures[Quantity.METRIC].value
    assert reference.figures[Quantity.DROP].value == 0
    assert any(sentence.startswith(f"the best trained structure is {best.name} (") for sentence in made.why)


def test_designs_of_all_planned_structures_compete_and_are_named_for_them(made: Plan):
    planned_names = {trial.name for trial in made.trials if trial.stage is TrialStage.PLANNED}
    assert planned_names == {verdict.design.name.partition("/")[0] for verdict in made.verdicts}
    assert len(planned_names) > 1
    names = [verdict.design.name for verdict in made.verdicts]
    assert len(names) == len(set(names))
    for verdict in made.verdicts:
        if verdict.feasible:
            assert verdict.design.stage is Stage.TIMED
            assert verdict.design.figures[Quantity.DROP].value <= DROP


def test_a_second_plan_trains_nothing_and_says_the_same(made: Plan, project: Project, place: Path):
    before = trainings.diary(place / "diary")
    assert len(before) == 6
    again = planned(project, place)
    assert trainings.diary(place / "diary") == before
    assert (again.choice, again.runner_up, again.trials) == (made.choice, made.runner_up, made.trials)


def test_explain_and_json_find_the_plan_over_all_structures(made: Plan, project: Project, place: Path):
    last = plan.last(project, project.sites[0], folder=place / "store")
    assert (last.choice, len(last.trials)) == (made.choice, 6)
    document = plan.document(made)
    assert document["trials"][0]["stage"] == "planned"
    assert "trials" in plan.schema()["properties"]
