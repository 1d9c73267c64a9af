"""A disk that fails, or takes its process with it, at any one of the writes that are made on it.

Writes are counted: opening for writing, writing, truncating, flushing, fsync, chmod, rename, unlink, mkdir. After a
death everything fails, clearing up included: a dead process clears nothing up.
"""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest


class Killed(BaseException):
    """The process is dead; no `except Exception` and no suppressed OSError sees it."""


class DyingDisk:
    """Fails at the write number `at`, counted from 1 in the order of the clock; never if it is 0.

    Args:
        code: errno of the failure; None: the process dies there, half of a write done.
    """

    def __init__(self, at: int, code: int | None = None) -> None:
        self.at, self.code = at, code
        self.count = 0
        self._lock = threading.Lock()

    @property
    def reached(self) -> bool:
        """Whether the failure has happened."""
        return 0 < self.at <= self.count

    def step(self, half: Callable[[], object] = lambda: None) -> None:
        """One write; `half` does a part of it."""
        with self._lock:
            self.count += 1
            now = self.count
        if self.at and now == self.at:
            half()
            if self.code is not None:
                raise OSError(self.code, os.strerror(self.code))
            raise Killed
        if self.at and now > self.at and self.code is None:
            raise Killed

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put every write through `step`."""
        for owner, name in ((os, "fsync"), (os, "fchmod"), (os, "ftruncate"), (os, "pwrite")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))
        for name in ("replace", "unlink", "mkdir"):
            monkeypatch.setattr(Path, name, self._counted(getattr(Path, name)))
        real = Path.open

        def opened(path: Path, mode: str = "r", *arguments: Any, **how: Any) -> Any:
            if not set(mode) & set("wxa+"):
                return real(path, mode, *arguments, **how)
            self.step()
            return _File(real(path, mode, *arguments, **how), self)

        monkeypatch.setattr(Path, "open", opened)
        real_flock = fcntl.flock
        monkeypatch.setattr(fcntl, "flock", lambda file, how: real_flock(getattr(file, "fileno", lambda: file)(), how))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **how: Any) -> Any:
            self.step()
            return real(*arguments, **how)

        return call


class _File:
    """A file whose writes are counted; each reaches the disk at once."""

    def __init__(self, inner: BinaryIO, disk: DyingDisk) -> None:
        self._inner, self._disk = inner, disk

    def write(self, content: bytes) -> int:
        def half() -> None:
            self._inner.write(content[: len(content) // 2])
            self._inner.flush()

        self._disk.step(half)
        done = self._inner.write(content)
        self._inner.flush()
        return done

    def truncate(self, *size: int) -> int:
        self._disk.step()
        return self._inner.truncate(*size)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
