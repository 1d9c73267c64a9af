"""Where workers run: the machine at hand, or a device that measures for a plan made elsewhere.

What is asked of a place is asked of the machine that the figures will be about: its load, its free memory, its
energy. `Here` is this machine; `edgewise.design.device` has the other one.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from edgewise.runtimes import child
from edgewise.runtimes.child import Child

WORKER = "edgewise.runtimes.worker"


class Worker(Protocol):
    """A process that loads one model and runs it; `runtimes/worker.py` says what it answers to."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def call(self, command: str, *, timeout_s: float, **arguments: Any) -> Any:
        """Answer to `command`.

        Raises:
            ChildFailed: the worker answered with an error, died, or took longer than `timeout_s`.
            DeviceLost: the device that it runs on is gone.
        """

    def log(self) -> str:
        """The newest of what the worker wrote to its standard error."""

    def close(self) -> None:
        """End the worker."""


class Place(Protocol):
    """A machine that runs workers. Several threads may use it at once."""

    @property
    def cores(self) -> int:
        """How many workers may well start side by side."""
        ...

    def start(self, *, name: str, prefix: tuple[str, ...] = ()) -> Worker:
        """A worker that has loaded nothing yet.

        Args:
            name: what it is called in messages.
            prefix: what to run Python under, e.g. an emulator; only this machine takes one.

        Raises:
            ChildFailed: it could not be started.
            DeviceLost: the device is gone.
        """

    def load_average(self) -> float:
        """One-minute load average."""

    def available_bytes(self) -> int:
        """Memory that is free for new work."""

    def kill_all(self) -> None:
        """End every worker at once; whoever waits for one gets an error."""


class Here:
    """The machine at hand."""

    @property
    def cores(self) -> int:
        """Cores of this machine."""
        return os.cpu_count() or 1

    def start(self, *, name: str, prefix: tuple[str, ...] = ()) -> Child:
        """A worker as a child of this process."""
        return Child(WORKER, name=name, prefix=prefix)

    def load_average(self) -> float:
        """As the kernel has it."""
        return os.getloadavg()[0]

    def available_bytes(self) -> int:
        """As the kernel has it; a GiB where it does not say."""
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return 1 << 30

    def kill_all(self) -> None:
        """End every child of this process, toolchains included."""
        child.kill_all()


HERE = Here()
