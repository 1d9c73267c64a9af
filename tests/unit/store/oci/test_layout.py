"""A folder of images: names, blobs, several writers at once, a USB stick."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.errors import (
    BadManifest,
    BadReference,
    NotFound,
    RegistryUnreachable,
    StoreCorrupt,
    StoreUnusable,
    WrongBytes,
)
from edgewise.store.oci import documents
from edgewise.store.oci import layout as layouts
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.partial import FOLDER
from edgewise.store.oci.place import document, read
from fakes import images
from fakes.sticks import exfat


def test_lies_as_the_specification_has_it(layout: Layout) -> None:
    made = images.image(layout, "app:1")
    assert (layout.folder / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    entry = json.loads((layout.folder / "index.json").read_bytes())["manifests"][0]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "app:1"}
    assert entry["digest"] == made.digest
    assert entry["platform"] == {"architecture": "amd64", "os": "linux"}
    assert images.all_digests(layout) >= {made.digest}


class TestNames:
    def test_stand_for_what_was_tagged_last(self, layout: Layout) -> None:
        first, second = images.image(layout, "app:1"), images.image(layout, "app:2", layers=[{"a": b"a"}])
        layout.tag("app:1", second)
        assert {name: one.digest for name, one in layout.references().items()} == {
            "app:1": second.digest,
            "app:2": second.digest,
        }
        assert layout.resolve(first.digest).digest == first.digest

    def test_that_are_not_there_are_said_with_the_nearest(self, layout: Layout) -> None:
        with pytest.raises(NotFound, match="no OCI image layout"):
            layout.resolve("app:1")
        images.image(layout, "app:1")
        with pytest.raises(NotFound) as caught:
            layout.resolve("app:2")
        assert "did you mean app:1?" in caught.value.hint
        with pytest.raises(NotFound, match=r"no sha256:0"):
            layout.resolve("sha256:" + "0" * 64)

    def test_may_be_left_out_where_there_is_one_image(self, layout: Layout) -> None:
        made = images.image(layout, "app:1")
        assert layout.resolve("").digest == made.digest
        images.image(layout, "app:2", layers=[])
        with pytest.raises(NotFound, match="holds 2 images"):
            layout.resolve("")

    def test_can_be_forgotten(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        layout.untag("app:1")
        assert layout.references() == {}
        with pytest.raises(NotFound):
            layout.untag("app:1")

    def test_never_stand_for_what_is_not_there(self, layout: Layout, other: Layout) -> None:
        made = images.image(other, "app:1")
        with pytest.raises(StoreCorrupt, match="is not in"):
            layout.tag("app:1", made)
        with pytest.raises(BadReference):
            other.tag("app 1", made)

    def test_of_other_tools_stay(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        path = layout.folder / "index.json"
        index = json.loads(path.read_bytes())
        theirs = {
            **index["manifests"][0],
            "annotations": {"theirs": "kept"},
            "platform": {"os": "x", "architecture": "y"},
        }
        path.write_text(json.dumps({"schemaVersion": 2, "manifests": [theirs]}))
        images.image(layout, "app:2", layers=[])
        kept = json.loads(path.read_bytes())["manifests"][0]
        assert (kept["annotations"], kept["platform"]["os"]) == ({"theirs": "kept"}, "x")


class TestBadFolders:
    @pytest.mark.parametrize("version", ["1.1.0", "", None, 1])
    def test_of_another_version(self, layout: Layout, version: object) -> None:
        layout.folder.mkdir()
        (layout.folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": version}))
        with pytest.raises(BadManifest, match="of version"):
            layout.entries()

    def test_with_a_broken_index(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        (layout.folder / "index.json").write_bytes(b"{")
        with pytest.raises(BadManifest, match="no JSON"):
            layout.resolve("app:1")

    def test_that_are_something_else(self, layout: Layout) -> None:
        layout.folder.mkdir()
        (layout.folder / "index.json").write_bytes(b"{}")
        with pytest.raises(StoreUnusable, match=r"no oci-layout"):
            images.image(layout, "app:1")


class TestBlobs:
    def test_that_are_damaged_are_never_handed_on_whole(self, layout: Layout) -> None:
        content = bytes(range(256)) * 8192
        blob = images.keep(layout, content, "application/octet-stream")
        path = layout.blobs.path(blob.digest)
        path.chmod(0o644)
        path.write_bytes(content[:-1] + b"x")
        came = []
        with pytest.raises(StoreCorrupt, match="is damaged"):
            came.extend(layout.fetch(blob))
        assert len(b"".join(came)) < len(content)
        assert path.exists()

    def test_of_the_wrong_length_are_not_there(self, layout: Layout) -> None:
        blob = images.keep(layout, b"whole", "application/octet-stream")
        layout.blobs.path(blob.digest).chmod(0o644)
        layout.blobs.path(blob.digest).write_bytes(b"cut")
        assert not layout.has(blob)
        layout.push(blob, lambda start: iter([b"whole"[start:]]))
        assert read(layout, blob) == b"whole"

    def test_that_are_not_what_they_should_be_are_not_kept(self, layout: Layout) -> None:
        blob = documents.descriptor_of(b"right", "application/octet-stream")
        for wrong in (b"wrong", b"righ", b"right, and more", b""):
            with pytest.raises(WrongBytes):
                layout.push(blob, lambda start, wrong=wrong: iter([wrong[start:]]))
            assert not layout.has(blob)
        assert list((layout.folder / FOLDER).iterdir()) == []

    def test_go_on_where_they_broke_off(self, layout: Layout) -> None:
        blob = documents.descriptor_of(b"0123456789", "application/octet-stream")
        asked, moved = [], []

        def breaks(start: int) -> Iterator[bytes]:
            asked.append(start)
            yield b"0123456789"[start : start + 4]
            raise RegistryUnreachable("gone")

        def whole(start: int) -> Iterator[bytes]:
            asked.append(start)
            yield b"0123456789"[start:]

        for _ in range(2):
            with pytest.raises(RegistryUnreachable):
                layout.push(blob, breaks)
        layout.push(blob, whole, moved.append)
        assert asked == [0, 4, 8]
        assert moved == [8, 2]
        assert read(layout, blob) == b"0123456789"

    def test_whose_rest_is_damaged_come_anew(self, layout: Layout) -> None:
        blob = documents.descriptor_of(b"0123456789", "application/octet-stream")
        rest = layout.folder / FOLDER / blob.digest.removeprefix("sha256:")
        rest.parent.mkdir(parents=True)
        for damage in (b"012x", b"0123456789 and more", b"x123456789"):
            rest.write_bytes(damage)
            moved: list[int] = []
            layout.push(blob, lambda start: iter([b"0123456789"[start:]]), moved.append)
            assert sum(moved) == 10
            assert read(layout, blob) == b"0123456789"
            layout.blobs.path(blob.digest).unlink()


def test_two_that_want_the_same_blob_fetch_it_once(layout: Layout) -> None:
    """Locks are those of open files, so threads with a layout each are as far apart as processes."""
    blob = documents.descriptor_of(b"0123456789", "application/octet-stream")
    fetched, begun, go_on = [], threading.Event(), threading.Event()

    def slowly(start: int) -> Iterator[bytes]:
        fetched.append(start)
        yield b"01234"
        begun.set()
        assert go_on.wait(10)
        yield b"56789"

    first = threading.Thread(target=lambda: layout.push(blob, slowly))
    moved: list[int] = []
    second = threading.Thread(target=lambda: Layout(layout.folder).push(blob, slowly, moved.append))
    first.start()
    assert begun.wait(10)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    go_on.set()
    first.join(10)
    second.join(10)
    assert fetched == [0]
    assert moved == [10]
    assert read(layout, blob) == b"0123456789"


def test_referrers_are_found(layout: Layout) -> None:
    made = images.image(layout, "app:1")
    signed = images.signature(layout, made)
    found = layout.referrers(made.digest)
    assert [one.digest for one in found] == [signed.digest]
    assert found[0].artifact_type == "application/vnd.example.signature"
    assert layout.referrers(signed.digest) == ()
    assert document(layout, found[0]).subject is not None


WRITER = """
import sys
from pathlib import Path
from edgewise.store.oci.layout import Layout
from fakes import images
layout = Layout(Path(sys.argv[1]))
for number in range(5):
    layers = [{"shared": b"s" * 100_000}, {"own": sys.argv[2].encode()}]
    images.image(layout, f"app:{sys.argv[2]}.{number}", layers=layers)
