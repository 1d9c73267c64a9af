"""What a core computes in a cycle, and how much that makes of a CPU.

The tables are YAML files beside this module; the format is described in docs/reference/catalogue.md. A rate is of the
vector units: matrix units (AMX, SME) are not counted. The peak is cores x clock x rate, and nothing reaches it: what
runtimes reach of it is measured on calibration rows.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from edgewise.documents import load
from edgewise.hardware.cores._document import BoardsDocument, Core, CoresDocument, Rate, to_boards, to_cores
from edgewise.nouns import Cluster

__all__ = ["Core", "Rate", "boards", "cores", "macs_per_second"]


@cache
def cores() -> Mapping[str, Core]:
    """All cores by name."""
    found: dict[str, Core] = {}
    with resources.as_file(resources.files(__name__)) as folder:
        for path in sorted(folder.glob("*.yaml")):
            found |= to_cores(load(path, CoresDocument, what="table of cores"))
    return found


@cache
def boards() -> Mapping[tuple[str, str], tuple[Cluster, ...]]:
    """By machine and accelerator: what computes in machines that rows speak of and the catalogue lacks."""
    found: dict[tuple[str, str], tuple[Cluster, ...]] = {}
    with resources.as_file(resources.files(__name__)) as folder:
        for path in sorted((folder / "boards").glob("*.yaml")):
            found |= to_boards(load(path, BoardsDocument, what="table of boards"))
    return found


def macs_per_second(clusters: Sequence[Cluster], dtype: str, *, threads: int | None = None) -> float | None:
    """Most multiply-accumulates in a second of `threads` cores, all of them where None, in the order of `clusters`.

    A thread beyond the cores adds nothing. None where a core's rate or a clock that is needed is not known.
    """
    left, total = threads, 0.0
    for cluster in clusters:
        used = cluster.cores if left is None else min(cluster.cores, left)
        if used == 0:
            break
        core = cores().get(cluster.core)
        rate = core.macs_per_cycle.get(dtype) if core is not None else None
        if rate is None or cluster.clock is None:
            return None
        total += used * cluster.clock.value * rate.value
        left = None if left is None else left - used
    return total or None
