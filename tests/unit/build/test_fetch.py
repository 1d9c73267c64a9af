"""A model artifact as plain files: whole, checked, and inside the folder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.build.image import About
from edgewise.build.strategies import model as models
from edgewise.build.strategies.fetch import fetch
from edgewise.errors import BadImage, NotFound, StoreCorrupt, WrongBytes
from edgewise.store.oci import documents
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import MANIFEST, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.steps import Store
from fakes import images
from fakes.model_folders import WEIGHTS, model_folder
from fakes.registries import FakeRegistry, Fault


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A store whose model:1 is a model artifact."""
    store = Store(tmp_path / "store")
    given = model_folder(store)
    layout = Layout(store.folder)
    layout.tag("model:1", models.as_files(given, About(title="meter"), store))
    return layout


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as found:
        yield found


def test_the_files_and_the_digest(layout: Layout, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    digest = fetch(layout, "model:1", folder)
    assert (folder / "deep/weights.bin").read_bytes() == WEIGHTS[::-1]
    assert digest == documents.descriptor_of((folder / "model.json").read_bytes(), "").digest
    before = (folder / "model.onnx").stat().st_ino
    (folder / "deep/weights.bin").write_bytes(b"changed")
    assert fetch(layout, "model:1", folder) == digest
    assert (folder / "model.onnx").stat().st_ino == before, "what is there is not fetched again"
    assert (folder / "deep/weights.bin").read_bytes() == WEIGHTS[::-1]


def test_wrong_bytes_leave_no_model_json(layout: Layout, tmp_path: Path, registry: FakeRegistry) -> None:
    with Registry(registry.host, "model") as there:
        copy(layout, there, "model:1", to="1")
        registry.faults.append(Fault(when="GET .*blobs", times=99, flip=True))
        with pytest.raises(WrongBytes):
            fetch(there, "1", tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_damaged_store(layout: Layout, tmp_path: Path) -> None:
    manifest = documents.read(layout.blobs.get(layout.resolve("model:1").digest), MANIFEST)
    assert isinstance(manifest, Manifest)
    path = layout.blobs.path(manifest.layers[1].digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(StoreCorrupt):
        fetch(layout, "model:1", tmp_path / "out")
    assert not (tmp_path / "out/model.json").exists()


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "", "a\\b", "a//b", "."])
def test_names_that_climb_out(layout: Layout, tmp_path: Path, name: str) -> None:
    manifest = documents.read(layout.blobs.get(layout.resolve("model:1").digest), MANIFEST)
    assert isinstance(manifest, Manifest)
    first, *others = manifest.layers
    bad = replace(manifest, layers=(first, replace(others[0], annotations={models.FILEPATH: name})))
    layout.tag("bad", images.keep(layout, documents.canonical(bad.document()), MANIFEST))
    with pytest.raises(BadImage, match="leads out"):
        fetch(layout, "bad", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_model(layout: Layout, tmp_path: Path) -> None:
    images.image(layout, "app:1")
    with pytest.raises(BadImage, match="no model artifact"):
        fetch(layout, "app:1", tmp_path / "out")
    with pytest.raises(NotFound):
        fetch(layout, "nothing", tmp_path / "out")
