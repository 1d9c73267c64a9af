"""Searching the configurations of an Ethos-U for a model, in stages; the planners are pure.

First every memory mode with both strategies and with parts of the scheduler switched off, at the full arena: the
use and the floor of each. Then arena limits between floor and use, geometrically. Then bisection towards the least
SRAM at hardly more cycles than the compiler's own default, which is always among the compiled.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgewise.design.ethosu.compile import explore
from edgewise.design.ethosu.compiled import Compiled, Failure
from edgewise.design.ethosu.configuration import (
    FAMILIES,
    Configuration,
    Feature,
    MemoryMode,
    Npu,
    Strategy,
    unlimited,
)
from edgewise.errors import BadConfiguration
from edgewise.nouns import Accelerator
from edgewise.progress import SILENT, Progress
from edgewise.store.steps import Store

SLACK = 0.02
"""How many more cycles than the default's are hardly more, as a share."""
POINTS = 12
ROUNDS = 3
GRAIN_BYTES = 16
"""Allocations are aligned to this; limits that differ by less are the same."""
CACHE_FLOOR = 1 / 16
"""Where SRAM is a cache, it can be as small as one likes; this share of the use is where looking ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search compiled.

    Attributes:
        defaults: what Vela's command line would have made, for each size of the NPU.
        compiled: everything, the defaults included.
    """

    defaults: Mapping[Npu, Compiled]
    compiled: tuple[Compiled, ...]
    failures: tuple[Failure, ...]

    def of(self, npu: Npu) -> tuple[Compiled, ...]:
        """The compiled for `npu`."""
        return tuple(entry for entry in self.compiled if entry.configuration.npu == npu)


def search(
    tflite: bytes,
    part: Accelerator,
    *,
    clock_hz: float | None = None,
    points: int = POINTS,
    workers: int | None = None,
    progress: Progress = SILENT,
    store: Store | None = None,
) -> Found:
    """Compile a model for `part` in every way that may be worth it.

    Args:
        clock_hz: of the NPU; that of Arm's reference system where None.
        points: arena limits between floor and use; fewer for models that take long to compile.

    Raises:
        BadConfiguration: `part` is no Ethos-U, or one that Arm does not make.
        BadModel, MissingDependency, ChildFailed: as `explore`.
    """
    results: dict[Configuration, Compiled | Failure] = {}

    def take(configurations: Sequence[Configuration]) -> tuple[Compiled, ...]:
        new = [entry for entry in configurations if entry not in results]
        if new:
            found = explore(tflite, new, workers=workers, progress=progress, store=store)
            results.update(zip(new, found, strict=True))
        return tuple(entry for entry in results.values() if isinstance(entry, Compiled))

    wanted = configurations(part, clock_hz=clock_hz)
    compiled = take(between(take(wanted), points))
    for _ in range(ROUNDS):
        compiled = take(closer(compiled))
    standards = {entry.npu: results[entry] for entry in wanted if entry == default(entry.npu, part, clock_hz=clock_hz)}
    return Found(
        defaults={npu: entry for npu, entry in standards.items() if isinstance(entry, Compiled)},
        compiled=compiled,
        failures=tuple(entry for entry in results.values() if isinstance(entry, Failure)),
    )


def default(npu: Npu, part: Accelerator, *, clock_hz: float | None = None) -> Configuration:
    """What Vela's command line takes for `npu`; in the first memory mode of `part` where it has not Vela's own."""
    allowed = _modes(npu, part)
    own = npu.traits.modes[0]
    return Configuration.default(npu, own if own in allowed else allowed[0], clock_hz=clock_hz)


def configurations(part: Accelerator, *, clock_hz: float | None = None) -> tuple[Configuration, ...]:
    """The first stage for `part`: everything but arena limits, the defaults first.

    Raises:
        BadConfiguration: `part` is no Ethos-U, or one that Arm does not make, or in a mode that it has not.
    """
    npus = sizes(part)
    defaults = [default(npu, part, clock_hz=clock_hz) for npu in npus]
    rest = [
        entry
        for npu in npus
        for mode in _modes(npu, part)
        for entry in _first(Configuration.default(npu, mode, clock_hz=clock_hz))
    ]
    return tuple(dict.fromkeys([*defaults, *rest]))


def sizes(part: Accelerator) -> tuple[Npu, ...]:
    """The sizes that `part` of a machine is built in, or can be."""
    family = next((name for name in FAMILIES if part.name == name or part.name.startswith(f"{name}-")), None)
    if family is None:
        raise BadConfiguration(f"{part.name!r} is no Ethos-U", hint=f"there are {', '.join(FAMILIES)}")
    macs = part.configurations.get("macs") or tuple(map(str, FAMILIES[family].macs))
    return tuple(Npu.named(f"{family}-{count}") for count in macs)


def _modes(npu: Npu, part: Accelerator) -> tuple[MemoryMode, ...]:
    modes = part.configurations.get("memory_mode") or npu.traits.modes
    for mode in modes:
        if mode not in npu.traits.modes:
            raise BadConfiguration(
                f"{npu} has no memory mode {mode!r}", hint=f"it has {', '.join(map(str, npu.traits.modes))}"
            )
    return tuple(MemoryMode(mode) for mode in modes)


