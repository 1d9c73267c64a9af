"""From the last plan to a model folder: what a server takes, and whether its golden means anything."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.design import evaluate
from edgewise.errors import BadData, NoFeasibleDesign, NotFound, NotServable
from edgewise.flow import record
from edgewise.flow.served import lay_out, served
from edgewise.nouns import Plan, RuntimeName, ServedModel
from edgewise.runtimes import served as served_models
from edgewise.runtimes.protocol import Fixed, loader
from edgewise.store.blobs import digest_of, digest_of_file
from edgewise.store.steps import Store
from integration.test_plan import Place


@pytest.fixture(scope="module")
def served_here(planned: tuple[Place, Plan], tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Plan]:
    """The plan of all tests, in a folder whose records may be changed."""
    here, made = planned
    folder = tmp_path_factory.mktemp("served") / "project"
    shutil.copytree(here.folder, folder)
    copied = Place(folder)
    copied.write()
    record.remember(copied.project, made, Store(copied.store))
    return copied, made


def folder_of(here: Place, into: Path) -> tuple[Path, ServedModel]:
    store = Store(here.store)
    folder = lay_out(served(here.project, here.project.sites[0], store), into, store)
    return folder, served_models.read((folder / served_models.NAME).read_bytes())


def reproduced(folder: Path, model: ServedModel, **options: str) -> bool:
    """Whether a session as model.json says, with `options` besides, gives the golden's answers."""
    assert model.golden is not None
    with np.load(folder / model.golden.file.name) as golden:
        x, y = golden["x0"], golden["y0"]
    load = loader(model.configuration.runtime)
    session = load(
        folder / model.files[0].name,
        threads=model.configuration.threads,
        options={**model.configuration.options, **options},
        fixed=Fixed(shapes=[(1, *x.shape[1:])], axes={}),
    )
    answers = np.concatenate([session.run([x[row : row + 1]])[0] for row in range(len(x))])
    return bool(np.all(np.abs(answers - y) <= model.golden.absolute + model.golden.relative * np.abs(y)))


def test_the_folder_is_what_model_json_says(served_here: tuple[Place, Plan], tmp_path: Path):
    here, made = served_here
    folder, model = folder_of(here, tmp_path / "model")
    assert (model.name, model.version, model.design) == ("subject", "1", made.choice)
    assert model.golden is not None
    for file in (*model.files, model.golden.file):
        path = folder / file.name
        assert (digest_of_file(path), path.stat().st_size) == (file.digest, file.size_bytes)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        {"model.json", "golden.npz", *(file.name for file in model.files)}
    )
    with np.load(folder / "golden.npz") as golden:
        assert len(golden["x0"]) == len(golden["y0"]) == 16


def test_the_same_plan_gives_the_same_bytes(served_here: tuple[Place, Plan]):
    here, _ = served_here
    store = Store(here.store)
    one, other = (served(here.project, here.project.sites[0], store) for _ in range(2))
    assert one.document == other.document
    assert one.digest == digest_of(one.document)
    assert served(here.project, here.project.sites[0], store, version="2").digest != one.digest


def test_every_design_reproduces_its_golden_by_other_kernels_too(served_here: tuple[Place, Plan], tmp_path: Path):
    """Rounded otherwise, by a graph that is not optimised: within tolerance. Another model's answers are not."""
    here, made = served_here
    seen = set()
    try:
        for number, verdict in enumerate(verdict for verdict in made.verdicts if verdict.feasible):
            record.remember(here.project, replace(made, choice=verdict.design.name), Store(here.store))
            folder, model = folder_of(here, tmp_path / str(number))
            seen.add(model.configuration.runtime)
            assert reproduced(folder, model), verdict.design.name
            assert reproduced(folder, model, graph="off"), verdict.design.name
            assert model.golden is not None
            with np.load(folder / "golden.npz") as golden:
                y = golden["y0"]
            off = np.abs(np.roll(y, 1, axis=0) - y) - model.golden.relative * np.abs(y)
            assert off.max() > 2 * model.golden.absolute, f"{verdict.design.name}: a golden that anything reproduces"
    finally:
        record.remember(here.project, made, Store(here.store))
    assert RuntimeName.ONNXRUNTIME in seen


def test_predictions_of_the_plan_are_not_made_again(served_here: tuple[Place, Plan], monkeypatch: pytest.MonkeyPatch):
    here, _ = served_here
    monkeypatch.setattr(evaluate, "_run", lambda *_: pytest.fail("ran again"))
    served(here.project, here.project.sites[0], Store(here.store))


def test_what_cannot_be_served_is_told(served_here: tuple[Place, Plan]):
    here, made = served_here
    store, project = Store(here.store), here.project
    with pytest.raises(NotFound, match="no plan"):
        served(replace(project, path=here.folder / "other.yaml"), project.sites[0], store)
    try:
        record.remember(project, replace(made, choice=None), store)
        with pytest.raises(NoFeasibleDesign):
            served(project, project.sites[0], store)
        first = made.verdicts[0]
        npu = replace(first.design.configuration, runtime=RuntimeName.VELA)
        verdict = replace(first, design=replace(first.design, configuration=npu))
        record.remember(project, replace(made, verdicts=(verdict, *made.verdicts[1:])), store)
        with pytest.raises(NotServable, match="vela"):
            served(project, project.sites[0], store)
        record.remember(project, replace(made, data=replace(made.data, digest=digest_of(b"other"))), store)
        with pytest.raises(BadData, match="last plan"):
            served(project, project.sites[0], store)
    finally:
        record.remember(project, made, store)
