"""Where long work is, on stderr: bars on a terminal, plain lines when piped, JSON lines, or nothing."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from edgewise.cli._say import clean
from edgewise.cli.config import ProgressMode
from edgewise.progress import SILENT, Progress

QUIET_SECONDS = 5.0


@contextlib.contextmanager
def drawing(mode: ProgressMode) -> Iterator[Progress]:
    """A listener that draws in `mode` until the block ends."""
    match mode:
        case ProgressMode.NONE:
            yield SILENT
        case ProgressMode.JSON:
            yield JsonLines(sys.stderr)
        case ProgressMode.AUTO if Console(stderr=True).is_terminal:
            with Drawn(Console(stderr=True)) as bars:
                yield bars
        case _:
            lines = PlainLines(sys.stderr)
            yield lines
            lines.end()


class JsonLines:
    """A line of JSON for every stage and step: `{"stage", "done", "total", "note"}`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._stage, self._done = "", 0
        self._total: int | None = None

    def stage(self, name: str, total: int | None) -> None:
        """See `edgewise.progress.Progress`."""
        with self._lock:
            self._stage, self._done, self._total = name, 0, total
            self._write("")

    def step(self, note: str = "", *, amount: int = 1) -> None:
        """See `edgewise.progress.Progress`."""
        with self._lock:
            self._done += amount
            self._write(note)

    def _write(self, note: str) -> None:
        line = {"stage": self._stage, "done": self._done, "total": self._total, "note": note}
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()


class PlainLines:
    """A line where a stage starts and ends, and at most one every few seconds between."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._stage: str | None = None
        self._total: int | None = None
        self._done = 0
        self._started = self._spoken = 0.0

    def stage(self, name: str, total: int | None) -> None:
        """See `edgewise.progress.Progress`."""
        with self._lock:
            self._close()
            self._stage, self._total, self._done = name, total, 0
            self._started = self._spoken = self._clock()
            self._write(f"{name}: started" + (f", {total} to do" if total else ""))

    def step(self, note: str = "", *, amount: int = 1) -> None:
        """See `edgewise.progress.Progress`."""
        with self._lock:
            self._done += amount
            if self._clock() - self._spoken >= QUIET_SECONDS:
                self._spoken = self._clock()
                self._write(f"{self._stage}: {self._count()}{f', {note}' if note else ''}")

    def end(self) -> None:
        """The last stage is over."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._stage is not None:
            seconds = self._clock() - self._started
            count = f", {self._count()}" if self._done else ""
            self._write(f"{self._stage}: done{count} in {seconds:.1f} s")
            self._stage = None

    def _count(self) -> str:
        return f"{self._done} of {self._total}" if self._total else str(self._done)

    def _write(self, line: str) -> None:
        self._stream.write(clean(line).replace("\n", " ") + "\n")
        self._stream.flush()


class Drawn:
    """A bar a stage, with count, time so far and time to go; finished stages stay on the screen."""

    def __init__(self, screen: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
            console=screen,
        )
        self._task = self._bars.add_task("", visible=False, note="")

    def __enter__(self) -> "Drawn":
        self._bars.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            self._finish()
        self._bars.stop()

    def stage(self, name: str, total: int | None) -> None:
        """See `edgewise.progress.Progress`."""
        self._finish()
        self._task = self._bars.add_task(clean(name), total=total, note="")

    def step(self, note: str = "", *, amount: int = 1) -> None:
        """See `edgewise.progress.Progress`."""
        self._bars.update(self._task, advance=amount, note=Text(clean(note)).plain[:40])

    def _finish(self) -> None:
        task = next(task for task in self._bars.tasks if task.id == self._task)
        self._bars.update(self._task, total=task.completed if task.total is None else task.total, note="")
        self._bars.stop_task(self._task)
