"""The one door to writing on disk: a crash at any instant leaves the old file or the new one.

Temporary file in the same folder, write, fsync, rename, fsync of the folder. Every step is a call in
this module, so that tests can make each of them fail.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from edgewise.errors import EdgewiseError, StoreFull, StoreUnusable

TEMPORARY_PREFIX = ".tmp-"
READ_ONLY = 0o444


def explain(error: OSError, path: Path) -> EdgewiseError:
    """`error` at `path`, as a sentence with a hint."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            f"no space left in {path.parent}", hint="free some space, or set EDGEWISE_STORE to another folder"
        )
    reason = error.strerror or str(error)
    return StoreUnusable(f"{path} cannot be used: {reason}", hint="check the folder's owner and permissions")


@contextlib.contextmanager
def replacing(path: Path, *, read_only: bool = False) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when the block ends without an error.

    Args:
        read_only: nobody may write to it afterwards.

    Raises:
        StoreFull: no space left; `path` is as it was.
        StoreUnusable: any other trouble of the file system; `path` is as it was, or new and whole where
            only the last step, the folder's fsync, failed.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if read_only:
                _protect(file)
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that cannot be written or is none has nothing to remove
            temporary.unlink()


def write(path: Path, content: bytes, *, read_only: bool = False) -> None:
    """Put `content` at `path`, whole or not at all."""
    with replacing(path, read_only=read_only) as file:
        file.write(content)


def settle(file: BinaryIO, temporary: Path, path: Path, *, read_only: bool = False) -> None:
    """Put the open `file`, which is at `temporary` and may have been written by several processes in turn, at `path`.

    Raises:
        StoreFull, StoreUnusable: as `replacing`; `temporary` is still there unless only the folder's fsync failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file.flush()
        if read_only:
            _protect(file)
        os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def _protect(file: BinaryIO) -> None:
    """Make the file read-only where the file system knows what that is; FAT on a USB stick does not."""
    with contextlib.suppress(PermissionError):
        os.fchmod(file.fileno(), READ_ONLY)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(path: Path, line: bytes, *, at: int) -> None:
    """Write `line` at the byte `at` of the file `path`, cut what stood after it, and see it on the disk.

    A crash leaves all before `at` as it was, and after it nothing, a part of `line`, or all of it.

    Raises:
        StoreFull, StoreUnusable: as `replacing`; what was before `at` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "xb") as file:
            file.truncate(at)
            file.seek(at)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if not at:
            _sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def point(link: Path, target: str) -> None:
    """Let the symbolic link `link` name `target`: by one rename, seen on the disk.

    Raises:
        StoreFull, StoreUnusable: as `replacing`.
    """
    temporary = link.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid4().hex}"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
        _sync_folder(link.parent)
    except OSError as error:
        raise explain(error, link) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def settle_folder(temporary: Path, folder: Path) -> None:
    """Let the folder `temporary`, whose files are on the disk, stand at `folder`, by one rename.

    Raises:
        StoreFull, StoreUnusable: as `replacing`.
    """
    try:
        for one in sorted((path for path in temporary.rglob("*") if path.is_dir()), reverse=True):
            _sync_folder(one)
        _sync_folder(temporary)
        temporary.replace(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        raise explain(error, folder) from error


def remove(path: Path) -> None:
    """Let the file or link `path` be gone, on the disk too. It may be gone already."""
    try:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain(error, path) from error
