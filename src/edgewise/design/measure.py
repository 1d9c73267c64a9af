"""Timing designs side by side, so that what disturbs one disturbs all.

Every design waits loaded in a process of its own. Round after round each of them runs one burst, in an
order shuffled anew; warm-up is apart. What disturbs the machine for a second falls on all designs alike,
and a comparison pairs the bursts of one round. A design whose lower bound already misses the budget is
not measured further.

Where the device that measures is lost, or the person interrupts, the whole rounds so far are kept, and the next
call goes on with the round after them: no round is counted twice, none is counted in part.
"""

import datetime
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from edgewise.design import statistics
from edgewise.design import windows as energy_windows
from edgewise.design.data import Data
from edgewise.design.evaluate import load, start
from edgewise.design.windows import WINDOWS, Windows
from edgewise.errors import ChildFailed, EdgewiseError
from edgewise.nouns import Budget, Quantity, RuntimeConfiguration, Variant
from edgewise.progress import SILENT, Progress
from edgewise.runtimes.place import HERE, Place, Worker
from edgewise.runtimes.samples import write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

NS_PER_MS = 1e6
SAMPLES = 32
BURST_MS = 8.0
MAX_CALLS = 64
WARM_UP_MS = 40.0
MIN_ROUNDS = 30
MIN_CALLS_FOR_P99 = 300
"""The 95 % interval of a 99th percentile needs 299 observations (0.99 ** 299 < 0.05)."""
ROUNDS_BEFORE_STOPPING = 8
BEATEN_BY = 1.5
TIME_CAP_S = 90.0
BURST_TIMEOUT_S = 600.0

