"""What Prometheus's clients tell of a process, read from /proc when somebody asks."""

import contextlib
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from edgewise.edge.serve.observe import families as known
from edgewise.edge.serve.observe.exposition import Value
from edgewise.edge.serve.observe.families import Family

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process:
    """This process, as /proc at `root` has it; what cannot be read there is not shown."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def samples(self) -> dict[Family, Sequence[tuple[tuple[str, ...], Value]]]:
        """A value for each family that can be read."""
        found: dict[Family, Value] = {}
        # Another kernel, or a jail without /proc: metrics of the process are then fewer.
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            self._read(found)
        return {family: [((), value)] for family, value in found.items()}

    def _read(self, found: dict[Family, Value]) -> None:
        of_self = self._root / "self"
        # The second field is the program's name in brackets, and may have blanks and brackets of its own.
        fields = (of_self / "stat").read_text().rpartition(")")[2].split()
        found[known.CPU] = (int(fields[11]) + int(fields[12])) / TICKS
        found[known.VIRTUAL] = int(fields[20])
        found[known.RSS] = int(fields[21]) * PAGE_BYTES
        found[known.OPEN_FDS] = len(os.listdir(of_self / "fd"))  # noqa: PTH208 - a count, no paths
        found[known.MAX_FDS] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        lines = (self._root / "stat").read_text().splitlines()
        booted_s = int(next(line for line in lines if line.startswith("btime ")).split()[1])
        found[known.START] = booted_s + int(fields[19]) / TICKS
