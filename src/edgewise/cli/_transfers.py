"""Where a copy is, layer by layer, on stderr: a bar each, a line each, JSON lines, or nothing."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from edgewise.cli.config import ProgressMode
from edgewise.store.oci.copy import SILENT, Transfers
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.place import How
from edgewise.units import SIZE, show

QUIET_SECONDS = 5.0
JSON_SECONDS = 0.2


@contextlib.contextmanager
def drawing(mode: ProgressMode) -> Iterator[Transfers]:
    """A listener that draws in `mode` until the block ends."""
    match mode:
        case ProgressMode.NONE:
            yield SILENT
        case ProgressMode.JSON:
            yield Lines(sys.stderr, as_json=True)
        case ProgressMode.AUTO if Console(stderr=True).is_terminal:
            bars = Bars(Console(stderr=True))
            with bars.progress:
                yield bars
        case _:
            yield Lines(sys.stderr)


class Lines:
    """A line for every blob that is there, and for one that takes long every few seconds.

    As JSON: `{"stage", "done", "total", "note"}`, the stage being the blob and the counts bytes.
    """

    def __init__(self, stream: TextIO, *, as_json: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._json = as_json
        self._clock = clock
        self._every_s = JSON_SECONDS if as_json else QUIET_SECONDS
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._spoken: dict[str, float] = {}

    def found(self, blobs: Sequence[Descriptor]) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        with self._lock:
            self._done = {blob.digest: 0 for blob in blobs}
            self._spoken = dict.fromkeys(self._done, self._clock())

    def moved(self, blob: Descriptor, amount: int) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        with self._lock:
            self._done[blob.digest] += amount
            if self._clock() - self._spoken[blob.digest] >= self._every_s:
                self._spoken[blob.digest] = self._clock()
                self._write(blob, "")

    def ended(self, blob: Descriptor, how: How) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        with self._lock:
            self._done[blob.digest] = blob.size_bytes
            self._write(blob, str(how))

    def _write(self, blob: Descriptor, note: str) -> None:
        done = self._done[blob.digest]
        if self._json:
            line = json.dumps({"stage": blob.digest, "done": done, "total": blob.size_bytes, "note": note})
        elif note:
            line = f"{short(blob)}: {size(blob.size_bytes)}, {note}"
        else:
            line = f"{short(blob)}: {size(done)} of {size(blob.size_bytes)}"
        self._stream.write(line + "\n")
        self._stream.flush()


class Bars:
    """A bar for every blob, with bytes and speed; it stays when it is full, and says how the blob came."""

    def __init__(self, screen: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TextColumn("{task.fields[how]}", markup=False, style="dim"),
            console=screen,
        )
        self._tasks: dict[str, TaskID] = {}

    def found(self, blobs: Sequence[Descriptor]) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        for blob in blobs:
            self._tasks[blob.digest] = self.progress.add_task(short(blob), total=blob.size_bytes, how="")

    def moved(self, blob: Descriptor, amount: int) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        self.progress.update(self._tasks[blob.digest], advance=amount)

    def ended(self, blob: Descriptor, how: How) -> None:
        """See `edgewise.store.oci.copy.Transfers`."""
        self.progress.update(self._tasks[blob.digest], completed=blob.size_bytes, how=str(how))


def short(blob: Descriptor) -> str:
    """What a person needs to see of a digest."""
    return blob.digest.removeprefix("sha256:")[:12]


def size(amount_bytes: int) -> str:
    """Bytes as a person reads them; whole ones without a fraction."""
    return f"{amount_bytes} B" if amount_bytes < 1 << 10 else show(amount_bytes, SIZE)


def some(number: int, word: str) -> str:
    """A number of things: "no blobs", "1 blob", "2 blobs"."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
