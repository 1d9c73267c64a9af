"""Which rows an estimate may lean on, from the nearest to the farthest. Pure.

1. The same machine, accelerator and precision.
2. The same machine and accelerator in another precision or runtime.
3. The same part elsewhere: an accelerator of the same name, a CPU with the same cores.
4. The peak rate, an accelerator's from the catalogue and a CPU's from its cores (`cores.py`), with the efficiency that
   machines of the kind reach of theirs.

Each step away adds a source of error, which is measured on the rows: how far apart levels are between the series of
one machine, or between machines beside their peak rates.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from scipy import stats

from edgewise.design.estimate import cores
from edgewise.design.estimate.fitted import Fitted
from edgewise.design.estimate.hierarchy import Key, total
from edgewise.design.estimate.intervals import LEVEL
from edgewise.design.estimate.terms import Floats, Term, dtype_of
from edgewise.hardware import catalogue
from edgewise.nouns import Accelerator, AcceleratorKind, Machine

OPERATIONS_PER_MAC = 2
MS_PER_S = 1e3
UNKNOWN_SPREAD = math.log(2)
"""Standard deviation of a level, where too few rows show one: a factor of two."""
_GENERIC = frozenset({"cpu", "host-cpu", "gpu", "npu", "dla", "igpu", "dgpu"})
"""Names that say what an accelerator is, not which."""
_LEAST_LEVEL, _MOST_LEVEL, _HALVINGS = 0.0, 8.0, 30
"""No machine is faster than its peak rate, and none that is sold is slower than 1/3000 of it."""
_FEW_ROWS = 3
_RUNTIMES = {
    "edgetpu-compiler": "libedgetpu",
    "hailo-dataflow-compiler": "hailort",
    "neutron-converter": "neutron-delegate",
}
"""What runs what a compiler made, where the two have different names: rows have the one, the catalogue the other."""
_OF_THE_HOST = (Term.STREAMED, Term.LAYERS, Term.INFERENCE)
_TWICE: Mapping[str, tuple[tuple[str, float], ...]] = {
    "float16": (("int8", 0.5), ("bfloat16", 1.0)),
    "int8": (("float16", 2.0), ("bfloat16", 2.0)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Prices for one accelerator, and how far they may be trusted.

    Attributes:
        prices: float64 [terms], log(figure per unit).
        series: whose held-out errors count.
        rows: published or measured rows of that machine; 0 where it has none.
        spread: standard deviation of the log level that comes on top of held-out errors.
        basis: what this is, in words.
    """

    prices: Floats
    series: Key
    rows: int
    spread: float
    basis: str
    caveats: tuple[str, ...] = ()


def find(
    fitted: Fitted, machine: Machine, accelerator: Accelerator, *, precision: str, runtime: str, threads: int | None
) -> Support | None:
    """The nearest support that `fitted` has for `accelerator`; None where there is none."""
    rows = Counter(point.series for point in fitted.points)
    runtime = _RUNTIMES.get(runtime, runtime)
    threads = threads if accelerator.kind is AcceleratorKind.CPU else None
    here = [key for key in rows if key[:2] == (machine.name, accelerator.name)]

    def rank(key: Key) -> tuple[bool, bool, bool, float]:
        weight = sum(point.weight for point in fitted.points if point.series == key)
        return (key[3] == precision, key[2] == runtime, key[4] == str(threads or ""), weight)

    if here:
        key = max(here, key=rank)
        return _of_rows(fitted, key, precision=precision, runtime=runtime, threads=threads, rows=rows[key])
    return (
        _of_alike(fitted, machine, accelerator, rank, precision=precision, threads=threads)
        or of_cores(fitted, machine, accelerator, precision=precision, runtime=runtime, threads=threads)
        or _of_peak(fitted, machine, accelerator, precision)
    )


def _of_rows(fitted: Fitted, key: Key, *, precision: str, runtime: str, threads: int | None, rows: int) -> Support:
    others = [f"{key[3]} instead of {precision}"] if key[3] != precision else []
    others += [f"{key[2]} instead of {runtime}"] if runtime and key[2] != runtime else []
    others += [f"{key[4]} threads instead of {threads}"] if threads and key[4] not in ("", str(threads)) else []
    caveats = [f"the rows of this machine are of {' and '.join(others)}"] if others else []
    caveats += ["the rows of this machine do not say with how many threads"] if threads and not key[4] else []
    away = _between(fitted, lambda series: (*series[:2], series[4])) if others else 0.0
    return Support(
        prices=fitted.prices.series[key],
        series=key,
        rows=rows,
        spread=math.hypot(_of_level(fitted, rows), away),
        basis=f"{rows} row{'s' if rows > 1 else ''} of this machine ({_words(key)})",
        caveats=tuple(caveats),
    )


