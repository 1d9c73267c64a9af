"""One at a time, and never locked for ever."""

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from edgewise.errors import Busy, StoreUnusable
from edgewise.store import lock
from fakes.disk import Start


def test_who_comes_second_is_told_who_is_first(tmp_path: Path, start: Start) -> None:
    holder = start("hold", tmp_path)
    with (
        pytest.raises(Busy, match=rf"another plan is running here \(process {holder.pid}\)") as caught,
        lock.alone(tmp_path, "plan"),
    ):
        pass
    assert caught.value.exit_code == 43
    assert "--wait" in caught.value.hint


def test_holds_within_one_process_too(tmp_path: Path) -> None:
    with lock.alone(tmp_path, "plan"), pytest.raises(Busy, match=str(os.getpid())), lock.alone(tmp_path, "plan"):
        pass


def test_locks_of_other_names_and_folders_do_not_matter(tmp_path: Path) -> None:
    with lock.alone(tmp_path, "plan"), lock.alone(tmp_path, "demo"), lock.alone(tmp_path / "other", "plan"):
        assert (tmp_path / "other").is_dir()


def test_is_free_again_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.alone(tmp_path, "plan"):
        raise ZeroDivisionError
    with lock.alone(tmp_path, "plan"):
        assert (tmp_path / "plan.lock").read_text() == f"{os.getpid()}\n"


def test_dies_with_a_killed_process(tmp_path: Path, start: Start) -> None:
    holder = start("hold", tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with lock.alone(tmp_path, "plan"):
        assert (tmp_path / "plan.lock").read_text() == f"{os.getpid()}\n"


def test_waits_for_the_other_where_asked(tmp_path: Path, start: Start) -> None:
    holder = start("hold", tmp_path)
    threading.Timer(0.4, holder.kill).start()
    began = time.monotonic()
    with lock.alone(tmp_path, "plan", wait=True):
        assert time.monotonic() - began >= 0.3
    assert holder.wait() == -signal.SIGKILL


def test_a_holder_that_wrote_no_number_is_unknown(tmp_path: Path) -> None:
    with lock.alone(tmp_path, "plan"):
        (tmp_path / "plan.lock").write_bytes(b"")
        with pytest.raises(Busy, match="process unknown"), lock.alone(tmp_path, "plan"):
            pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnusable), lock.alone(tmp_path / "file" / "store", "plan"):
        pass


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreUnusable, match="No locks available"), lock.alone(tmp_path, "plan"):
        pass


def test_leaves_no_descriptor_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(20):
        with lock.alone(tmp_path, "plan"), pytest.raises(Busy), lock.alone(tmp_path, "plan"):
            pass
    assert open_files() == before
