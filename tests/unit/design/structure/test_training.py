"""train.py in its own process: what it declares, what it makes, and what goes wrong in it."""

import io
from pathlib import Path

import onnx
import pytest

from edgewise.design.structure import training
from edgewise.design.structure.training import Job
from edgewise.errors import BadTraining, NotFound
from fakes import trainings

ONE = {"width": 4, "depth": 1, "resolution": 8, "pruning": 0.0}


def job(function: str = "fit", *, timeout_s: float = 60.0, **changed: object) -> Job:
    return Job(function=function, structure=ONE | changed, seed=0, timeout_s=timeout_s)


def written(folder: Path, text: str) -> Path:
    path = folder / "train.py"
    path.write_text(text)
    return path


def test_it_consists_of_its_modules_and_the_files_it_names(tmp_path: Path):
    project = trainings.project(tmp_path)
    (tmp_path / "unrelated.py").write_text("raise SystemExit")
    found = training.look(project.train)
    assert set(found.files) == {"train.py", "network.py", "waves.py", "accidents.py", "settings.json"}
    assert (found.builds, found.space.size) == (True, 24)


def test_any_of_its_bytes_changes_the_digest_and_nothing_else_does(tmp_path: Path):
    project = trainings.project(tmp_path / "a")
    digest = training.look(project.train).digest
    assert training.look(trainings.project(tmp_path / "b").train).digest == digest
    (tmp_path / "a" / "unrelated.txt").write_text("x")
    assert training.look(project.train).digest == digest
    (tmp_path / "a" / "settings.json").write_text('{"noise": 0.81}')
    assert training.look(project.train).digest != digest


def test_build_and_fit_make_graphs_of_one_shape_and_pruning_is_in_both(tmp_path: Path):
    found = training.look(trainings.project(tmp_path).train)
    shapes = []
    for function in ("build", "fit"):
        made = training.run(found, job(function, width=16, pruning=0.5))
        assert made.failure == ""
        model = onnx.load(io.BytesIO(made.files[0][1]))
        shapes.append([list(tensor.dims) for tensor in model.graph.initializer])
    assert shapes[0] == shapes[1]
    assert [8, 8] in shapes[0]
    assert "fine-tuned to a loss of" in made.log


def test_the_same_structure_gives_the_same_bytes(tmp_path: Path):
    found = training.look(trainings.project(tmp_path).train)
    assert training.run(found, job()).files == training.run(found, job()).files


def test_unseeded_numpy_draws_from_the_seed(tmp_path: Path):
    source = (
        'STRUCTURE = {"a": [1]}\n'
        "import numpy as np, random\n"
        "def fit(structure):\n"
        "    print(np.random.random(), random.random())\n"
        '    return "none.onnx"\n'
    )
    found = training.look(written(tmp_path, source))
    logs = [
        training.run(found, Job(function="fit", structure={"a": 1}, seed=seed, timeout_s=60)).log for seed in (0, 0, 1)
    ]
    first, again, other = (log.splitlines()[0] for log in logs)
    assert first == again != other


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "cannot be imported: division by zero"),
        ("raise SystemExit(3)", "cannot be imported: .*exit code 3"),
        ("STRUCTURE = {'a': [1]}", "has no function fit"),
        ("def fit(structure): ...", "declares no dimension"),
        ("STRUCTURE = {'a': {1, 2}}\ndef fit(structure): ...", "the range of a is"),
        ("STRUCTURE = {'a': [1]}\nFILES = ['../x']\ndef fit(structure): ...", "FILES names ../x"),
    ],
)
def test_a_train_py_that_cannot_be_used(tmp_path: Path, source: str, says: str):
    with pytest.raises(BadTraining, match=says):
        training.look(written(tmp_path, source))


def test_files_that_are_not_there(tmp_path: Path):
    with pytest.raises(NotFound, match="there is no training at"):
        training.look(tmp_path / "train.py")
    with pytest.raises(NotFound, match=r"FILES names x\.npz, and there is no such file"):
        training.look(written(tmp_path, "STRUCTURE = {'a': [1]}\nFILES = ['x.npz']\ndef fit(structure): ..."))


@pytest.mark.parametrize(
    ("body", "says", "lasting"),
    [
        ("raise ValueError('the loss is not finite')", "the loss is not finite", True),
        ("return None", "fit returned NoneType, not the path", True),
        ("return 'gone.onnx'", "there is no such file", True),
        ("open('model.onnx', 'w').write('no'); return 'model.onnx'", "fit made no model", True),
        ("open('data.csv')", "a training sees copies of train.py", True),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL", False),
        ("import os; os._exit(7)", "exit code 7", False),
        ("import time; time.sleep(60)", "no answer to call in 2 s", True),
    ],
)
def test_what_goes_wrong_is_a_failure_with_a_sentence(tmp_path: Path, body: str, says: str, lasting: bool):
    source = f"STRUCTURE = {{'a': [1]}}\ndef fit(structure):\n    print('about to')\n    {body}\n"
    found = training.look(written(tmp_path, source))
    made = training.run(found, Job(function="fit", structure={"a": 1}, seed=0, timeout_s=2))
    assert says in made.failure
    assert (made.lasting, made.files) == (lasting, ())
    assert "about to" in made.log