def _of_level(fitted: Fitted, rows: int) -> float:
    """Of a machine with fewer rows than those have that could be held out: how well its level is known."""
    return fitted.scatter / math.sqrt(rows) if rows < _FEW_ROWS else 0.0


def _of_alike(
    fitted: Fitted,
    machine: Machine,
    accelerator: Accelerator,
    rank: Callable[[Key], tuple[bool, bool, bool, float]],
    *,
    precision: str,
    threads: int | None,
) -> Support | None:
    asked = cores.used(accelerator, threads)
    alike = _of_same_core(fitted, accelerator, precision, asked)
    named = {key for key in fitted.prices.series if key[1] == accelerator.name and accelerator.name not in _GENERIC}
    alike |= dict.fromkeys(named - set(alike))
    if not alike:
        return None
    key = max(alike, key=rank)
    scale = alike[key]
    unknown = scale is None and key not in named
    return Support(
        prices=fitted.prices.series[key] + math.log(scale or 1.0),
        series=key,
        rows=0,
        spread=math.hypot(
            _between(fitted, lambda series: (_family(series), *series[2:]), _log_clock),
            UNKNOWN_SPREAD if unknown else 0.0,
        ),
        basis=f"rows of the same part in {key[0]} ({_words(key)})",
        caveats=(
            f"{machine.name} has no rows of its own: those of the same part in {key[0]} stand in for them",
            *(("clocks and threads of both are not known and are taken to be the same",) if unknown else ()),
        ),
    )


def _of_same_core(fitted: Fitted, accelerator: Accelerator, precision: str, asked: int) -> dict[Key, float | None]:
    """Series whose fastest cores are `accelerator`'s, and how many times as long it takes with `asked` threads.

    Where its own peak is known, only series in the same precision whose peak is known too: an estimate by the peak is
    better than rows of which nobody knows how to bring them here. Else the scale is None.
    """
    own = accelerator.clusters
    same = [key for key in fitted.prices.series if own and _first_core(key) == own[0].core]
    ideal = cores.ideal_ms_per_mac(own, precision, asked)
    if not same or ideal is None:
        return dict.fromkeys(same)
    told = cores.reached(fitted, precision=precision, runtime="")
    slope = told.slope if told else 0.0
    found: dict[Key, float | None] = {}
    for key in same:
        theirs = cores.clusters_of(key)
        count = cores.threads_of(key, theirs)
        other = cores.ideal_ms_per_mac(theirs, key[3], count) if count else None
        if other is not None and count is not None and dtype_of(key[3]) == dtype_of(precision):
            found[key] = ideal / other * (asked / count) ** slope
    return found


def _first_core(key: Key) -> str:
    clusters = cores.clusters_of(key)
    return clusters[0].core if clusters else ""


def _words(key: Key) -> str:
    return ", ".join([key[2], key[3], *([f"{key[4]} threads"] if key[4] else [])])


def of_cores(
    fitted: Fitted, machine: Machine, accelerator: Accelerator, *, precision: str, runtime: str, threads: int | None
) -> Support | None:
    """A CPU by what its cores compute in a cycle."""
    asked = cores.used(accelerator, threads)
    ideal = cores.ideal_ms_per_mac(accelerator.clusters, precision, asked)
    told = cores.reached(fitted, precision=precision, runtime=runtime) if ideal is not None else None
    if ideal is None or told is None:
        return None
    names = ", ".join(sorted({place[0] for place in told.levels}))
    what = " and ".join(dict.fromkeys(cluster.core for cluster in accelerator.clusters))
    family = cores.family_of(accelerator.clusters)
    kin = told.of_family(family)
    lone = (f"of these only {' and '.join(kin) or 'none'} runs the kernels of {family} cores",)
    return Support(
        prices=told.prices(ideal, asked),
        series=(),
        rows=0,
        spread=_of_machines(list(told.levels.values())),
        basis=f"the peak of its {what} cores at {asked} threads and the efficiency of {names}",
        caveats=(
            f"{machine.name} has no rows: it is taken to reach as much of its cores' peak as {names}",
            *(lone if len(kin) < cores.FEWEST_MACHINES else ()),
        ),
    )


