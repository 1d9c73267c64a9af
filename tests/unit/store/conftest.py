"""A disk that fails when told to, and processes that write until they are killed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import disk, writing


@pytest.fixture
def break_step(monkeypatch: pytest.MonkeyPatch) -> disk.Break:
    """Makes one of `disk.STEPS` fail with an errno from now on."""
    return lambda step, code: disk.break_step(monkeypatch, step, code)


@pytest.fixture
def start() -> Iterator[disk.Start]:
    """Starts `fakes/writing.py` and waits until it has begun; whatever still runs afterwards is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(verb: str, folder: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, writing.__file__, verb, str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
