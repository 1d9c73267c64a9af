"""A round with a real training, a real evaluation and a real registry; the steps after it as in `fakes.lives`."""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import inputs, reviews
from edgewise.core.hub.users import Role
from edgewise.errors import BadModel, BadTraining, Conflict, NotFound, TrainingFailed, WorseModel
from edgewise.flow import edgefile
from edgewise.flow.life.inputs import file_digest
from edgewise.flow.life.steps import Asked, Step
from edgewise.flow.retrain import cases, command
from edgewise.flow.retrain import hub as hubs
from edgewise.flow.retrain.cases import Reviewed, case_set
from edgewise.flow.retrain.hub import NewVersion, next_version
from edgewise.flow.retrain.round import Rounds, State
from fakes.hubs import FakeDevice, head, serving
from fakes.lives import Living

FEATURES, CLASSES = 16, 4
TRUTH = np.random.default_rng(7).normal(size=(FEATURES, CLASSES)).astype(np.float32)
TRAIN = """\
import os, sys
import numpy as np, onnx
from onnx import numpy_helper

with open("runs", "a") as runs:
    runs.write("run\\n")
cases = np.load(os.path.join(os.environ["EDGEWISE_CASES"], "cases.npz"))
x, y = cases["x"], cases["y"].astype(int)
w = np.zeros((x.shape[1], 4))
for _ in range(300):
    p = np.exp(x @ w)
    p /= p.sum(1, keepdims=True)
    w -= 0.5 * x.T @ (p - np.eye(4)[y]) / len(x)
model = onnx.load(os.environ["EDGEWISE_MODEL"])
model.graph.initializer[0].CopyFrom(numpy_helper.from_array(w.astype(np.float32), "w"))
onnx.save(model, os.environ["EDGEWISE_OUT"])
"""


def linear(weights: np.ndarray) -> onnx.ModelProto:  # type: ignore[type-arg]
    """Scores of a linear model."""
    node = helper.make_node("MatMul", ["x", "w"], ["scores"])
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", FEATURES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


class Plant:
    """A project whose model errs, and a hub with devices that asked."""

    def __init__(self, living: Living, *, weights: np.ndarray) -> None:  # type: ignore[type-arg]
        self.living, folder = living, living.folder
        self.random = np.random.default_rng(3)
        onnx.save(linear(weights), folder / "model.onnx")
        x = self.random.normal(size=(400, FEATURES)).astype(np.float32)
        np.savez(folder / "eval.npz", x=x, y=(x @ TRUTH).argmax(axis=1))
        (folder / "train.py").write_text(TRAIN)
        said = f"retrain: {{command: [{sys.executable}, train.py], at_least: 2, timeout: 60s}}\n"
        living.edge_yaml.write_text(living.edge_yaml.read_text() + said)
        self.database: Database = migrate.opened(f"sqlite:///{folder / 'hub.db'}")
        self.device = FakeDevice()
        self.device.enrols(self.database)

    def judged(self, count: int, *, wrong: bool = False) -> None:
        """So many more cases that a person has answered, rightly or not."""
        for x in self.random.normal(size=(count, FEATURES)).astype(np.float32):
            content = npy(x)
            case = self.device.case(
                model="meter", input_digest=inputs.digest(content), input_media_type="application/x-npy"
            )
            self.device.says(self.database, case)
            label = int((x @ TRUTH).argmin() if wrong else (x @ TRUTH).argmax())
            with self.database.writing() as connection:
                inputs.keep(connection, case.input_digest, content, now_s=1)
                reviews.answer(connection, case.id, str(label), who="ann", now_s=2)

    @property
    def rounds(self) -> Rounds:
        def life(version: str):
            return replace(self.living.life(version=version), sites=project.sites[:1])

        project = edgefile.load(self.living.edge_yaml)
        return Rounds(project=project, hub=hubs.at_home(self.database), folder=self.living.store, life=life)

    @property
    def trained(self) -> int:
        """How often the command ran."""
        path = self.living.folder / "runs"
        return len(path.read_text().split()) if path.exists() else 0

    @property
    def model(self) -> str:
        return file_digest(self.living.folder / "model.onnx")


def plant(folder: Path, patch: pytest.MonkeyPatch, *, weights: np.ndarray) -> Iterator[Plant]:  # type: ignore[type-arg]
    made = Plant(Living(folder, patch), weights=weights)
    yield made
    made.database.close()


@pytest.fixture
def erring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    yield from plant(tmp_path, monkeypatch, weights=np.zeros((FEATURES, CLASSES)) + np.eye(FEATURES, CLASSES))


@pytest.fixture
def perfect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    yield from plant(tmp_path, monkeypatch, weights=TRUTH)


# --- rounds --------------------------------------------------------------------------------------


