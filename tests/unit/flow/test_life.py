"""A run does what is due and nothing else, whatever was changed, lost, or broken off before."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.releases import change
from edgewise.errors import (
    BadImage,
    BelowThreshold,
    Busy,
    NoFeasibleDesign,
    NotFound,
    RegistryUnreachable,
    TreeUnreachable,
)
from edgewise.flow.life.steps import STEPS, Asked, Done, Step, Way, decide, differences
from edgewise.store import lock
from edgewise.store.oci import retry
from edgewise.store.oci.layout import Layout
from fakes import models
from fakes.dying_disk import DyingDisk, Killed
from fakes.lives import SITES, Living
from fakes.registries import FakeRegistry

ALL = [(site, step.value) for step in STEPS for site in SITES]
DIGESTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first run left behind, in the folder `project`, and a copy of it to begin from again."""
    folder = tmp_path_factory.mktemp("life")
    (folder / "project").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        living = Living(folder / "project", patch)
        first = living.run()
        assert living.done == ALL
    assert {one.way for one in first} == {Way.DONE}
    shutil.copytree(folder / "project", folder / "copy")
    return folder


@pytest.fixture
def living(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    """The project after its first run."""
    shutil.rmtree(kept / "project")
    shutil.copytree(kept / "copy", kept / "project")
    return Living(kept / "project", monkeypatch)


# --- deciding ------------------------------------------------------------------------------------


@given(inputs=DIGESTS, old=DIGESTS, outputs=DIGESTS, current=st.none() | DIGESTS)
def test_a_step_is_left_alone_only_where_all_is_as_it_was(inputs, old, outputs, current) -> None:
    way, why = decide(inputs, Done(inputs=old, outputs=outputs), current, anew=False)
    assert (way is Way.UNCHANGED) == (inputs == old and current == outputs)
    assert bool(why) == (way is Way.DUE)
    assert decide(inputs, Done(inputs=old, outputs=outputs), current, anew=True)[0] is Way.DUE
    assert decide(inputs, None, current, anew=False)[0] is Way.DUE


@given(old=DIGESTS, new=DIGESTS)
def test_every_difference_is_named_once(old, new) -> None:
    named = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    assert sorted(one.partition(" ")[0] for one in differences(old, new)) == sorted(named)


# --- what is due ---------------------------------------------------------------------------------


def test_what_the_first_run_did_is_not_done_again(living: Living) -> None:
    there = Layout(living.folder / "registry").references()
    assert set(there) == {"meter/press-line:1", "meter/gate:1", "meter/gate/model:1"}
    tree = living.desk().read()
    second = living.run()
    assert living.done == []
    assert {one.way for one in second} == {Way.UNCHANGED}
    releases = {one.site: one.outputs["release"] for one in second if one.step is Step.PUBLISH}
    assert {site: list(change.entries(tree, site)) for site in SITES} == {s: [d] for s, d in releases.items()}
    assert living.desk().read().seal == tree.seal


def test_a_changed_model_goes_through_all_steps(living: Living) -> None:
    onnx.save(models.mlp(seed=1), living.folder / "model.onnx")
    assert living.due() == {
        (site, step.value): "model.onnx changed" if step is Step.PLAN else "after plan"
        for site in SITES
        for step in STEPS
    }
    living.run()
    assert living.done == [(site, "plan") for site in SITES], "plans are made up here, and come to the same"


def test_another_plan_is_built_and_only_what_is_new_is_pushed(living: Living) -> None:
    living.write(p99="6ms")
    living.run()
    assert living.done == [("press-line", step) for step in ("plan", "build", "publish")], "the image is the same"


def test_an_option_concerns_the_step_that_it_is_for(living: Living) -> None:
    living.run(soak_s=600.0)
    assert living.done == [(site, "publish") for site in SITES]
    living.run(soak_s=600.0, version="2")
    assert living.done == [(site, step) for step in ("build", "push", "publish") for site in SITES]


def test_weights_beside_the_model_count(living: Living) -> None:
    model = models.mlp()
    onnx.save(model, living.folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    living.run(Asked(last=Step.PLAN))
    assert living.due() == {}
    weights = living.folder / "weights.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert living.due(Asked(last=Step.PLAN)) == {(site, "plan"): "weights.bin changed" for site in SITES}


def test_what_is_gone_or_replaced_is_made_again(living: Living) -> None:
    shutil.rmtree(living.folder / "registry")
    assert living.due() == {
        (site, step): why
        for site in SITES
        for step, why in (("push", "what it made is gone"), ("publish", "after push"))
    }
    living.run()
    assert living.done == [(site, "push") for site in SITES], "the release names the same digests"
    layout = Layout(living.folder / "registry")
    layout.tag("meter/gate:1", layout.resolve("meter/press-line:1"))
    assert living.due()["gate", "push"] == "something else stands where it was"
    Layout(living.store).tag("meter/gate:1", Layout(living.store).resolve("meter/press-line:1"))
    assert living.due()["gate", "build"] == "something else stands where it was"


def test_steps_can_be_named(living: Living) -> None:
    found = living.run(Asked(last=Step.BUILD), version="2")
    assert living.done == [(site, "build") for site in SITES]
    assert [one.way for one in found if one.step in (Step.PUSH, Step.PUBLISH)] == [Way.LEFT_OUT] * 4
    with pytest.raises(NotFound, match="no push of press-line to go on from"):
        living.run(Asked(first=Step.PUBLISH, anew=True), registry=f"oci:{living.folder / 'elsewhere'}")
    living.run(Asked(first=Step.PUSH, anew=True))
    assert living.done == [(site, "push") for site in SITES], "what is pushed again is the same, and published already"


def test_a_registry_of_real_requests(living: Living) -> None:
    with FakeRegistry() as registry:
        where = f"{registry.host}/plant"
        living.run(registry=where)
        assert {name for _, name in registry.documents if name == "1"} == {"1"}
        assert living.due(registry=where) == {}
        registry.documents.clear()
        assert living.due(registry=where)["gate", "push"] == "what it made is gone"


# --- what can go wrong ---------------------------------------------------------------------------


def test_what_is_missing_is_said_before_the_first_step(living: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "pause_s", lambda *_: 0.0)
    folder = living.folder
    onnx.save(models.mlp(seed=1), folder / "model.onnx")
    living.wishes = replace(living.wishes, version="2")
    with pytest.raises(RegistryUnreachable):
        living.run(registry="127.0.0.1:9/plant", plain_http=True)
    (folder / "key").write_text("no key")
    with pytest.raises(BadImage, match="no private key"):
        living.run(key=folder / "key")
    with pytest.raises(BadImage):
        living.run(platforms=("linux/s390x",))
    for path in (folder / "keys").glob("site-gate*"):
        path.unlink()
    with pytest.raises(BelowThreshold, match="site-gate"):
        living.run()
    shutil.rmtree(folder / "tree")
    with pytest.raises((NotFound, TreeUnreachable), match="tree"):
        living.run()
    assert living.done == []


def test_a_budget_that_nothing_fits_stops_before_anything_is_built(living: Living) -> None:
    living.chosen = False
    living.write(p99="6ms")
    with pytest.raises(NoFeasibleDesign, match="press-line"):
        living.run()
    assert living.done == [("press-line", "plan")]
    assert living.due()["press-line", "plan"] == "what edge.yaml says of press-line changed"


def test_two_runs_do_not_meet(living: Living) -> None:
    with lock.alone(living.store, "run"), pytest.raises(Busy, match="another run"):
        living.run()


def test_killed_again_and_again_it_gets_there(living: Living) -> None:
    """Whoever dies after so many writes has done some of the work for good; what is remembered stands."""
    living.write(p99="6ms")
    living.wishes = replace(living.wishes, version="2", registry=f"oci:{living.folder / 'elsewhere'}")
    writes = 60
    for lives in itertools.count(1):
        with pytest.MonkeyPatch.context() as patch:
            disk = DyingDisk(writes)
            disk.install(patch)
            try:
                living.run()
                break
            except Killed:
                assert lives < 40
    assert lives > 3
    assert living.due() == {}
    made = {one.site: one.outputs for one in living.run() if one.step is Step.PUBLISH}
    tree = living.desk().read()
    assert all(made[site]["release"] in change.entries(tree, site) for site in SITES)
