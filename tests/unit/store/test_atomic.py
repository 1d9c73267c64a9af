"""Old or new, never neither: whatever fails while a file is written."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgewise.errors import EdgewiseError, StoreFull, StoreUnusable
from edgewise.store import atomic
from edgewise.store.blobs import Blobs, digest_of
from edgewise.store.steps import Store
from fakes.disk import STEPS, Break, leftovers
from fakes.needed import missing

OLD, NEW = b"old" * 5000, b"new" * 7000


def test_writes_what_it_is_given_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    atomic.write(path, OLD)
    atomic.write(path, NEW)
    assert path.read_bytes() == NEW
    assert leftovers(tmp_path) == []


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write(path, OLD)

    def write_half() -> None:
        with atomic.replacing(path) as file:
            file.write(NEW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_bytes() == OLD
    assert leftovers(tmp_path) == []


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write(path, OLD)
    with atomic.replacing(path) as file:
        file.write(NEW[:9000])
        file.flush()
        assert path.read_bytes() == OLD
        file.write(NEW[9000:])
    assert path.read_bytes() == NEW


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        (errno.ENOSPC, StoreFull, 40),
        (errno.EDQUOT, StoreFull, 40),
        (errno.EACCES, StoreUnusable, 42),
        (errno.EROFS, StoreUnusable, 42),
        (errno.EIO, StoreUnusable, 42),
    ],
    ids=lambda value: errno.errorcode.get(value) if isinstance(value, int) else None,
)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_leaves_old_or_new_and_no_rest(
    tmp_path: Path, break_step: Break, step: str, code: int, error: type[EdgewiseError], exit_code: int
) -> None:
    path = tmp_path / "file"
    atomic.write(path, OLD)
    break_step(step, code)
    with pytest.raises(error) as caught:
        atomic.write(path, NEW)
    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    assert str(tmp_path) in caught.value.message
    assert path.read_bytes() == (NEW if step.endswith("folder") else OLD)
    assert leftovers(tmp_path) == []


def put(folder: Path) -> None:
    Blobs(folder).put(NEW)


def put_file(folder: Path) -> None:
    Blobs(folder).put_file(folder / "source")


def record(folder: Path) -> None:
    Store(folder).record("step", {"new": NEW.decode()})


def lay_out(folder: Path) -> None:
    Blobs(folder).lay_out(digest_of(OLD), folder / "source")


@pytest.mark.parametrize("write", [put, put_file, record, lay_out])
@pytest.mark.parametrize("step", STEPS)
def test_every_writer_of_the_store_keeps_what_was_there(
    tmp_path: Path, break_step: Break, step: str, write: Callable[[Path], None]
) -> None:
    store = Store(tmp_path)
    old = store.blobs.put(OLD)
    store.record("step", {"old": 1}, blobs=(old,))
    (tmp_path / "source").write_bytes(NEW)
    break_step(step, errno.ENOSPC)
    with pytest.raises(StoreFull):
        write(tmp_path)
    assert leftovers(tmp_path) == []
    assert store.blobs.get(old) == OLD
    assert store.recall("step") in ({"old": 1}, {"new": NEW.decode()})
    if not step.endswith("folder"):
        assert store.recall("step") == {"old": 1}
        assert (tmp_path / "source").read_bytes() == NEW
        assert digest_of(NEW) not in store.blobs


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(StoreUnusable, match="cannot be used"):
        atomic.write(tmp_path / "folder" / "file", NEW)


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(StoreUnusable, match="Is a directory"):
        atomic.write(tmp_path / "file", NEW)
    assert leftovers(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        missing("a small tmpfs (root with mount)" + (f": {done.stderr.strip()}" if done else ""))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    store = Store(small_disk)
    kept: list[str] = []

    def fill() -> None:
        for number in range(100):
            kept.append(store.blobs.put(bytes([number]) * 3000))
            store.record(f"step-{number}", number, blobs=(kept[-1],))

    with pytest.raises(StoreFull, match="no space left"):
        fill()
    assert 3 <= len(kept) <= 20
    assert [len(store.blobs.get(digest)) for digest in kept] == [3000] * len(kept)
    assert leftovers(small_disk) == []
    store.blobs.path(kept.pop(0)).unlink()
    assert store.blobs.put(b"there is room again") in store.blobs