def test_a_round_and_then_nothing_until_people_judge_again(erring: Plant) -> None:
    assert erring.rounds.look().state is State.NOTHING_NEW
    erring.judged(60)
    before = erring.model
    assert erring.rounds.look().state is State.WAITING
    assert erring.model == before
    done = erring.rounds.run(Asked())
    assert (done.state, done.cases, done.version, done.parent) == (State.DONE, 60, "2", "1")
    assert done.judgement is not None
    assert done.judgement.new.value > done.judgement.old.value + 0.2
    assert erring.model == done.model_digest != before
    second, first = hubs.at_home(erring.database).versions("meter")
    assert (second["parent"], second["data_digest"]) == ("1", done.data_digest)
    assert second["training_run"].startswith("retraining-")
    assert second["metrics"]["accuracy"] == pytest.approx(done.judgement.new.value)
    assert [first["artifacts"][0]["digest"], second["artifacts"][0]["digest"]] == [before, erring.model]
    assert {one.step.value for one in done.steps} == {"plan", "build", "push", "publish"}
    assert erring.living.done, "the steps were done for the new version"
    again = erring.rounds.run(Asked())
    assert (again.state, erring.trained) == (State.NOTHING_NEW, 1)
    erring.judged(1)
    assert erring.rounds.look().state is State.NOTHING_NEW, "at_least says two"
    erring.judged(1)
    assert (erring.rounds.look().state, erring.rounds.look().fresh) == (State.WAITING, 2)


def test_a_worse_model_is_refused_each_time_and_trained_once(perfect: Plant) -> None:
    perfect.judged(40, wrong=True)
    before = perfect.model
    for _ in range(2):
        with pytest.raises(WorseModel, match="worse: accuracy"):
            perfect.rounds.run(Asked())
    assert perfect.model == before
    assert perfect.trained == 1
    assert hubs.at_home(perfect.database).versions("meter") == []
    assert perfect.living.done == []


def test_what_was_broken_off_goes_on_without_training_or_registering_again(
    erring: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    erring.judged(60)
    rounds = erring.rounds
    with pytest.raises(KeyboardInterrupt):
        replace(rounds, life=lambda _: (_ for _ in ()).throw(KeyboardInterrupt)).run(Asked())
    onnx.save(linear(TRUTH * 0), erring.living.folder / "model.onnx")  # as if killed before it was in its place
    erring.judged(5)
    assert erring.rounds.look().state is State.UNDER_WAY
    done = erring.rounds.run(Asked(last=Step.PLAN))
    assert (done.state, done.version, erring.trained) == (State.DONE, "2", 1)
    assert erring.model == done.model_digest
    assert len(hubs.at_home(erring.database).versions("meter")) == 2
    assert erring.rounds.look().fresh == 5, "what came meanwhile was not learnt from"


def test_a_model_that_takes_something_else_is_refused(erring: Plant) -> None:
    erring.judged(2)
    other = "import os, onnx; m = onnx.load('model.onnx'); m.graph.output[0].name = m.graph.node[0].output[0] = 'other'"
    (erring.living.folder / "train.py").write_text(f"{other}; onnx.save(m, os.environ['EDGEWISE_OUT'])\n")
    with pytest.raises(BadModel, match="something else"):
        erring.rounds.run(Asked())


def test_a_project_that_does_not_say_how_cannot(living_without: Living) -> None:
    project = edgefile.load(living_without.edge_yaml)
    rounds = Rounds(project=project, hub=None, folder=living_without.store, life=None)  # type: ignore[arg-type]
    with pytest.raises(BadTraining, match="does not say how to train again"):
        rounds.look()


@pytest.fixture
def living_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    return Living(tmp_path, monkeypatch)


# --- the command ---------------------------------------------------------------------------------


def run(script: str, folder: Path, timeout_s: float = 30.0) -> str:
    told = {"EDGEWISE_OUT": folder / "out"}
    return command.run([sys.executable, "-c", script], told, folder=folder, timeout_s=timeout_s)


def test_a_command_that_fails_says_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="code 3") as failure:
        run("print('loss is nan'); raise SystemExit(3)", tmp_path)
    assert failure.value.log == "loss is nan\n"
    assert failure.value.exit_code == 80
    with pytest.raises(TrainingFailed, match="SIGKILL"):
        run("import os; os.kill(os.getpid(), 9)", tmp_path)
    with pytest.raises(TrainingFailed, match="cannot be started"):
        command.run(["/nowhere/python"], {}, folder=tmp_path, timeout_s=5)


