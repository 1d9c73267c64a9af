"""`build`, `diff`, `inspect` and `explain strategy` on the command line."""

import json
from pathlib import Path

import pytest
from outcome import Run

from edgewise.build import sign
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from fakes import images

EDGE = """apiVersion: edgewise/v1
model: {name: meter, file: model.onnx, data: eval.npz}
sites:
  press-line: {machines: [this]}
  gate: {machines: [this], strategy: embedded}
"""


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """The store, with two versions of an image that share a layer; in the folder of an edge.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEWISE_STORE", str(tmp_path / "store"))
    (tmp_path / "edge.yaml").write_text(EDGE)
    layout = Layout(tmp_path / "store")
    for version in ("1", "2"):
        layers = [{"shared": b"s" * 5000}, {"model": version.encode() * 100}]
        images.index(layout, f"meter:{version}", [images.image(layout, layers=layers)])
    return layout


def test_what_would_be_built(layout: Layout, edgewise_command: Run) -> None:
    done = edgewise_command("build", "--dry-run", "-o", "json", "--platform", "arm64")
    assert done.code == 0
    press, gate = json.loads(done.out)
    assert press["names"] == {"inference": "meter/press-line:1", "model": "meter/press-line/model:1"}
    assert press["platforms"] == ["linux/arm64"]
    assert gate["names"] == {"inference": "meter/gate:1"}


def test_without_a_plan_there_is_nothing_to_build(layout: Layout, edgewise_command: Run) -> None:
    before = images.snapshot(layout)
    done = edgewise_command("build", "--base", "host")
    assert done.code == 18
    assert "there is no plan for site press-line yet" in done.err
    assert images.snapshot(layout) == before
    done = edgewise_command("explain", "strategy")
    assert done.code == 18
    assert "edgewise build edge.yaml --site press-line" in done.err


def test_a_platform_that_there_is_not(layout: Layout, edgewise_command: Run) -> None:
    done = edgewise_command("build", "--platform", "linux/s390x")
    assert done.code == 27
    assert "linux/amd64" in done.err


def test_diff_says_what_ships(layout: Layout, edgewise_command: Run) -> None:
    done = edgewise_command("diff", "meter:1", "meter:2", "-o", "json")
    assert done.code == 0
    (one,) = json.loads(done.out)
    assert [layer["ships"] for layer in one["layers"]] == [False, True, True, True]
    assert one["ships_bytes"] == sum(layer["size_bytes"] for layer in one["layers"] if layer["ships"])
    assert one["ships_bytes"] < one["whole_bytes"]
    same = json.loads(edgewise_command("diff", "meter:1", "meter:1", "-o", "json").out)
    assert same[0]["ships_bytes"] == 0
    assert edgewise_command("diff", "meter:1", "meter:9").code == 18


def test_inspect_of_an_image_checks_its_signature(layout: Layout, edgewise_command: Run, tmp_path: Path) -> None:
    private, public = sign.make_key(tmp_path / "key")
    store = Store(layout.folder)
    root = layout.resolve("meter:1")
    (single,) = json.loads(store.blobs.get(root.digest))["manifests"]
    for digest, kind in ((root.digest, root.media_type), (single["digest"], single["mediaType"])):
        subject = images.documents.Descriptor(media_type=kind, digest=digest, size_bytes=len(store.blobs.get(digest)))
        layout.enter(sign.sign(subject, "registry.example/meter", sign.read_key(private), store.blobs).manifest)
    done = edgewise_command("inspect", "meter:1", "--key", str(public))
    assert done.code == 0
    assert "by this key, as registry.example/meter" in " ".join(done.out.split())
    found = json.loads(edgewise_command("inspect", "meter:1", "-o", "json").out)
    assert found["digest"] == root.digest
    assert len(found["manifests"][0]["layers"]) == 2
    assert edgewise_command("inspect", "meter:2", "--key", str(public)).code == 27
    _, stranger = sign.make_key(tmp_path / "other")
    assert edgewise_command("inspect", "meter:1", "--key", str(stranger)).code == 27