PERCENTILES: Mapping[Quantity, float] = {
    Quantity.LATENCY_P50: 50.0,
    Quantity.LATENCY_P90: 90.0,
    Quantity.LATENCY_P99: 99.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A design to be timed. `quality` is its metric with higher being better, for giving up early."""

    name: str
    variant: Variant
    configuration: RuntimeConfiguration
    quality: float


@dataclass(slots=True, kw_only=True)
class Timing:
    """What was measured of one design.

    Attributes:
        session: "plan/heat"; designs of one heat were measured in the same rounds.
        bursts_ns: wall time of every call, a list a round.
        cpu_ns: CPU time of each burst.
        joules: energy of each burst where there is a meter that is fast enough, else empty.
        windows: energy of whole windows, by a slower meter; `design.windows.Window` says of what fields.
        date: ISO 8601 moment of the beginning.
        load_before, load_after: one-minute load averages around the measuring.
        stopped_for: the quantity whose limit ended the measuring early, "" where none did.
        stopped: why measuring ended early, "" where it did not.
        failure: the child's last words where it died, "" where it lived.
    """

    session: str
    load_ms: float = 0.0
    peak_rss_bytes: int = 0
    bursts_ns: list[list[int]] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    date: str = ""
    load_before: float = 0.0
    load_after: float = 0.0
    stopped: str = ""
    stopped_for: str = ""
    failure: str = ""

    @property
    def calls(self) -> int:
        """Inferences timed."""
        return sum(map(len, self.bursts_ns))

    def milliseconds(self) -> list[statistics.Floats]:
        """Wall time of every call in ms, an array a round."""
        return [np.asarray(burst, dtype=np.float64) / NS_PER_MS for burst in self.bursts_ns]

    def medians_ms(self) -> statistics.Floats:
        """Median of each round, ms [rounds]."""
        return np.array([np.median(burst) for burst in self.milliseconds()])


def ratio(slower: Timing, faster: Timing) -> statistics.Estimate | None:
    """How many times `slower` takes as long as `faster`, paired by round; None across sessions."""
    rounds = min(len(slower.bursts_ns), len(faster.bursts_ns))
    if slower.session != faster.session or rounds < 2:
        return None
    return statistics.paired_ratio(slower.medians_ms()[:rounds], faster.medians_ms()[:rounds])


def time_designs(
    contestants: Sequence[Contestant],
    data: Data,
    store: Store,
    *,
    budget: Budget,
    machine: str,
    meter: Callable[[], float] | None = None,
    windows: Windows | None = None,
    progress: Progress = SILENT,
    fresh: bool = False,
    place: Place = HERE,
) -> dict[str, Timing]:
    """Timings of all contestants by name, from the store where one session has them all.

    Args:
        budget: of the site; decides which designs are not worth measuring further.
        machine: identity of the machine that `place` is.
        meter: joules used so far, where there is a meter here that is faster than a burst; a device reads its own.
        windows: how a slower meter is read, here or on the device.
        fresh: measure again whatever the store has.
        place: where the designs run.

    Raises:
        DeviceLost: the device that measures is gone; the rounds so far are kept.
    """
    if not contestants:
        return {}
    key = _key(contestants, data, machine, windows.name if windows else "")
    known = None if fresh else _recall(key, store, budget)
    if known is not None:
        return known
    session = None if fresh else _resume(key, store, budget)
    if session is None:
        heats = [[contestant.name for contestant in heat] for heat in _heats(contestants, place)]
        session = _Session(name=f"{os.getpid()}-{uuid4().hex[:8]}", heats=heats)
    progress.stage("timing", len(contestants) * (MIN_ROUNDS + (WINDOWS if windows else 0)))
    for name, timing in session.timings.items():
        progress.step(name, amount=min(MIN_ROUNDS, len(timing.bursts_ns)) + len(timing.windows))
    _all_heats(session, key, contestants, data, store, budget, meter, windows, progress, place)
    timings = session.timings
    if windows is not None and windows.lost:  # without its figures they are timings without a meter
        key = _key(contestants, data, machine, "")
    if not any(timing.failure for timing in timings.values()):  # what died is tried again
        store.record(key, {name: _document(timing) for name, timing in timings.items()})
    return timings


@dataclass(slots=True, kw_only=True)
class _Session:
    """How far the measuring of some contestants has come.

    Attributes:
        heats: names of the contestants of each heat.
        finished: how many of the heats are done.
        timings: of all that has begun, by name.
    """

    name: str
    heats: list[list[str]]
    finished: int = 0
    timings: dict[str, Timing] = field(default_factory=dict)

    def cut(self) -> None:
        """Forget what is not a whole round of the heat that was interrupted."""
        heat = [self.timings[name] for name in self.heats[self.finished] if name in self.timings]
        whole = min((len(timing.bursts_ns) for timing in heat if not (timing.stopped or timing.failure)), default=0)
        for timing in heat:
            kept = len(timing.bursts_ns) if timing.stopped else whole
            for column in (timing.bursts_ns, timing.cpu_ns, timing.joules):
                del column[kept:]
            timing.windows.clear()


def _all_heats(
    session: _Session,
    key: str,
    contestants: Sequence[Contestant],
    data: Data,
    store: Store,
    budget: Budget,
    meter: Callable[[], float] | None,
    windows: Windows | None,
    progress: Progress,
    place: Place,
) -> None:
    """Run the heats of `session` that are not done, and keep the session where that is interrupted."""
    by_name = {contestant.name: contestant for contestant in contestants}
    try:
        while session.finished < len(session.heats):
            heat = [by_name[name] for name in session.heats[session.finished]]
            work = _Heat(heat, data, store, budget, meter, windows, progress, TIME_CAP_S / len(session.heats), place)
            work.run(f"{session.name}/{session.finished}", session.timings)
            session.finished += 1
    except (EdgewiseError, KeyboardInterrupt):
        session.cut()
        timings = {name: _document(timing) for name, timing in session.timings.items()}
        kept = {"name": session.name, "heats": session.heats, "finished": session.finished, "timings": timings}
        store.record(_so_far(key), kept)
        raise
    store.record(_so_far(key), None)


def _so_far(key: str) -> str:
    """Name of the record of an interrupted session."""
    return f"{key}-so-far"


def _resume(key: str, store: Store, budget: Budget) -> _Session | None:
    """The session that was interrupted, None where there is none that can go on."""
    known = store.recall(_so_far(key))
    if known is None:
        return None
    timings = {name: Timing(**record) for name, record in known["timings"].items()}
    if any(timing.failure for timing in timings.values()) or not _still_stopped(timings, budget):
        return None
    return _Session(name=known["name"], heats=known["heats"], finished=known["finished"], timings=timings)


def _key(contestants: Sequence[Contestant], data: Data, machine: str, meter: str) -> str:
    """Of one session: figures are compared in pairs, so all contestants of a comparison share one record.

    Args:
        meter: that is read in windows, "" for none; timings that lack its figures are others.
    """
    designs = {
        contestant.name: {
            "files": [file.digest for file in contestant.variant.files],
            "runtime": contestant.configuration.runtime.value,
            "version": contestant.configuration.version,
            "threads": contestant.configuration.threads,
            "options": dict(contestant.configuration.options),
        }
        for contestant in contestants
    }
    metered = {"meter": meter} if meter else {}
    return steps.key("timing", designs=designs, data=data.summary.digest, machine=machine, **metered)


def _recall(key: str, store: Store, budget: Budget) -> dict[str, Timing] | None:
    """The session's timings; None where there are none, or where one was stopped for a limit that has changed."""
    known = store.recall(key)
    if known is None:
        return None
    timings = {name: Timing(**record) for name, record in known.items()}
    return timings if _still_stopped(timings, budget) else None


def _still_stopped(timings: Mapping[str, Timing], budget: Budget) -> bool:
    """True where whatever was stopped for a limit would be stopped for this budget too."""
    return all(_misses(timing, budget) for timing in timings.values() if timing.stopped_for)


def _misses(timing: Timing, budget: Budget) -> Quantity | None:
    """A latency that misses its limit even at the lower bound, if any does."""
    for quantity, percent in PERCENTILES.items():
        limit = budget.limit(quantity)
        told = percent if timing.calls >= MIN_CALLS_FOR_P99 else min(percent, 50)
        if limit is not None and statistics.percentile_of_bursts(timing.milliseconds(), told).low > limit.value:
            return quantity
    return None


def _document(timing: Timing) -> dict[str, Any]:
    return {name: getattr(timing, name) for name in Timing.__dataclass_fields__}


def _heats(contestants: Sequence[Contestant], place: Place) -> list[list[Contestant]]:
    """Contestants in groups that fit into the free memory together."""
    largest = max(contestant.variant.size_bytes for contestant in contestants)
    each = (192 << 20) + 4 * largest
    size = max(3, min(48, place.available_bytes() // 2 // each))
    count = math.ceil(len(contestants) / size)
    return [list(contestants[start::count]) for start in range(count)]


@dataclass(slots=True, kw_only=True)
class _Runner:
    """A contestant with its child while a heat runs."""

    contestant: Contestant
    child: Worker
    timing: Timing
    calls: int = 1

    @property
    def running(self) -> bool:
        return not (self.timing.stopped or self.timing.failure)


def _started(contestant: Contestant, place: Place) -> Worker | ChildFailed:
    """A child with the contestant's runtime imported, or why there is none."""
    try:
        return start(contestant.configuration, contestant.variant.recipe, place=place)
    except ChildFailed as error:
        return error


class _Heat:
    """Contestants that are loaded at the same time."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        data: Data,
        store: Store,
        budget: Budget,
        meter: Callable[[], float] | None,
        windows: Windows | None,
        progress: Progress,
        cap_s: float,
        place: Place,
    ) -> None:
        self._contestants = contestants
        self._data, self._store, self._budget = data, store, budget
        self._meter, self._windows = meter, windows
        self._progress, self._cap_s, self._place = progress, cap_s, place
        self._order = random.Random(0)  # noqa: S311 - an order of measuring, not a secret

    def run(self, session: str, known: dict[str, Timing]) -> None:
        """Measure; `known` has the rounds that were measured before, and takes what is measured now."""
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        busy = self._place.load_average()
        for contestant in self._contestants:
            known.setdefault(contestant.name, Timing(session=session, date=date, load_before=busy))
        timings = {contestant.name: known[contestant.name] for contestant in self._contestants}
        with ExitStack() as stack:
            folder = stack.enter_context(self._store.scratch())
            inputs = Path(folder) / "inputs.npz"
            head = SAMPLES if not self._data.batched else max(SAMPLES, self._data.batch)
            write_arrays(inputs, [array[:head] for array in self._data.evaluation.inputs])
            with ThreadPoolExecutor(max_workers=self._place.cores) as pool:
                children = list(pool.map(_started, self._contestants, repeat(self._place)))
            runners = []
            for contestant, child in zip(self._contestants, children, strict=True):
                timing = timings[contestant.name]
                if isinstance(child, ChildFailed):
                    timing.failure = child.message
                    continue
                stack.enter_context(child)
                runner = _Runner(contestant=contestant, child=child, timing=timing)
                if self._ready(runner, inputs):
                    runners.append(runner)
            self._rounds(runners)
            if self._windows is not None:
                self._energy(runners, self._windows)
            for name, timing in timings.items():  # rounds that were spared are done too
                spared = MIN_ROUNDS - min(MIN_ROUNDS, len(timing.bursts_ns))
                spared += WINDOWS - len(timing.windows) if self._windows else 0
                if spared:
                    self._progress.step(name, amount=spared)
            for runner in runners:
                self._weigh(runner)
        busy = self._place.load_average()
        for timing in timings.values():
            timing.load_after = busy

    def _ready(self, runner: _Runner, inputs: Path) -> bool:
        """Load and warm up; False where the runtime fails at it."""
        contestant = runner.contestant
        try:
            runner.timing.load_ms = load(
                runner.child, contestant.variant, contestant.configuration, inputs, self._data, self._store
            )
            self._warm_up(runner)
        except ChildFailed as error:
            runner.timing.failure = error.message
        return not runner.timing.failure

    def _warm_up(self, runner: _Runner) -> None:
        """Run until caches, pools and lazy initialisation are done; learn how long a burst may be."""
        spent, calls = 0.0, 1
        while True:
            answer = runner.child.call("burst", timeout_s=BURST_TIMEOUT_S, calls=calls)
            spent += sum(answer["ns"]) / NS_PER_MS
            each = float(np.median(answer["ns"])) / NS_PER_MS
            if spent >= WARM_UP_MS and calls > 1:
                break
            calls = max(2, min(MAX_CALLS, round(WARM_UP_MS / 2 / max(each, 1e-3))))
        runner.calls = max(1, min(MAX_CALLS, round(BURST_MS / max(each, 1e-3))))

    def _rounds(self, runners: list[_Runner]) -> None:
        started = time.monotonic()
        number = max((len(runner.timing.bursts_ns) for runner in runners), default=0)
        while not all(self._complete(runner, number) for runner in runners if runner.running):
            number += 1
            for runner in self._order.sample(runners, len(runners)):
                if runner.running:
                    self._burst(runner)
            if number >= ROUNDS_BEFORE_STOPPING:
                self._stop_hopeless(runners, number)
            elapsed = time.monotonic() - started
            if elapsed > self._cap_s and number >= ROUNDS_BEFORE_STOPPING:
                for runner in runners:
                    if runner.running and not self._complete(runner, number):
                        runner.timing.stopped = f"after {elapsed:.0f} s of timing in all"

    def _complete(self, runner: _Runner, number: int) -> bool:
        return number >= MIN_ROUNDS and runner.timing.calls >= MIN_CALLS_FOR_P99

    def _burst(self, runner: _Runner) -> None:
        before = self._joules()
        try:
            answer = runner.child.call("burst", timeout_s=BURST_TIMEOUT_S, calls=runner.calls)
        except ChildFailed as error:
            runner.timing.failure = error.message
            return
        after = self._joules() if self._meter else answer.get("joules")
        joules = None if before is None or after is None else after - before
        if joules is not None and len(runner.timing.joules) == len(runner.timing.bursts_ns):
            runner.timing.joules.append(joules)
        else:  # the energy of some bursts alone would be no figure
            runner.timing.joules.clear()
        runner.timing.bursts_ns.append(answer["ns"])
        runner.timing.cpu_ns.append(answer["cpu_ns"])
        if len(runner.timing.bursts_ns) <= MIN_ROUNDS:
            self._progress.step(runner.contestant.name)

    def _joules(self) -> float | None:
        """Joules used so far, None where the meter cannot be read; 0 where the device answers with differences."""
        if self._meter is None:
            return 0.0
        try:
            return self._meter()
        except (OSError, ValueError):
            return None

    def _energy(self, runners: Sequence[_Runner], windows: Windows) -> None:
        """Windows of every design that may still be chosen, in turn; nothing where the meter is lost meanwhile."""
        metered = [runner for runner in runners if not (runner.timing.failure or runner.timing.stopped_for)]
        for _ in range(WINDOWS):
            for runner in self._order.sample(metered, len(metered)):
                if not windows.lost and not runner.timing.failure:
                    self._window(runner, windows)
        for runner in runners:
            if len(runner.timing.windows) < WINDOWS:  # too few to tell how far they are apart
                runner.timing.windows.clear()

    def _window(self, runner: _Runner, windows: Windows) -> None:
        def burst(calls: int) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = runner.child.call("burst", timeout_s=BURST_TIMEOUT_S, calls=calls)
            return answer

        try:
            found = energy_windows.measure(
                burst, windows, inference_s=float(np.median(runner.timing.medians_ms())) / 1e3
            )
        except ChildFailed as error:
            runner.timing.failure = error.message
            return
        if found is not None:
            runner.timing.windows.append(asdict(found))
            self._progress.step(runner.contestant.name)

    def _stop_hopeless(self, runners: Sequence[_Runner], number: int) -> None:
        """Stop what misses the budget already, and, where calls are slow, what is clearly beaten."""
        if number % ROUNDS_BEFORE_STOPPING:
            return
        for runner in runners:
            if not runner.running or not runner.timing.bursts_ns:
                continue
            missed = _misses(runner.timing, self._budget)
            if missed is not None:
                runner.timing.stopped = f"its {missed} misses the budget even at the lower bound"
                runner.timing.stopped_for = missed
            if runner.running and runner.calls == 1 and self._beaten(runner, runners):
                runner.timing.stopped = "another design is clearly faster and no less good"

    def _beaten(self, runner: _Runner, runners: Sequence[_Runner]) -> bool:
        own = statistics.percentile_of_bursts(runner.timing.milliseconds(), 50).low
        return any(
            other.contestant.quality >= runner.contestant.quality
            and other.contestant.configuration.threads <= runner.contestant.configuration.threads
            and statistics.percentile_of_bursts(other.timing.milliseconds(), 50).high * BEATEN_BY < own
            for other in runners
            if other is not runner and other.timing.bursts_ns and not other.timing.failure
        )

    def _weigh(self, runner: _Runner) -> None:
        try:
            runner.timing.peak_rss_bytes = runner.child.call("memory", timeout_s=BURST_TIMEOUT_S)["peak_rss_bytes"]
        except ChildFailed as error:
            runner.timing.failure = runner.timing.failure or error.message
