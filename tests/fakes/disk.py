"""Faults of the disk, on purpose: every step that writing a file takes can be made to fail."""

import io
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewise.store import atomic

STEPS = ("mkdir", "open", "write", "flush", "fsync", "replace", "open folder", "fsync folder")
"""What writing one file asks of the operating system, in its order."""

Break = Callable[[str, int], None]
Start = Callable[[str, Path], "subprocess.Popen[str]"]


def break_step(monkeypatch: pytest.MonkeyPatch, step: str, code: int) -> None:
    """Make one of `STEPS` fail with the errno `code` from now on."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    match step:
        case "mkdir" | "replace":
            monkeypatch.setattr(Path, step, fail)
        case "open" | "write" | "flush":
            monkeypatch.setattr(Path, "open", _opening(step, fail))
        case "open folder":
            monkeypatch.setattr(os, "open", _where(os.open, lambda _, flags, *__: flags & os.O_DIRECTORY, fail))
        case "fsync" | "fsync folder":
            wanted = step == "fsync folder"
            monkeypatch.setattr(
                os, "fsync", _where(os.fsync, lambda fd: stat.S_ISDIR(os.fstat(fd).st_mode) is wanted, fail)
            )
        case _:
            raise AssertionError(step)


def _opening(step: str, fail: Callable[..., None]) -> Callable[..., Any]:
    real = Path.open

    def opened(path: Path, mode: str = "r", **how: Any) -> Any:
        if mode != "xb":
            return real(path, mode, **how)
        if step == "open":
            return fail()
        broken = type("Broken", (io.BufferedWriter,), {step: fail})
        return broken(io.FileIO(path, "xb"))

    return opened


def _where(real: Callable[..., Any], chosen: Callable[..., object], fail: Callable[..., None]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return fail() if chosen(*arguments) else real(*arguments, **options)

    return call


def leftovers(folder: Path) -> list[Path]:
    """Temporary files anywhere below `folder`."""
    return list(folder.rglob(f"{atomic.TEMPORARY_PREFIX}*"))
