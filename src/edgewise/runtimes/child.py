"""The one door to child processes.

A child is a module of ours, run as `python -m MODULE`, that answers JSON lines: one command in on its
standard input, one answer out. Whatever it prints otherwise lands in its log. It runs in a session of its
own, so that Ctrl-C reaches the parent alone, which then ends its children.

A `Speaker` is a program of the user's that is asked nothing and prints (an energy meter).
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self
from weakref import WeakSet

from edgewise.errors import ChildFailed

LOG_BYTES = 64 << 10
GRACE_SECONDS = 2.0

_ENVIRONMENT = {
    "CI": "true",  # NNCF's telemetry asks nothing and sends nothing where it believes to run in CI
    "ORT_DISABLE_TELEMETRY": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "1",
}


_living: "WeakSet[Child]" = WeakSet()


def kill_all() -> None:
    """End every child at once; whoever waits for one gets ChildFailed."""
    for child in list(_living):
        child.kill()


class Child:
    """A child process that answers commands; a context manager that always ends it.

    Args:
        module: what runs, e.g. `edgewise.runtimes.worker`.
        name: what it is called in messages.
        prefix: what to run Python under, e.g. an emulator with its options.

    Raises:
        ChildFailed: it could not be started.
    """

    def __init__(self, module: str, *, name: str, prefix: tuple[str, ...] = ()) -> None:
        self._name = name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        try:
            self._process = subprocess.Popen(
                # -P: a json.py or numpy.py in the user's folder is the user's, not ours to import
                [*prefix, sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=os.environ | _ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise ChildFailed(f"{name} could not be started: {error.strerror or error}") from error
        self._pending = b""
        _living.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, command: str, *, timeout_s: float, **arguments: Any) -> Any:
        """Answer to `command`.

        Raises:
            ChildFailed: the child answered with an error, died, or took longer than `timeout_s`.
        """
        assert self._process.stdin is not None
        line = json.dumps({"command": command, "arguments": arguments}, allow_nan=False) + "\n"
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise self._died() from None
        answered = self._read_line(time.monotonic() + timeout_s, command, timeout_s)
        try:
            answer = json.loads(answered)
        except ValueError:
            self.kill()
            raise ChildFailed(f"{self._name} answered {command} with {answered[:60]!r}", log=self.log()) from None
        if "error" in answer:
            raise ChildFailed(answer["error"], log=self.log(), lasting=answer["lasting"])
        return answer["result"]

    def log(self) -> str:
        """The newest `LOG_BYTES` of what the child wrote to its standard error."""
        descriptor = self._log.fileno()
        start = max(0, os.fstat(descriptor).st_size - LOG_BYTES)  # never seek: the child writes at that offset
        return os.pread(descriptor, LOG_BYTES, start).decode(errors="replace")

    def close(self) -> None:
        """End the child: politely, then not."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def kill(self) -> None:
        """End the child at once; its log stays readable until `close`."""
        self._process.kill()
        self._process.wait()

    def _read_line(self, deadline: float, command: str, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._pending:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                self.kill()
                raise ChildFailed(f"{self._name} gave no answer to {command} in {timeout_s:g} s", log=self.log())
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                raise self._died()
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _died(self) -> ChildFailed:
        code = self._process.wait()
        if code < 0:
            cause = f"was ended by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                cause += " (out of memory?)"
        else:
            cause = f"ended with exit code {code}"
        return ChildFailed(f"{self._name} {cause}", log=self.log())


class Speaker:
    """A program that keeps printing; a context manager that always ends it, with what it has started.

    What it writes to its standard error is not kept. It reads nothing.

    Args:
        argv: the program and its arguments; no shell is asked.

    Raises:
        ChildFailed: it could not be started.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._name = argv[0]
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ChildFailed(f"{argv[0]} could not be started: {getattr(error, 'strerror', error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def output(self) -> int:
        """Descriptor of what it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def ended(self) -> str:
        """How it ended, after the end of its output."""
        try:
            code = self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"

    def close(self) -> None:
        """End the program: politely, then not; what it has started is ended too."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
