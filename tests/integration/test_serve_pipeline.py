"""Steps of edge.yaml around a model that was planned: served, built and fetched; and what is said of wrong ones."""

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from edgewise.build.compress import Compression
from edgewise.build.strategies.fetch import fetch
from edgewise.build.strategies.model import ModelFolder, model_layer
from edgewise.errors import BadModel
from edgewise.flow import build, record
from edgewise.flow.served import served
from edgewise.nouns import Plan
from edgewise.runtimes.protocol import Fixed, loader
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from fakes.serve_process import ServerProcess, exchange, request
from integration.test_plan import Place

STEPS = """
from typing import Annotated

import numpy as np

Pixels = Annotated[np.ndarray, "uint8[1, 3, 12, 12]"]


def scale(pixels: Pixels) -> Annotated[np.ndarray, "x: float32[1, 3, 12, 12]"]:
    if not pixels.any():
        raise ValueError("all is dark")
    return pixels.astype(np.float32) / np.float32(255)


def best(
    y: Annotated[np.ndarray, "float32[1, 5]"],
) -> tuple[Annotated[np.ndarray, "label: int64[1]"], Annotated[np.ndarray, "score: float32[1]"]]:
    return y.argmax(axis=1), y.max(axis=1)


def wide(pixels: Pixels) -> Annotated[np.ndarray, "x: float64[1, 3, 12, 12]"]:
    return pixels / 255


def elsewhere(
    pixels: Pixels, depth: Annotated[np.ndarray, "float32[1, 12, 12]"]
) -> Annotated[np.ndarray, "x: float32[1, 3, 12, 12]"]:
    return pixels.astype(np.float32)


def unsaid(pixels):
    return pixels


def liar(pixels: Pixels) -> Annotated[np.ndarray, "x: float32[1, 3, 12, 12]"]:
    return pixels.astype(np.float32)[:, :, :-1]
"""
GOOD = ("steps.py:scale", "model", "steps.py:best")
PIXELS = np.random.default_rng(2).integers(1, 255, (1, 3, 12, 12)).astype(np.uint8)


