"""The disk fails, or the process is killed, at every write in turn: what the layout names is old or new, never half."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.errors import StoreFull, StoreUnusable
from edgewise.store.oci import documents, gc
from edgewise.store.oci.check import check
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import document, read
from fakes import images
from fakes.dying_disk import DyingDisk, Killed

OLD, NEW = [{"shared": b"s" * 3000}, {"old": b"old"}], [{"shared": b"s" * 3000}, {"new": b"new" * 40_000}]
MOST_WRITES = 400
Work = Callable[[Layout, Layout], None]


def pull(source: Layout, store: Layout) -> None:
    copy(source, store, "app", workers=1)


def tag(_: Layout, store: Layout) -> None:
    store.tag("app", store.resolve("next"))


def untag(_: Layout, store: Layout) -> None:
    store.untag("next")


def collect(_: Layout, store: Layout) -> None:
    gc.collect(store, grace_s=-1)


@pytest.fixture
def source(tmp_path: Path) -> Layout:
    source = Layout(tmp_path / "source")
    images.signature(source, images.image(source, "app", layers=NEW))
    return source


def prepared(folder: Path) -> Layout:
    """A store with an old image, one more to come, and garbage."""
    store = Layout(folder)
    images.image(store, "app", layers=OLD)
    images.image(store, "next", layers=[{"next": b"next"}])
    images.keep(store, b"garbage", "application/octet-stream")
    return store


def whole(store: Layout, name: str) -> str:
    """The digest that `name` stands for, everything that it needs having been read."""
    root = store.resolve(name)
    pending = [root]
    while pending:
        blob = pending.pop()
        assert len(read(store, blob)) == blob.size_bytes
        assert documents.descriptor_of(read(store, blob), blob.media_type).digest == blob.digest
        pending += document(store, blob).needs if blob.is_document else ()
    return root.digest


@pytest.mark.parametrize("code", [None, errno.ENOSPC, errno.EIO], ids=["killed", "ENOSPC", "EIO"])
@pytest.mark.parametrize("work", [pull, tag, untag, collect])
def test_old_or_new_at_every_write(tmp_path: Path, source: Layout, work: Work, code: int | None) -> None:
    for at in range(1, MOST_WRITES):
        store = prepared(tmp_path / f"store{at}")
        old, following = whole(store, "app"), whole(store, "next")
        allowed = {"pull": {old, source.resolve("app").digest}, "tag": {old, following}}.get(work.__name__, {old})
        disk = DyingDisk(at, code)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            try:
                work(source, store)
            except (Killed, StoreFull, StoreUnusable) as error:
                said = type(error)
            else:
                said = None
        assert said in (None, {None: Killed, errno.ENOSPC: StoreFull, errno.EIO: StoreUnusable}[code])
        assert whole(store, "app") in allowed, at
        assert work is untag or whole(store, "next") == following
        assert check(store).findings == (), at
        work(source, store) if "next" in store.references() else None
        if work is pull:
            assert whole(store, "app") == source.resolve("app").digest
            assert len(store.referrers(whole(store, "app"))) == 1
        if not disk.reached:
            break
    else:
        pytest.fail(f"more than {MOST_WRITES} writes")
    assert at > {"pull": 60, "tag": 6, "untag": 6, "collect": 2}[work.__name__]


def test_a_full_disk_leaves_no_rests(tmp_path: Path, source: Layout) -> None:
    store = prepared(tmp_path / "store")
    before = images.snapshot(store)
    disk = DyingDisk(12, errno.ENOSPC)
    with pytest.MonkeyPatch.context() as patch:
        disk.install(patch)
        with pytest.raises(StoreFull) as caught:
            pull(source, store)
    assert caught.value.exit_code == 40
    after = images.snapshot(store)
    assert {path: after[path] for path in before} == before
    assert list((store.folder / ".edgewise-partial").iterdir()) == []


def test_too_little_room_is_said_before_anything_is_fetched(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = documents.Descriptor(media_type="application/octet-stream", digest="sha256:" + "0" * 64, size_bytes=1 << 50)
    asked: list[int] = []
    with pytest.raises(StoreFull, match="has not as many"):
        layout.push(blob, lambda start: iter(asked.append(start) or ()))
    assert asked == []
