"""CPUs by their cores: what nobody has run anything on, from what its cores compute in a cycle. Pure.

The peak of a CPU is cores x clock x multiply-accumulates per cycle (`hardware/cores`). Rows show what share of theirs
machines reach, in the precision that is asked for. Threads do not add up: t of them take t^slope times as long as
their common peak says, where the slope is that of rows which differ in nothing but their threads. How far apart
machines are is the spread of a machine that is not among them.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.design.estimate.fitted import Fitted
from edgewise.design.estimate.hierarchy import Key, total
from edgewise.design.estimate.terms import Floats, dtype_of
from edgewise.hardware import catalogue, cores
from edgewise.nouns import Accelerator, Cluster

MS_PER_S = 1e3
FEWEST_MACHINES = 3
"""Of fewer, in the precision that is asked for, no efficiency is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How the rows of a kind stand to the peaks of their CPUs, in one precision.

    Attributes:
        levels: by machine and accelerator, log of how many times its ideal time one thread takes.
        slope: of that log over the log of the threads.
        families: of cores, by machine and accelerator.
        common: prices that a dense MAC of exp(0) goes with, float64 [terms].
    """

    levels: Mapping[tuple[str, ...], float]
    slope: float
    families: Mapping[tuple[str, ...], str]
    common: Floats

    def prices(self, ideal_ms: float, threads: int) -> Floats:
        """Prices of a CPU whose `threads` ideally take `ideal_ms` for a MAC, float64 [terms]."""
        level = statistics.fmean(self.levels.values()) + self.slope * math.log(threads)
        prices: Floats = self.common + math.log(ideal_ms) + level
        return prices

    def of_family(self, family: str) -> tuple[str, ...]:
        """Machines whose cores are of `family`."""
        return tuple(sorted({place[0] for place, other in self.families.items() if other == family}))


def clusters_of(key: Key) -> tuple[Cluster, ...]:
    """What computed the rows of a series; empty where it is not known."""
    machines = catalogue.machines()
    parts = machines[key[0]].accelerators if key[0] in machines else ()
    here = next((part.clusters for part in parts if part.name == key[1]), ())
    return here or cores.boards().get((key[0], key[1]), ())


def threads_of(key: Key, clusters: Sequence[Cluster]) -> int | None:
    """Cores that a series used; None where its threads are not told and there are several cores."""
    count = sum(cluster.cores for cluster in clusters)
    if key[4]:
        return min(int(key[4]), count) or None
    return 1 if count == 1 else None


def ideal_ms_per_mac(clusters: Sequence[Cluster], precision: str, threads: int | None) -> float | None:
    """Milliseconds of a MAC at the peak of `threads` cores, of all where None; None where the peak is not known."""
    rate = cores.macs_per_second(clusters, dtype_of(precision), threads=threads)
    return None if rate is None else MS_PER_S / rate


def family_of(clusters: Sequence[Cluster]) -> str:
    """Whose kernels the cores run, "" where they are not known."""
    core = cores.cores().get(clusters[0].core) if clusters else None
    return core.family if core is not None else ""


def used(accelerator: Accelerator, threads: int | None) -> int:
    """Cores that compute, at least one."""
    count = sum(cluster.cores for cluster in accelerator.clusters)
    return max(1, min(threads or count, count))


def reached(fitted: Fitted, *, precision: str, runtime: str) -> Reached | None:
    """What rows in `precision` reach of their peaks; None where fewer than `FEWEST_MACHINES` have both."""
    common = _common(fitted, runtime, precision)
    found: dict[Key, tuple[float, int]] = {}
    for key in fitted.prices.series:
        clusters = clusters_of(key)
        threads = threads_of(key, clusters)
        ideal = ideal_ms_per_mac(clusters, key[3], threads) if threads else None
        if ideal is None or threads is None or dtype_of(key[3]) != dtype_of(precision):
            continue
        times = [
            math.log(point.figure / total(common, point.amounts, overlaps=False))
            for point in fitted.points
            if point.series == key
        ]
        found[key] = (statistics.fmean(times) - math.log(ideal), threads)
    slope = slope_of(found)
    levels: dict[tuple[str, ...], list[float]] = {}
    for key, (level, threads) in found.items():
        levels.setdefault(key[:2], []).append(level - slope * math.log(threads))
    if len({place[0] for place in levels}) < FEWEST_MACHINES:
        return None
    return Reached(
        levels={place: statistics.fmean(values) for place, values in levels.items()},
        slope=slope,
        families={key[:2]: family_of(clusters_of(key)) for key in found},
        common=common,
    )


def slope_of(found: Mapping[Key, tuple[float, int]]) -> float:
    """Least squares over series that differ in nothing but their threads; 0 where none do."""
    groups: dict[Key, list[tuple[float, float]]] = {}
    for key, (level, threads) in found.items():
        groups.setdefault(key[:4], []).append((math.log(threads), level))
    across = [pair for group in groups.values() for pair in _centred(group)]
    square = sum(x * x for x, _ in across)
    return sum(x * y for x, y in across) / square if square else 0.0


def _centred(pairs: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    middle = [statistics.fmean(values) for values in zip(*pairs, strict=True)]
    return [(x - middle[0], y - middle[1]) for x, y in pairs]


def _common(fitted: Fitted, runtime: str, precision: str) -> Floats:
    """Ratios of the family, of families in the same precision where it has no rows, or of the kind."""
    families = fitted.prices.families
    alike = [key for key in families if key[1] == precision]
    chosen = [(runtime, precision)] if (runtime, precision) in families else alike
    if not chosen:
        return fitted.prices.level(0.0)
    found: Floats = np.mean([fitted.prices.level(0.0, key) for key in chosen], axis=0)
    return found
