"""Files arrive in pieces, are what their digest says, and never fill the disk."""

import errno
import os
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgewise.edge.bench import files as files_module
from edgewise.edge.bench.files import Files, OutOfStep
from edgewise.errors import BadInput, NotFound, StoreFull
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store

CONTENT = bytes(range(256)) * 20
DIGEST = digest_of(CONTENT)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(Store(tmp_path))


def send(files: Files, content: bytes, start: int, stop: int, *, digest: str = DIGEST) -> None:
    files.receive(digest, BytesIO(content[start:stop]).read, start=start, size=stop - start, total=len(content))


def test_pieces_become_the_file(files: Files, tmp_path: Path) -> None:
    send(files, CONTENT, 0, 1000)
    assert files.size(DIGEST) is None
    assert files.received(DIGEST) == 1000
    send(files, CONTENT, 1000, len(CONTENT))
    assert files.size(DIGEST) == len(CONTENT)
    assert files.path(DIGEST).read_bytes() == CONTENT
    files.lay_out(DIGEST, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_piece_that_breaks_off_is_kept_as_far_as_it_came(files: Files) -> None:
    files.receive(DIGEST, BytesIO(CONTENT[:700]).read, start=0, size=len(CONTENT), total=len(CONTENT))
    assert files.received(DIGEST) == 700
    send(files, CONTENT, 700, len(CONTENT))
    assert files.size(DIGEST) == len(CONTENT)


@pytest.mark.parametrize(("start", "stop"), [(10, 20), (0, 10)])
def test_a_piece_out_of_step_is_refused(files: Files, start: int, stop: int) -> None:
    send(files, CONTENT, 0, 5)
    with pytest.raises(OutOfStep, match="5 of"):
        send(files, CONTENT, start, stop)
    assert files.received(DIGEST) == 5


def test_what_has_another_digest_is_thrown_away(files: Files) -> None:
    other = CONTENT[:-1] + b"x"
    with pytest.raises(BadInput, match="another digest"):
        send(files, other, 0, len(other))
    assert files.size(DIGEST) is None
    assert files.received(DIGEST) == 0


def test_a_full_disk_costs_the_oldest_files_first(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = (files.keep(write(tmp_path / name, name.encode() * 100)) for name in ("old", "new"))
    os.utime(files.path(old), (1, 1))
    monkeypatch.setattr(shutil, "disk_usage", free(lambda: 1 << 40 if files.size(old) is None else 0))
    send(files, CONTENT, 0, len(CONTENT))
    assert files.size(old) is None
    assert files.size(new) is not None
    assert files.size(DIGEST) == len(CONTENT)


def test_a_disk_without_room_refuses_before_anything_is_written(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", free(lambda: files_module.RESERVE_BYTES))
    with pytest.raises(StoreFull, match="no room"):
        send(files, CONTENT, 0, len(CONTENT))
    assert files.received(DIGEST) == 0


def test_a_disk_that_fills_up_meanwhile_leaves_no_partial_file(files: Files) -> None:
    def read(size: int) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreFull):
        files.receive(DIGEST, read, start=0, size=10, total=10)
    assert files.received(DIGEST) == 0


def test_what_is_not_here_is_said(files: Files, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        files.lay_out(DIGEST, tmp_path / "x")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def free(bytes_: Callable[[], int]) -> Callable[[Path], SimpleNamespace]:
    return lambda _: SimpleNamespace(free=bytes_())