def _first(start: Configuration) -> Iterator[Configuration]:
    """Both strategies and all sets of switched-off features, within the mode's limit and without one."""
    limits = dict.fromkeys((start.arena_limit_bytes, unlimited(start.npu)))
    for limit, off, strategy in itertools.product(limits, _subsets(start.npu.traits.features), Strategy):
        yield start.changed(strategy=strategy, disabled=off, arena_limit_bytes=limit)


def _subsets(features: tuple[Feature, ...]) -> Iterator[tuple[Feature, ...]]:
    for count in range(len(features) + 1):
        yield from itertools.combinations(sorted(features), count)


def between(compiled: Iterable[Compiled], points: int = POINTS) -> tuple[Configuration, ...]:
    """The second stage: `points` arena limits for each series, geometric between its floor and its full use.

    The floor is what the Size strategy uses; where SRAM is a cache, a share of the use.
    """
    floors: dict[tuple[Npu, MemoryMode], int] = {}
    use: dict[Configuration, int] = {}
    for entry in compiled:
        mode = (entry.configuration.npu, entry.configuration.memory_mode)
        floors[mode] = min(entry.sram_bytes, floors.get(mode, entry.sram_bytes))
        series = _series(entry.configuration)
        use[series] = max(entry.sram_bytes, use.get(series, 0))
    wanted: list[Configuration] = []
    for series, top in use.items():
        cached = series.memory_mode is MemoryMode.DEDICATED_SRAM
        if not cached and series.strategy is Strategy.SIZE:  # it ignores the limit
            continue
        floor = int(top * CACHE_FLOOR) if cached else floors[series.npu, series.memory_mode]
        wanted += [series.changed(arena_limit_bytes=limit) for limit in _geometric(floor, top, points)]
    return tuple(dict.fromkeys(wanted))


def _geometric(floor: int, top: int, points: int) -> list[int]:
    """At most `points` multiples of GRAIN_BYTES from `floor` up, `top` excluded."""
    if floor >= top:
        return []
    start = max(floor, GRAIN_BYTES)
    raw = (start * (top / start) ** (number / points) for number in range(points))
    return sorted({rounded for limit in raw if (rounded := -(-int(limit) // GRAIN_BYTES) * GRAIN_BYTES) < top})


def closer(compiled: Sequence[Compiled], slack: float = SLACK) -> tuple[Configuration, ...]:
    """The next round of bisection: in each series, halfway from the least limit that is fast enough to the next below.

    Fast enough is at most `slack` more cycles than the fastest default of its NPU, and of its memory mode: whoever
    must keep a mode gets the best of it too.
    """
    bounds = _bounds(compiled, slack)
    lines: dict[Configuration, list[Compiled]] = defaultdict(list)
    for entry in compiled:
        lines[_series(entry.configuration)].append(entry)
    wanted = [
        series.changed(arena_limit_bytes=limit)
        for series, line in lines.items()
        if series.memory_mode is MemoryMode.DEDICATED_SRAM or series.strategy is Strategy.PERFORMANCE
        for bound in sorted(bounds[series.npu, series.memory_mode])
        if (limit := _halfway(line, bound)) is not None
    ]
    return tuple(dict.fromkeys(wanted))


def _bounds(compiled: Sequence[Compiled], slack: float) -> dict[tuple[Npu, MemoryMode], set[float]]:
    """Cycles to stay within, for each NPU and memory mode."""
    defaults = {
        (entry.configuration.npu, entry.configuration.memory_mode): entry.cycles * (1 + slack)
        for entry in compiled
        if _is_default(entry.configuration)
    }
    bounds: dict[tuple[Npu, MemoryMode], set[float]] = defaultdict(set)
    for npu, mode in {(entry.configuration.npu, entry.configuration.memory_mode) for entry in compiled}:
        own = (defaults.get((npu, each)) for each in (mode, npu.traits.modes[0]))
        bounds[npu, mode] = {bound for bound in own if bound is not None}
    return bounds


def _is_default(configuration: Configuration) -> bool:
    return configuration == Configuration.default(
        configuration.npu, configuration.memory_mode, system=configuration.system, clock_hz=configuration.clock_hz
    )


def _halfway(line: Sequence[Compiled], bound: float) -> int | None:
    """The arena limit to try next, None where the line has no gap left."""
    fast = [entry for entry in line if entry.cycles <= bound]
    if not fast:
        return None
    least = min(min(entry.sram_bytes, entry.configuration.arena_limit_bytes) for entry in fast)
    below = [limit for entry in line if (limit := entry.configuration.arena_limit_bytes) < least]
    if not below:
        return None
    limit = (least + max(below)) // 2 // GRAIN_BYTES * GRAIN_BYTES
    return limit if max(below) < limit < least else None


def _series(configuration: Configuration) -> Configuration:
    """All that differs from `configuration` in its arena limit alone, named by the one without a limit."""
    return configuration.changed(arena_limit_bytes=unlimited(configuration.npu))
