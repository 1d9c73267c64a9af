"""The search: built first, few trained, nothing twice, failures kept apart. Real trainings of the fake train.py."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edgewise.design.structure.training import Job
from edgewise.errors import BadData, BadTraining, EngineLost
from edgewise.flow import engines, structures
from edgewise.flow.edgefile import Project
from edgewise.flow.structures import Search
from edgewise.nouns import TrialStage
from edgewise.store.steps import Store
from fakes import trainings

FOUR = "{'width': [4, 16], 'depth': [1], 'resolution': [8, 32], 'pruning': [0.0]}"
ENDLESS = "{'width': (2, 24), 'depth': (1, 2), 'resolution': [8, 32], 'pruning': (0.0, 0.4)}"


def explored(project: Project, store: Path, *, trials: int = 16, engine: engines.Engine | None = None) -> Search:
    return structures.explore(
        project, project.sites[0], engine=engine or engines.Local(), store=Store(store), trials=trials
    )


def stages(found: Search) -> dict[TrialStage, int]:
    kinds = [each.stage for each in found.tries.known.values()]
    return {stage: kinds.count(stage) for stage in TrialStage if stage in kinds}


def test_everything_is_built_and_few_are_trained_and_none_twice(tmp_path: Path):
    diary = tmp_path / "diary"
    project = trainings.project(tmp_path / "p", diary=str(diary))
    found = explored(project, tmp_path / "store", trials=6)
    assert stages(found) == {TrialStage.BUILT: 18, TrialStage.TRAINED: 6}
    assert all(each.latency is not None and each.model.macs for each in found.tries.known.values())
    done = trainings.diary(diary)
    assert len(done) == len({str(each) for each in done}) == 6
    again = explored(project, tmp_path / "store", trials=6)
    assert trainings.diary(diary) == done
    assert again.survivors() == found.survivors()
    more = explored(project, tmp_path / "store", trials=24)
    assert len(trainings.diary(diary)) == 24
    assert stages(more) == {TrialStage.TRAINED: 24}


def test_what_misses_the_budget_for_sure_is_never_trained(tmp_path: Path):
    diary = tmp_path / "diary"
    project = trainings.project(
        tmp_path / "p", structure=FOUR, diary=str(diary), budget="{flash: 400B, accuracy_drop: 0.5}"
    )
    found = explored(project, tmp_path / "store")
    missed = [each for each in found.tries.known.values() if each.missed]
    assert {each.name for each in missed} == {"width=16,depth=1,resolution=32,pruning=0"}
    assert "even at one byte each, and flash may be 400 B" in missed[0].failure
    assert {each["width"] * each["resolution"] for each in trainings.diary(diary)} == {32, 128}


def test_where_all_miss_the_least_is_trained_so_that_the_plan_can_say_by_how_much(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=FOUR, budget="{flash: 10B}")
    found = explored(project, tmp_path / "store")
    assert stages(found) == {TrialStage.BUILT: 3, TrialStage.TRAINED: 1}
    assert found.survivors()[1] == ["width=4,depth=1,resolution=8,pruning=0"]


def test_a_space_without_end_is_asked_for_the_same_way_twice(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=ENDLESS)
    one = explored(project, tmp_path / "a", trials=10)
    other = explored(project, tmp_path / "b", trials=10)
    assert stages(one)[TrialStage.TRAINED] == 10
    assert trainings.results(one) == trainings.results(other)


def test_without_build_structures_are_estimated_once_trained(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=FOUR + "\ndel build")
    found = explored(project, tmp_path / "store", trials=3)
    assert stages(found) == {TrialStage.PROPOSED: 1, TrialStage.TRAINED: 3}
    assert all((each.latency is not None) == (each.metric is not None) for each in found.tries.known.values())


def test_a_training_that_fails_is_one_trial_s_failure_and_is_remembered(tmp_path: Path):
    accident = {"where": {"width": 16, "resolution": 8}, "kind": "raises"}
    project = trainings.project(tmp_path / "p", structure=FOUR, accidents=[accident])
    found = explored(project, tmp_path / "store")
    failed = [each for each in found.tries.known.values() if each.failure]
    assert [(each.failure, each.stage) for each in failed] == [("the loss is not finite", TrialStage.BUILT)]
    assert "Traceback" in found.tries.store.blobs.get(failed[0].log).decode()
    assert stages(found)[TrialStage.TRAINED] == 3

    class NoEngine:
        name = "none"

        def map(self, task, common, items: Sequence[Job]) -> Iterator[tuple[int, engines.Lost]]:
            raise AssertionError("everything is in the store")

    assert trainings.results(explored(project, tmp_path / "store", engine=NoEngine())) == trainings.results(found)


def test_a_training_that_dies_once_is_tried_again(tmp_path: Path):
    accident = {"where": {"width": 16, "resolution": 8}, "kind": "killed", "once": str(tmp_path / "marker")}
    diary = tmp_path / "diary"
    project = trainings.project(tmp_path / "p", structure=FOUR, accidents=[accident], diary=str(diary))
    found = explored(project, tmp_path / "store")
    assert stages(found) == {TrialStage.TRAINED: 4}
    assert len(trainings.diary(diary)) == 4


def test_a_training_that_always_dies_fails_and_is_tried_again_by_the_next_search(tmp_path: Path):
    accident = {"where": {"width": 16, "resolution": 8}, "kind": "killed"}
    project = trainings.project(tmp_path / "p", structure=FOUR, accidents=[accident])
    found = explored(project, tmp_path / "store")
    assert [each.failure for each in found.tries.known.values() if each.failure] == [
        "it was tried twice: train.py:fit was ended by SIGKILL (out of memory?)"
    ]
    key = found.tries._key("fit", {"width": 16, "depth": 1, "resolution": 8, "pruning": 0.0})
    assert found.tries.store.recall(key) is None


def test_an_engine_that_goes_in_the_middle_keeps_what_it_brought(tmp_path: Path):
    class Leaving(engines.Local):
        def map(self, task, common, items: Sequence[Job]) -> Iterator[tuple[int, object]]:
            for number, outcome in enumerate(super().map(task, common, items)):
                if items[0].function == "fit" and number == 2:
                    raise EngineLost("the cluster has gone")
                yield outcome

    diary = tmp_path / "diary"
    project = trainings.project(tmp_path / "p", structure=FOUR, diary=str(diary))
    with pytest.raises(EngineLost):
        explored(project, tmp_path / "store", engine=Leaving())
    kept = list((tmp_path / "store" / "steps").glob("structure-*.json"))
    before = len(trainings.diary(diary))
    assert len([path for path in kept if not path.name.startswith("structure-latency")]) == 4 + 2
    explored(project, tmp_path / "store")
    assert len(trainings.diary(diary)) == before + 2


def test_structures_that_take_other_inputs_are_refused_one_by_one(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=FOUR)
    network = tmp_path / "p" / "network.py"
    network.write_text(network.read_text().replace('["batch", BANDS]', '["batch", BANDS if window == 4 else 7]'))
    source = "\nimport onnx\nonnx.checker.check_model = lambda model: None\n"
    network.write_text(network.read_text() + source)
    found = explored(project, tmp_path / "store")
    refused = [each.failure for each in found.tries.known.values() if each.failure]
    assert len(refused) == 2
    assert all("every structure must take and give the same" in failure for failure in refused)


def test_none_that_can_be_trained_is_an_error_with_the_log(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=FOUR, accidents=[{"where": {}, "kind": "raises"}])
    with pytest.raises(BadTraining, match="none of 4 structures could be trained: the loss is not finite") as caught:
        explored(project, tmp_path / "store")
    assert "ValueError" in caught.value.log


def test_structures_need_labels(tmp_path: Path):
    project = trainings.project(tmp_path / "p", structure=FOUR)
    trainings.without_labels(tmp_path / "p")
    with pytest.raises(BadData, match="the data has no y"):
        explored(project, tmp_path / "store")
