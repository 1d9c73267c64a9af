"""Who may work now: one alone, or several together. A lock dies with its process, however the process dies."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edgewise.errors import Busy
from edgewise.store import atomic

POLL_SECONDS = 0.2


@contextlib.contextmanager
def alone(
    folder: Path,
    name: str,
    *,
    wait: bool = False,
    poll_s: float = POLL_SECONDS,
    why: str = "two would disturb each other's timing",
) -> Iterator[None]:
    """Hold the lock `name` in `folder` for the length of the block.

    Args:
        wait: wait for the other process instead of giving up.
        why: the reason for the message, where `wait` is False.

    Raises:
        Busy: another process holds it; the message says which.
    """
    with _opened(folder, name) as (descriptor, path):
        while not _try(descriptor, path, fcntl.LOCK_EX):
            if not wait:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Busy(
                    f"another {name.lstrip('.')} is running here (process {holder}), and {why}",
                    hint="wait for it with --wait, or stop it",
                )
            time.sleep(poll_s)
        with contextlib.suppress(OSError):  # the number only serves the other's message
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


@contextlib.contextmanager
def together(folder: Path, name: str, *, poll_s: float = POLL_SECONDS) -> Iterator[None]:
    """Share the lock `name` in `folder` with others for the length of the block; waits for who holds it alone."""
    with _opened(folder, name) as (descriptor, path):
        while not _try(descriptor, path, fcntl.LOCK_SH):
            time.sleep(poll_s)
        yield


@contextlib.contextmanager
def _opened(folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    path = folder / f"{name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise atomic.explain(error, path) from error
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)


def _try(descriptor: int, path: Path, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network file system without locks
        raise atomic.explain(error, path) from error
    return True