@pytest.fixture(scope="module")
def place(planned: tuple[Place, Plan], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The plan of all tests, with steps around its model."""
    here, made = planned
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    shutil.copytree(here.folder, folder)
    (folder / "steps.py").write_text(STEPS)
    copied = Place(folder)
    stepped(copied, *GOOD)
    record.remember(copied.project, made, Store(copied.store))
    return copied


def stepped(place: Place, *steps: str) -> Path:
    """An edge.yaml with these steps."""
    place.write()
    path = place.folder / "edge.yaml"
    path.write_text(path.read_text() + f"serve:\n  steps: [{', '.join(steps)}]\n")
    return path


@pytest.fixture(scope="module")
def fetched(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `build` makes of it, as a device fetches it."""
    stepped(place, *GOOD)
    given = served(place.project, place.project.sites[0], Store(place.store))
    build.build_model(given, "subject/model:1", folder=place.store)
    folder = tmp_path_factory.mktemp("fetched") / "subject"
    fetch(Layout(place.store), "subject/model:1", folder)
    return folder


@pytest.fixture(scope="module")
def server(fetched: Path) -> Iterator[ServerProcess]:
    with ServerProcess(fetched) as started:
        assert started.ready["ready"] is True, started.ready
        yield started


def label_and_score(server: ServerProcess) -> tuple[Any, Any]:
    tensor = triton.InferInput("pixels", list(PIXELS.shape), "UINT8")
    tensor.set_data_from_numpy(PIXELS)
    with triton.InferenceServerClient(server.netloc) as client:
        found = client.infer("subject", [tensor])
    return found.as_numpy("label"), found.as_numpy("score")


def expected(place: Place) -> Any:
    """What the planned model says of the scaled pixels, without any server."""
    store = Store(place.store)
    model = served(place.project, place.project.sites[0], store).model
    x = PIXELS.astype(np.float32) / 255
    path = place.folder / model.files[0].name
    path.write_bytes(store.blobs.get(model.files[0].digest))
    load = loader(model.configuration.runtime)
    fixed = Fixed(shapes=[x.shape], axes={})
    return load(path, threads=1, options=model.configuration.options, fixed=fixed).run([x])[0]


def test_what_is_built_answers_with_its_steps_around_the_model(place: Place, server: ServerProcess) -> None:
    label, score = label_and_score(server)
    y = expected(place)
    np.testing.assert_array_equal(label, y.argmax(axis=1))
    np.testing.assert_allclose(score, y.max(axis=1), rtol=1e-3)


def test_clients_see_what_the_first_step_takes_and_the_last_one_gives(server: ServerProcess) -> None:
    with triton.InferenceServerClient(server.netloc) as client:
        found = client.get_model_metadata("subject")
    assert [(one["name"], one["datatype"], one["shape"]) for one in found["inputs"] + found["outputs"]] == [
        ("pixels", "UINT8", [1, 3, 12, 12]), ("label", "INT64", [1]), ("score", "FP32", [1]),
    ]  # fmt: skip
    assert found["platform"] == "pipeline"


def test_the_command_serves_the_same_of_edge_yaml(place: Place, server: ServerProcess) -> None:
    path = stepped(place, *GOOD)
    with ServerProcess(path, "--store", place.store, module="edgewise", verb="serve") as started:
        assert started.ready["ready"] is True
        for mine, theirs in zip(label_and_score(started), label_and_score(server), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_an_image_has_the_steps_beside_the_model(place: Place) -> None:
    stepped(place, *GOOD)
    store = Store(place.store)
    given = served(place.project, place.project.sites[0], store)
    folder = ModelFolder(model=given.model, document=given.document, precision="fp32", parameters=1)
    packed = model_layer(folder, store, mtime=0, compression=Compression.NONE)
    with tarfile.open(fileobj=io.BytesIO(store.blobs.get(packed.digest))) as tar:
        names = {Path(one.name).name: one for one in tar.getmembers() if one.isfile()}
        assert {"model.json", "golden.npz", "steps.py", given.model.files[0].name} == set(names)
        content = tar.extractfile(names["steps.py"])
        assert content is not None
        assert content.read().decode() == STEPS


@pytest.mark.parametrize(
    ("kind", "pixels", "status", "said"),
    [
        ("FP32", PIXELS, 400, "the input pixels takes UINT8, and got FP32"),
        ("UINT8", PIXELS[:, :2], 400, "takes the shape"),
        ("UINT8", PIXELS * 0, 500, "all is dark"),
    ],
)
def test_who_is_to_blame_for_a_request_that_fails(
    server: ServerProcess, kind: str, pixels: Any, status: int, said: str
) -> None:
    tensor = {"name": "pixels", "datatype": kind, "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    with server.connect() as connection:
        asked = request("POST", "/v2/models/subject/infer", json.dumps({"inputs": [tensor]}).encode())
        found, _, body = exchange(connection, asked)
    assert found == status
    assert said in json.loads(body)["error"]
    label_and_score(server)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (("steps.py:unsaid", "model"), "steps.py:unsaid does not say what pixels is"),
        (("steps.py:nothing", "model"), "steps.py has no function 'nothing'"),
        (("steps.py:scale", "model", "steps.py:elsewhere"), "takes 'depth', which no step before it gives"),
        (("steps.py:wide", "model"), r"takes float32\[1, 3, 12, 12\], and x is float64\[1, 3, 12, 12\]"),
    ],
)
def test_a_step_that_does_not_fit_is_told_before_anything_is_built(
    place: Place, steps: tuple[str, ...], said: str
) -> None:
    stepped(place, *steps)
    with pytest.raises(BadModel, match=said):
        served(place.project, place.project.sites[0], Store(place.store))


def test_a_step_that_gives_something_else_than_it_declares_is_named(place: Place, tmp_path: Path) -> None:
    stepped(place, "steps.py:liar", "model")
    given = served(place.project, place.project.sites[0], Store(place.store))
    build.build_model(given, "subject/liar:1", folder=place.store)
    fetch(Layout(place.store), "subject/liar:1", tmp_path / "liar")
    tensor = triton.InferInput("pixels", list(PIXELS.shape), "UINT8")
    tensor.set_data_from_numpy(PIXELS)
    with (
        ServerProcess(tmp_path / "liar") as started,
        triton.InferenceServerClient(started.netloc) as client,
        pytest.raises(Exception, match=r"the step steps\.py:liar gave float32\[1, 3, 11, 12\]"),
    ):
        client.infer("subject", [tensor])
