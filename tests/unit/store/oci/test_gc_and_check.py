"""What is reached stays, what is damaged is found."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.errors import Busy, EdgewiseError, StoreCorrupt
from edgewise.store import atomic, lock
from edgewise.store.oci.check import check, damaged_blobs
from edgewise.store.oci.documents import Manifest
from edgewise.store.oci.gc import collect
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.partial import FOLDER
from edgewise.store.oci.place import document, read
from edgewise.store.steps import Store
from fakes import images


def later() -> float:
    return time.time() + 7200


def reads_whole(layout: Layout, name: str) -> bool:
    pending = [layout.resolve(name)]
    while pending:
        blob = pending.pop()
        if len(read(layout, blob)) != blob.size_bytes:
            return False
        pending += document(layout, blob).needs if blob.is_document else ()
    return True


class TestCollect:
    def test_takes_what_no_name_reaches_and_no_more(self, layout: Layout) -> None:
        images.image(layout, "app:1", layers=[{"shared": b"s"}, {"old": b"o"}])
        before = images.all_digests(layout)
        images.image(layout, "app:1", layers=[{"shared": b"s"}, {"new": b"n"}])
        old = before - {blob.digest for blob in _all_of(layout, "app:1")}
        done = collect(layout, now=later)
        assert set(done.digests) == old
        assert len(old) == 3  # manifest, config and one layer
        assert done.kept == len(images.all_digests(layout)) == 4
        assert reads_whole(layout, "app:1")

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def test_never_takes_what_a_name_reaches(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        layout = Layout(tmp_path_factory.mktemp("gc"))
        layers = st.lists(st.sampled_from([{"a": b"a"}, {"b": b"b"}, {"c": b"c"}]), max_size=3)
        made = [images.image(layout, layers=data.draw(layers)) for _ in range(data.draw(st.integers(1, 4)))]
        named = {}
        for number, one in enumerate(made):
            if data.draw(st.booleans()):
                layout.tag(f"app:{number}", one)
                named[f"app:{number}"] = one
        if data.draw(st.booleans()):
            images.index(layout, "all", made)
            named["all"] = layout.resolve("all")
        reached = {blob.digest for name in named for blob in _all_of(layout, name)}
        collect(layout, now=later)
        assert images.all_digests(layout) == reached
        assert all(reads_whole(layout, name) for name in named)

    def test_keeps_signatures_as_long_as_what_they_sign(self, layout: Layout) -> None:
        made = images.image(layout, "app:1")
        signed = images.signature(layout, made)
        images.signature(layout, signed, b"signed twice")
        assert collect(layout, now=later).digests == ()
        layout.untag("app:1")
        collect(layout, now=later)
        assert images.all_digests(layout) == set()
        assert layout.entries() == ()

    def test_keeps_what_steps_need(self, layout: Layout) -> None:
        store = Store(layout.folder)
        kept, lost = store.blobs.put(b"kept"), store.blobs.put(b"lost")
        store.record("step", 1, blobs=(kept,))
        assert collect(layout, now=later).digests == (lost,)
        assert store.recall("step") == 1
        store.forget()
        assert collect(layout, now=later).digests == (kept,)

    def test_keeps_what_images_of_steps_need(self, layout: Layout) -> None:
        """A build's record names the manifest, and not its layers."""
        made = images.image(layout)
        json_of_a_step = Store(layout.folder).blobs.put(b'{"no": "image"}')
        Store(layout.folder).record("build", 1, blobs=(made.digest, json_of_a_step))
        assert collect(layout, now=later).digests == ()
        assert document(layout, made).needs

    def test_keeps_signatures_that_were_put_beside(self, layout: Layout, other: Layout) -> None:
        made = images.image(layout, "app:1")
        signed = images.signature(other, made)
        for digest in images.all_digests(other):
            layout.blobs.put(other.blobs.get(digest))
        assert layout.referrers(made.digest) == ()
        layout.enter(signed)
        layout.enter(made)
        assert [one.digest for one in layout.referrers(made.digest)] == [signed.digest]
        assert collect(layout, now=later).digests == ()
        assert list(layout.references()) == ["app:1"]

    def test_keeps_what_is_young(self, layout: Layout) -> None:
        young = images.keep(layout, b"on its way", "application/octet-stream")
        assert collect(layout).digests == ()
        assert collect(layout, dry_run=True, now=later).digests == (young.digest,)
        assert layout.has(young)

    def test_takes_the_rests_of_who_was_killed(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        rests = [layout.folder / FOLDER / ("0" * 64), layout.folder / "blobs/sha256" / f"{atomic.TEMPORARY_PREFIX}1"]
        mine = layout.folder / "blobs/sha256/mine.txt"
        for path in (*rests, mine):
            path.write_bytes(b"rest")
        assert collect(layout, now=later).freed_bytes == 8
        assert not any(path.exists() for path in rests)
        assert mine.exists()

    def test_removes_nothing_where_a_document_cannot_be_read(self, layout: Layout) -> None:
        made = images.image(layout, "app:1")
        images.keep(layout, b"garbage", "application/octet-stream")
        before = images.all_digests(layout)
        path = layout.blobs.path(made.digest)
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"layers", b"layerz"))
        with pytest.raises(EdgewiseError):
            collect(layout, now=later)
        assert images.all_digests(layout) == before
        path.unlink()
        with pytest.raises(StoreCorrupt, match="which has a name"):
            collect(layout, now=later)

    def test_waits_for_nobody_and_disturbs_nobody(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        with layout.held(), layout.held(), pytest.raises(Busy):
            collect(layout)
        (layout.folder / "steps").mkdir()
        with lock.alone(layout.folder, "plan"), pytest.raises(Busy, match="another plan is running"):
            collect(layout)


class TestCheck:
    def test_a_whole_layout_has_no_faults(self, layout: Layout) -> None:
        images.index(layout, "app:1", [images.image(layout), images.image(layout, platform=images.ARM64)])
        images.signature(layout, layout.resolve("app:1"))
        checked = check(layout)
        assert checked.findings == checked.notes == ()
        assert (checked.names, checked.blobs) == (1, len(images.all_digests(layout)))
        assert check(Layout(layout.folder / "nothing")).findings == ()

    def test_no_flipped_bit_goes_unseen(self, layout: Layout) -> None:
        """Every bit of the layout's own files and of every document; of the layer a sample."""
        images.signature(layout, images.image(layout, "registry.example/team/app:1"))
        Store(layout.folder).record(
            "step", {"figure": 0.25}, blobs=(layout.resolve("registry.example/team/app:1").digest,)
        )
        files = sorted(path for path in layout.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        assert {path.name for path in files} >= {"oci-layout", "index.json", "step.json"}
        chosen = random.Random(7)
        for path in files:
            content = path.read_bytes()
            path.chmod(0o644)
            bits = range(8 * len(content))
            sampled = bits if path.name in ("oci-layout", "index.json") else chosen.sample(bits, min(60, len(bits)))
            for bit in sampled:
                flipped = bytearray(content)
                flipped[bit // 8] ^= 1 << bit % 8
                path.write_bytes(flipped)
                assert check(layout).findings, (path.name, bit)
            path.write_bytes(content)
        assert check(layout).findings == ()

    def test_names_what_is_damaged_and_what_is_missing(self, layout: Layout) -> None:
        made = images.image(layout, "app:1", layers=[{"a": b"a"}, {"b": b"b"}])
        manifest = document(layout, made)
        assert isinstance(manifest, Manifest)
        layout.blobs.path(manifest.layers[0].digest).unlink()
        damaged = layout.blobs.path(manifest.layers[1].digest)
        damaged.chmod(0o644)
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
        checked = check(layout)
        assert damaged_blobs(checked) == [manifest.layers[1].digest]
        assert [one.where for one in checked.findings] == [f"blobs/sha256/{damaged.name}", "app:1"]
        assert f"{manifest.layers[0].digest} is missing" in checked.findings[1].problem

    def test_says_where_another_tool_wrote_last(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        path = layout.folder / "index.json"
        path.write_bytes(b'{"schemaVersion":2,' + path.read_bytes()[1:].replace(b',"schemaVersion":2', b""))
        checked = check(layout)
        assert checked.findings == ()
        assert "another tool" in checked.notes[0]

    def test_changes_nothing(self, layout: Layout) -> None:
        images.image(layout, "app:1")
        path = layout.blobs.path(layout.resolve("app:1").digest)
        path.chmod(0o644)
        path.write_bytes(b"damaged")
        before = {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in layout.folder.rglob("*") if one.is_file()}
        assert check(layout).findings
        assert {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in before} == before


def _all_of(layout: Layout, name: str) -> list[images.Descriptor]:
    pending, found = [layout.resolve(name)], []
    while pending:
        blob = pending.pop()
        found.append(blob)
        pending += document(layout, blob).needs if blob.is_document else ()
    return found


def test_paths_of_findings_are_inside(layout: Layout) -> None:
    images.image(layout, "app:1")
    path = layout.blobs.path(layout.resolve("app:1").digest)
    path.chmod(0o644)
    path.write_bytes(b"x")
    assert not any(Path(one.where).is_absolute() for one in check(layout).findings)