def test_a_command_ends_in_time_with_all_its_children(tmp_path: Path) -> None:
    child = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    script = f"{child}; open('pid', 'w').write(str(p.pid)); p.wait()"
    started = time.monotonic()
    with pytest.raises(TrainingFailed, match="did not end within"):
        run(script, tmp_path, timeout_s=1.5)
    assert time.monotonic() - started < 20
    child_pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while runs(child_pid) and time.monotonic() < until:  # until it is buried
        time.sleep(0.02)
    assert not runs(child_pid)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_command_gets_what_it_needs_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWISE_HUB_TOKEN", "secret")
    monkeypatch.setenv("EDGEWISE_KEY_PASSPHRASE", "secret")
    said = run("import os, json; print(json.dumps({k: v for k, v in os.environ.items() if 'EDGEWISE' in k}))", tmp_path)
    assert json.loads(said) == {"EDGEWISE_OUT": str(tmp_path / "out")}


def test_a_command_that_writes_no_model_has_failed(erring: Plant) -> None:
    erring.judged(2)
    (erring.living.folder / "train.py").write_text("print('done')\n")
    with pytest.raises(TrainingFailed, match="wrote no model"):
        erring.rounds.run(Asked())
    assert erring.rounds.look().state is State.WAITING


def test_ctrl_c_ends_the_command(tmp_path: Path) -> None:
    class Impatient:
        def stage(self, name: str, total: int | None) -> None: ...

        def step(self, note: str = "", *, amount: int = 1) -> None:
            signal.raise_signal(signal.SIGINT)

    script = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        command.run([sys.executable, "-c", script], {}, folder=tmp_path, timeout_s=30, progress=Impatient())
    assert not (tmp_path / "pid").exists() or not runs(int((tmp_path / "pid").read_text()))


# --- cases ---------------------------------------------------------------------------------------


def case(number: int, *, label: str = "1", content: bytes = b"input") -> Reviewed:
    return Reviewed(
        id=f"{number:032x}",
        label=label,
        input_digest=inputs.digest(content),
        input_media_type="image/png",
        prediction="{}",
        confidence=0.5,
        why="two digits are as likely",
        site="press-line",
        device="d" * 32,
        release="sha256:" + "a" * 64,
        time_s=1,
        answered_by="ann",
        answered_s=2,
    )


@given(st.permutations([case(number) for number in range(6)]))
def test_the_same_cases_are_the_same_bytes_in_any_order(found) -> None:
    assert case_set("meter", found).manifest == case_set("meter", sorted(found, key=lambda one: one.id)).manifest


def test_the_folder_holds_every_input_and_arrays_only_where_they_are(tmp_path: Path) -> None:
    contents = {inputs.digest(content): content for content in (b"one", b"two")}
    found = case_set("meter", [case(1, content=b"one"), case(2, content=b"two", label="seven"), case(3, label="")])
    assert [one.label for one in found.cases] == ["1", "seven"]
    folder = cases.write(found, tmp_path, contents.__getitem__)
    manifest = json.loads((folder / cases.MANIFEST).read_text())
    assert [(folder / one["file"]).read_bytes() for one in manifest["cases"]] == [b"one", b"two"]
    assert manifest["cases"][0]["answered_by"] == "ann"
    assert not (folder / cases.ARRAYS).exists()
    assert cases.write(found, tmp_path, lambda _: pytest.fail("asked again")) == folder
    with pytest.raises(NotFound):
        cases.write(case_set("meter", [case(9)]), tmp_path, lambda name: (_ for _ in ()).throw(NotFound(name)))
    assert [one.name for one in tmp_path.iterdir()] == [folder.name], "a folder is whole or not there"
    arrays = {inputs.digest(npy(np.full(2, k))): npy(np.full(2, k)) for k in (3, 4)}
    both = [case(k, label=str(k), content=content) for k, content in zip((3, 4), arrays.values(), strict=True)]
    loaded = np.load(cases.write(case_set("meter", both), tmp_path, arrays.__getitem__) / cases.ARRAYS)
    assert loaded["x"].tolist() == [[3, 3], [4, 4]]
    assert loaded["y"].tolist() == [3, 4]


# --- the hub -------------------------------------------------------------------------------------


def test_over_http_it_is_the_same(erring: Plant) -> None:
    erring.judged(3)
    home = hubs.at_home(erring.database)
    version = NewVersion(
        name="2", model_digest="sha256:" + "b" * 64, metrics={"accuracy": 0.9}, data_digest="sha256:" + "c" * 64
    )
    with serving(erring.database) as client:
        token = head(erring.database, Role.PUBLISHER)["Authorization"].removeprefix("Bearer ")
        away = hubs.over_http(str(client.base_url), token)
        assert away.reviewed("meter") == home.reviewed("meter")
        digest = home.reviewed("meter")[0].input_digest
        assert away.content(digest) == home.content(digest)
        with pytest.raises(NotFound):
            away.content("sha256:" + "0" * 64)
        assert away.versions("meter") == []
        away.register("meter", version)
        assert away.versions("meter") == home.versions("meter")
        with pytest.raises(Conflict):
            home.register("meter", version)
    assert next_version(home.versions("meter"), "1") == "3"
    assert next_version([{"name": "main"}], "1") == "2"
