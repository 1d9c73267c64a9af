"""A blob that arrives: written to a file beside the blobs, which outlives a break, and renamed when it is whole.

What is there already is hashed again before more is asked for, so a damaged rest costs a second try and never a wrong
blob. One process at a time writes a partial file; whoever comes second waits, and finds the blob there.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgewise.errors import StoreCorrupt, StoreFull, WrongBytes
from edgewise.store import atomic
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.place import CHUNK_BYTES, Chunks, Moved

FOLDER = ".edgewise-partial"
POLL_SECONDS = 0.05
FULL = (errno.ENOSPC, errno.EDQUOT)


def receive(folder: Path, target: Path, blob: Descriptor, chunks: Chunks, moved: Moved) -> None:
    """Write `blob` to `target`, or leave what came of it below `folder` for the next time.

    Raises:
        WrongBytes: what came is not `blob`; nothing of it is kept.
        StoreFull: no room for it; nothing of it is kept.
        StoreUnusable: any other trouble of the file system.
    """
    path = folder / FOLDER / blob.digest.removeprefix("sha256:")
    try:
        with _claimed(path) as file:
            if is_whole(target, blob):  # another process was quicker
                path.unlink()
                moved(blob.size_bytes)
                return
            try:
                _fill(file, folder, blob, chunks, moved)
                atomic.settle(file, path, target, read_only=True)
            except (StoreFull, StoreCorrupt, WrongBytes):
                _forget(path)
                raise
    except OSError as error:
        if error.errno in FULL:  # told when the file was claimed, not when it was written
            _forget(path)
        raise atomic.explain(error, path) from error


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def kept_bytes(folder: Path, blob: Descriptor) -> int:
    """How much of `blob` an earlier try left below `folder`; it is looked at when the next one goes on."""
    try:
        return min(blob.size_bytes, (folder / FOLDER / blob.digest.removeprefix("sha256:")).stat().st_size)
    except OSError:
        return 0


def is_whole(path: Path, blob: Descriptor) -> bool:
    """Whether there is a file of the right length. Its bytes are looked at where they are used."""
    try:
        return path.stat().st_size == blob.size_bytes
    except OSError:
        return False


def _fill(file: BinaryIO, folder: Path, blob: Descriptor, chunks: Chunks, moved: Moved) -> None:
    found, size = _kept(file, blob)
    if shutil.disk_usage(folder).free < blob.size_bytes - size:
        raise StoreFull(
            f"{blob.digest} needs {blob.size_bytes - size} bytes, and {folder} has not as many", hint="free some space"
        )
    moved(size)
    began = size
    for chunk in chunks(size) if size < blob.size_bytes or not size else ():
        size += len(chunk)
        if size > blob.size_bytes:
            break
        found.update(chunk)
        _write(file, chunk, folder)
        moved(len(chunk))
    if size == blob.size_bytes and f"sha256:{found.hexdigest()}" == blob.digest:
        return
    if not began:
        raise WrongBytes(
            f"{blob.digest} came as {size} bytes with sha256:{found.hexdigest()}; it should have {blob.size_bytes}",
            hint="it was thrown away; tell whoever runs the place that it came from",
        )
    moved(-min(size, blob.size_bytes))
    file.seek(0)
    file.truncate()  # what was kept may have been the damaged part
    _fill(file, folder, blob, chunks, moved)


def _write(file: BinaryIO, chunk: bytes, folder: Path) -> None:
    """Apart, so that a full disk is known as such while the file can still be removed."""
    try:
        file.write(chunk)
    except OSError as error:
        raise atomic.explain(error, folder / FOLDER) from error


def _kept(file: BinaryIO, blob: Descriptor) -> tuple["hashlib._Hash", int]:
    """The hash and length of what an earlier try left in `file`, which then stands at its end."""
    found, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        found.update(chunk)
        size += len(chunk)
    if size > blob.size_bytes:
        file.seek(0)
        file.truncate()
        return hashlib.sha256(), 0
    return found, size


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[BinaryIO]:
    """The partial file, for us alone; a file that was renamed or removed while we waited is not the one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
        try:
            file = path.open("r+b")
        except FileNotFoundError:  # its last owner was done with it just now
            continue
        with file:
            if _ours(file, path):
                yield file
                return
        time.sleep(POLL_SECONDS)


def _ours(file: BinaryIO, path: Path) -> bool:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(file.fileno()), path.stat()
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        return True  # a file system without locks: the check at the end still holds
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