"""


def test_several_processes_may_name_images_at_once(layout: Layout) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(layout.folder), str(number)], env=environment)
        for number in range(4)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert set(layout.references()) == {f"app:{one}.{number}" for one in range(4) for number in range(5)}
    assert layouts.is_unchanged((layout.folder / "index.json").read_bytes())
    for one in layout.references().values():
        for needed in document(layout, one).needs:
            assert len(read(layout, needed)) == needed.size_bytes
    assert list((layout.folder / FOLDER).iterdir()) == []


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    with exfat(tmp_path, 40 << 20) as mounted:
        yield mounted


def test_a_usb_stick_is_a_folder_like_any_other(layout: Layout, other: Layout, stick: Path) -> None:
    made = images.image(layout, "registry.example/plant/app:1", layers=[{"big": os.urandom(300_000)}])
    usb = Layout(stick / "images")
    copy(layout, usb, "registry.example/plant/app:1")
    usb.tag("again", usb.resolve("registry.example/plant/app:1"))
    copy(usb, other, "again")
    assert other.resolve("again").digest == made.digest
    assert images.all_digests(usb) == images.all_digests(layout) == images.all_digests(other)


class _Fat:
    """What FAT does to who wants to change permissions, links or owners."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        for name in ("fchmod", "chmod", "link", "symlink", "chown"):
            monkeypatch.setattr(os, name, refuse)


def test_needs_no_permissions_and_no_links(layout: Layout, other: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    _Fat(monkeypatch)
    made = images.image(layout, "app:1")
    copy(layout, other, "app:1")
    assert other.resolve("app:1").digest == made.digest
