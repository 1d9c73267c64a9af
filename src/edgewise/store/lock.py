"""One at a time: a lock that dies with its process, however the process dies."""

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
def alone(folder: Path, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` in `folder` for the length of the block.

    Args:
        wait: wait for the other process instead of giving up.

    Raises:
        Busy: another process holds it; the message says which.
    """
    path = folder / f"{name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise atomic.explain(error, path) from error
    try:
        while not _try(descriptor, path):
            if not wait:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Busy(
                    f"another {name} is running here (process {holder}), and two would disturb each other's timing",
                    hint="wait for it with --wait, or stop it",
                )
            time.sleep(POLL_SECONDS)
        with contextlib.suppress(OSError):  # the number only serves the other's message
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network file system without locks
        raise atomic.explain(error, path) from error
    return True