def _of_peak(fitted: Fitted, machine: Machine, accelerator: Accelerator, precision: str) -> Support | None:
    ideal = ideal_ms_per_mac(accelerator, precision)
    peaks = {key: peak for key in fitted.prices.series if (peak := _peak_of(key)) is not None}
    if ideal is None or not peaks:
        return None
    common = fitted.prices.level(0.0)
    for term in _OF_THE_HOST:  # a faster engine is not dispatched to or reached any faster
        common[term] = statistics.fmean(float(fitted.prices.series[key][term]) for key in peaks)
    by_machine: dict[str, list[float]] = {}
    for key, peak in peaks.items():
        by_machine.setdefault(key[0], []).append(_inefficiency(fitted, key, common, math.log(peak)))
    means = [statistics.fmean(levels) for levels in by_machine.values()]
    prices = _levelled(common, math.log(ideal) + statistics.fmean(means))
    if machine.memory_bandwidth is not None:  # no byte can cost less than the catalogue's bandwidth allows
        floor = math.log(MS_PER_S / machine.memory_bandwidth.value)
        prices[[Term.WEIGHTS, Term.ACTIVATIONS]] = np.maximum(prices[[Term.WEIGHTS, Term.ACTIVATIONS]], floor)
    names = ", ".join(sorted(by_machine))
    return Support(
        prices=prices,
        series=max(peaks, key=lambda key: sum(point.series == key for point in fitted.points)),
        rows=0,
        spread=_of_machines(means),
        basis=f"the catalogue's peak rate and the efficiency of {names}",
        caveats=(f"{machine.name} has no rows: it is taken to reach as much of its peak rate as {names}",),
    )


def _levelled(common: Floats, level: float) -> Floats:
    """`common` prices, whose dense MAC costs exp(0), at another `level`; what is the host's stays."""
    moved = common + level
    moved[list(_OF_THE_HOST)] = common[list(_OF_THE_HOST)]
    return moved


def _inefficiency(fitted: Fitted, key: Key, common: Floats, log_peak: float) -> float:
    """Log of how many times the ideal time of a MAC the rows of a series ask for, by bisection."""
    own = [point for point in fitted.points if point.series == key]
    low, high = _LEAST_LEVEL, _MOST_LEVEL
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        prices = _levelled(common, log_peak + middle)
        overlaps = fitted.prices.shape.overlaps
        error = statistics.fmean(
            math.log(total(prices, point.amounts, overlaps=overlaps) / point.figure) for point in own
        )
        low, high = (low, middle) if error > 0 else (middle, high)
    return (low + high) / 2


def ideal_ms_per_mac(accelerator: Accelerator, precision: str) -> float | None:
    """Milliseconds of a MAC at the peak rate that the catalogue has for `precision`.

    An array of multipliers does in 8 bits twice what it does in 16: where one of the two rates is published, it
    gives the other. It says nothing about 32 bits, which other units compute.
    """
    dtype = dtype_of(precision)
    for known, factor in ((dtype, 1.0), *_TWICE.get(dtype, ())):
        if known in accelerator.peak_rate:
            rate = accelerator.peak_rate[known].value * factor
            return OPERATIONS_PER_MAC * MS_PER_S / rate
    return None


def _peak_of(key: Key) -> float | None:
    part = _part(key)
    return ideal_ms_per_mac(part, key[3]) if part is not None else None


@cache
def _part(key: Key) -> Accelerator | None:
    """The catalogue's accelerator that a series is of; a part that is sold alone may be in another machine."""
    machines = catalogue.machines()
    here = [machines[key[0]]] if key[0] in machines else []
    anywhere = [] if key[1] in _GENERIC else list(machines.values())
    return next((part for each in (*here, *anywhere) for part in each.accelerators if part.name == key[1]), None)


def _family(key: Key) -> str:
    return _first_core(key) or (key[1] if key[1] not in _GENERIC else key[0])


def _log_clock(key: Key) -> float:
    clusters = cores.clusters_of(key)
    clock = clusters[0].clock if clusters else None
    return math.log(clock.value) if clock is not None else 0.0


def _of_machines(levels: Sequence[float]) -> float:
    """Standard deviation, by Student's t as a normal one of the same `LEVEL` quantile, of a machine not seen."""
    if len(levels) < 2:
        return UNKNOWN_SPREAD
    spread = max(statistics.stdev(levels), 0.1) * math.sqrt(1 + 1 / len(levels))
    ratio = stats.t.ppf((1 + LEVEL) / 2, len(levels) - 1) / stats.norm.ppf((1 + LEVEL) / 2)
    return float(spread * ratio)


def _between(fitted: Fitted, group: Callable[[Key], object], level: Callable[[Key], float] = lambda _: 0.0) -> float:
    """How far apart the levels of two series of one group are, as a standard deviation of the log.

    `level` is the log of what makes them apart and is known: a clock.
    """
    apart = [
        float(fitted.prices.series[one][Term.DENSE] - fitted.prices.series[other][Term.DENSE])
        + level(one)
        - level(other)
        for one, other in combinations(sorted(fitted.prices.series), 2)
        if group(one) == group(other)
    ]
    return math.sqrt(statistics.fmean(value * value for value in apart)) if len(apart) > 1 else UNKNOWN_SPREAD
