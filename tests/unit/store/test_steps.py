"""What was computed once is not computed again; a record that can be read is whole."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import StoreUnusable
from edgewise.store import atomic
from edgewise.store.blobs import digest_of
from edgewise.store.steps import SCRATCH, Store, key
from fakes.disk import Start, leftovers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def file_of(store: Store, step: str) -> Path:
    return store.folder / "steps" / f"{step}.json"


class TestKey:
    def test_depends_on_every_part_and_on_no_order(self) -> None:
        assert key("plan", a=1, b="x") == key("plan", b="x", a=1)
        others = [key("plan", a=2, b="x"), key("plan", a=1, b="y"), key("plan", a=1), key("drop", a=1, b="x")]
        assert len({key("plan", a=1, b="x"), *others}) == 5

    def test_is_its_name_and_a_digest(self) -> None:
        name, _, digest = key("plan", a=[1, {"b": None}]).partition("-")
        assert name == "plan"
        assert len(digest) == 64

    def test_what_has_no_value_of_its_own_is_refused(self) -> None:
        with pytest.raises(ValueError, match="JSON compliant"):
            key("plan", a=float("nan"))


class TestRecords:
    @given(JSON)
    def test_survive_as_they_were(self, tmp_path_factory: pytest.TempPathFactory, record: Any) -> None:
        folder = tmp_path_factory.getbasetemp() / "any-record"
        Store(folder).record("step", record)
        assert Store(folder).recall("step") == record

    def test_of_another_kind_come_back_as_json_has_them(self, store: Store) -> None:
        store.record("step", {10: (1, 2), 9: "a"})
        assert store.recall("step") == {"10": [1, 2], "9": "a"}

    def test_that_never_were_are_none(self, store: Store) -> None:
        assert store.recall("step") is None

    def test_take_the_place_of_older_ones(self, store: Store) -> None:
        store.record("step", 1)
        store.record("step", 2)
        assert store.recall("step") == 2

    def test_without_one_of_their_blobs_are_none(self, store: Store) -> None:
        kept, lost = store.blobs.put(b"kept"), store.blobs.put(b"lost")
        store.record("step", 1, blobs=(kept, lost))
        assert store.recall("step") == 1
        store.blobs.path(lost).unlink()
        assert store.recall("step") is None
        store.blobs.put(b"lost")
        assert store.recall("step") == 1

    def test_that_cannot_be_read_are_said(self, store: Store) -> None:
        file_of(store, "step").mkdir(parents=True)
        with pytest.raises(StoreUnusable, match="Is a directory"):
            store.recall("step")


class TestDamagedRecords:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda _: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content + b"}",
            lambda content: content.replace(b"0.25", b"0.75"),
            lambda content: content.replace(b'"kept"', b'"kepT"'),
            lambda _: b"\xff\xfe",
            lambda _: b"null",
            lambda _: b"[]",
            lambda _: b"{}",
            lambda _: b'{"step": "step", "record": 1, "blobs": 5, "digest": "x"}',
            lambda _: b'{"step": "step", "record": 1, "blobs": [5], "digest": 5}',
            lambda _: b"[" * 100_000,
        ],
    )
    def test_are_none_and_make_way(self, store: Store, damage: Callable[[bytes], bytes]) -> None:
        store.record("step", {"kept": 0.25})
        path = file_of(store, "step")
        content = path.read_bytes()
        assert damage(content) != content
        path.write_bytes(damage(content))
        assert store.recall("step") is None
        assert not path.exists()

    def test_no_flipped_bit_goes_unseen(self, store: Store) -> None:
        record = {"latency_ms": [0.25, 1.5], "name": "a"}
        blob = store.blobs.put(b"blob")
        store.record("step", record, blobs=(blob,))
        path = file_of(store, "step")
        content = path.read_bytes()
        for bit in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            assert store.recall("step") in (None, record)

    def test_a_record_under_the_name_of_another_step_is_none(self, store: Store) -> None:
        store.record("one", 1)
        file_of(store, "one").rename(file_of(store, "two"))
        assert store.recall("two") is None


class TestScratch:
    def test_is_on_the_stores_own_file_system_and_goes_away(self, store: Store) -> None:
        digest = store.blobs.put(b"model")
        with store.scratch() as folder:
            store.blobs.lay_out(digest, Path(folder) / "model.onnx")
            assert Path(folder).stat().st_dev == store.folder.stat().st_dev
        assert not Path(folder).exists()
        assert digest in store.blobs

    def test_an_unusable_folder_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "store").write_bytes(b"a file")
        with pytest.raises(StoreUnusable) as caught:
            Store(tmp_path / "store").scratch()
        assert caught.value.exit_code == 42

    def test_an_unwritable_folder_is_said(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("tempfile.mkdtemp", refuse)
        with pytest.raises(StoreUnusable, match="Permission denied"):
            store.scratch()


class TestSweep:
    def test_removes_what_killed_processes_left(self, store: Store) -> None:
        blob = store.blobs.put(b"blob")
        store.record("step", 1, blobs=(blob,))
        for folder in ("steps", "blobs/sha256"):
            (store.folder / folder / f"{atomic.TEMPORARY_PREFIX}1-abc").write_bytes(b"half")
        abandoned = store.folder / SCRATCH / "abandoned"
        abandoned.mkdir(parents=True)
        (abandoned / "model.onnx").write_bytes(b"half")
        store.sweep()
        assert leftovers(store.folder) == []
        assert not abandoned.exists()
        assert store.recall("step") == 1

    def test_touches_nothing_that_is_not_the_stores(self, tmp_path: Path) -> None:
        """A person may point EDGEWISE_STORE at a home folder."""
        mine = [tmp_path / "tmp" / "thesis.odt", tmp_path / "work" / f"{atomic.TEMPORARY_PREFIX}notes"]
        for path in mine:
            path.parent.mkdir()
            path.write_bytes(b"mine")
        Store(tmp_path).sweep()
        assert [path.read_bytes() for path in mine] == [b"mine"] * 2

    def test_of_a_store_that_is_not_there_yet_does_nothing(self, store: Store) -> None:
        store.sweep()
        assert not store.folder.exists()


KILLS = 30


def test_a_process_killed_at_any_moment_leaves_only_whole_records(tmp_path: Path, start: Start) -> None:
    store = Store(tmp_path)
    moments = random.Random(4)
    seen = 0
    for _ in range(KILLS):
        writer = start("record", tmp_path)
        time.sleep(moments.uniform(0, 0.03))
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        for path in (tmp_path / "steps").glob("*.json"):
            assert json.loads(path.read_bytes())
            record = store.recall(path.stem)
            assert record is not None
            assert digest_of(record["payload"].encode()) == record["digest"]
            assert store.blobs.get(record["digest"]) == record["payload"].encode()
            seen += 1
    assert seen > KILLS
    store.sweep()
    assert leftovers(tmp_path) == []
