"""Timing side by side, with children that give scripted times and can die."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from edgewise.design import measure
from edgewise.design.data import Data, Part
from edgewise.design.measure import MIN_CALLS_FOR_P99, MIN_ROUNDS, ROUNDS_BEFORE_STOPPING, Contestant, Timing, ratio
from edgewise.design.windows import WINDOWS, Windows
from edgewise.errors import ChildFailed, DeviceLost
from edgewise.hardware.counting import Reading
from edgewise.nouns import (
    DataSummary,
    ModelFile,
    ModelFormat,
    Quantity,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Variant,
)
from edgewise.runtimes.place import Here, Place
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store
from fakes.designs import budget

MS = 1_000_000
Q = Quantity
NO_LIMITS = budget({})


@dataclass
class Script:
    """What the child of one design does."""

    ms: float | Callable[[int], float] = 1.0
    starts: bool = True
    loads: bool = True
    dies_at_call: int | None = None
    weighs: bool = True


@dataclass
class Children:
    """All fake children, and in what order they did what: (design, command, calls)."""

    scripts: dict[str, Script]
    journal: list[tuple[str, str, int]] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)

    def start(self, configuration: RuntimeConfiguration, recipe: Recipe, *, place: Place) -> "FakeChild":
        self.journal.append((recipe.name, "start", 0))
        if not self.scripts[recipe.name].starts:
            raise ChildFailed(f"{recipe.name} cannot start")
        self.alive.add(recipe.name)
        return FakeChild(recipe.name, self)

    def load(self, child: "FakeChild", *_: object) -> float:
        self.journal.append((child.name, "load", 0))
        if not self.scripts[child.name].loads:
            raise ChildFailed("this runtime has no kernel for it")
        return 5.0

    def bursts(self, name: str) -> list[int]:
        return [calls for who, command, calls in self.journal if (who, command) == (name, "burst")]


class FakeChild:
    def __init__(self, name: str, children: Children) -> None:
        self.name = name
        self._children = children
        self._calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.alive.discard(self.name)

    def call(self, command: str, *, timeout_s: float, calls: int = 0) -> dict[str, Any]:
        script = self._children.scripts[self.name]
        self._children.journal.append((self.name, command, calls))
        if command == "memory":
            if not script.weighs:
                raise ChildFailed(f"{self.name} ended before it was weighed")
            return {"peak_rss_bytes": 1 << 20}
        wall = []
        for _ in range(calls):
            self._calls += 1
            if script.dies_at_call is not None and self._calls > script.dies_at_call:
                raise ChildFailed(f"{self.name} was ended by SIGSEGV")
            wall.append(round(MS * (script.ms(self._calls) if callable(script.ms) else script.ms)))
        return {"ns": wall, "cpu_ns": sum(wall)}


def contestant(name: str, *, quality: float = 0.9, threads: int = 1) -> Contestant:
    recipe = Recipe(name=name, method="given", format=ModelFormat.ONNX, precision="fp32")
    file = ModelFile(name="model.onnx", digest=digest_of(name.encode()), size_bytes=1000)
    configuration = RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1", threads=threads)
    variant = Variant(recipe=recipe, files=(file,))
    return Contestant(name=name, variant=variant, configuration=configuration, quality=quality)


def data(seed: int = 0) -> Data:
    part = Part(inputs=(np.zeros((40, 4), np.float32),), y=None)
    summary = DataSummary(digest=digest_of(b"data"), samples=50, calibration=10, evaluation=40, seed=seed)
    return Data(summary=summary, calibration=part, evaluation=part, batched=True, batch=1, axes={})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    fake = Children(scripts={})
    monkeypatch.setattr(measure, "start", fake.start)
    monkeypatch.setattr(measure, "load", fake.load)
    yield fake
    assert not fake.alive, "a child was left running"


def run(
    children: Children, store: Store, scripts: dict[str, Script], *, contestants: Sequence[Contestant] = (), **more: Any
) -> dict[str, Timing]:
    children.scripts |= scripts
    field_ = contestants or [contestant(name) for name in scripts]
    return measure.time_designs(field_, data(), store, machine="here", **({"budget": NO_LIMITS} | more))


def rounds_of(children: Children, names: set[str]) -> list[list[str]]:
    """The order of designs in each of the last rounds, in which all of them ran."""
    order = [name for name, command, _ in children.journal if command == "burst"]
    order = order[-MIN_ROUNDS * len(names) :]
    return [order[start : start + len(names)] for start in range(0, len(order), len(names))]


class TestRounds:
    def test_every_round_runs_each_design_once_in_an_order_shuffled_anew(
        self, children: Children, store: Store
    ) -> None:
        names = {"a", "b", "c", "d"}
        run(children, store, {name: Script(ms=0.5) for name in names})
        rounds = rounds_of(children, names)
        assert all(set(order) == names for order in rounds)
        assert len({tuple(order) for order in rounds}) > 10
        assert {order[0] for order in rounds} == names

    def test_enough_rounds_and_calls_for_a_99th_percentile(self, children: Children, store: Store) -> None:
        field_ = [contestant("fast", quality=0.8), contestant("slow", quality=0.9)]
        found = run(children, store, {"fast": Script(ms=0.05), "slow": Script(ms=20.0)}, contestants=field_)
        for timing in found.values():
            assert len(timing.bursts_ns) >= MIN_ROUNDS
            assert timing.calls >= MIN_CALLS_FOR_P99
            assert (timing.stopped, timing.failure) == ("", "")
            assert len(timing.cpu_ns) == len(timing.bursts_ns)

    def test_warm_up_is_not_counted(self, children: Children, store: Store) -> None:
        cold = Script(ms=lambda call: 50.0 if call <= 3 else 1.0)
        found = run(children, store, {"a": cold})
        assert max(max(burst) for burst in found["a"].bursts_ns) == MS
        assert sum(children.bursts("a")) > found["a"].calls

    @pytest.mark.parametrize(("ms", "calls"), [(0.001, 64), (1.0, 8), (7.0, 1), (500.0, 1)])
    def test_a_burst_takes_about_as_long_whatever_the_design(
        self, children: Children, store: Store, ms: float, calls: int
    ) -> None:
        found = run(children, store, {"a": Script(ms=ms)})
        assert {len(burst) for burst in found["a"].bursts_ns} == {calls}

    def test_memory_and_load_time_are_taken(self, children: Children, store: Store) -> None:
        found = run(children, store, {"a": Script()})
        assert (found["a"].load_ms, found["a"].peak_rss_bytes) == (5.0, 1 << 20)
        assert found["a"].date

    def test_a_meter_is_read_around_each_burst_and_never_around_the_warm_up(
        self, children: Children, store: Store
    ) -> None:
        found = run(children, store, {"a": Script()}, meter=lambda: float(len(children.journal)))
        assert found["a"].joules == [1.0] * len(found["a"].bursts_ns)

    def test_without_a_meter_there_are_no_joules(self, children: Children, store: Store) -> None:
        assert run(children, store, {"a": Script()})["a"].joules == []

    def test_nothing_to_time_is_no_work(self, children: Children, store: Store) -> None:
        assert run(children, store, {}, contestants=()) == {}

    def test_progress_ends_where_it_said_it_would(self, children: Children, store: Store) -> None:
        class Listener:
            total, steps = 0, 0

            def stage(self, name: str, total: int | None) -> None:
                self.total = total or 0

            def step(self, note: str = "", *, amount: int = 1) -> None:
                self.steps += amount

        listener = Listener()
        run(children, store, {"a": Script(), "b": Script(ms=9.0), "c": Script(loads=False)}, progress=listener)
        assert listener.steps == listener.total > 0


class TestStopping:
    def test_what_misses_the_budget_at_the_lower_bound_is_not_measured_further(
        self, children: Children, store: Store
    ) -> None:
        limits = budget({Q.LATENCY_P50: 2.0})
        found = run(children, store, {"fast": Script(ms=1.0), "slow": Script(ms=5.0)}, budget=limits)
        assert len(found["slow"].bursts_ns) == ROUNDS_BEFORE_STOPPING
        assert "misses the budget even at the lower bound" in found["slow"].stopped
        assert found["fast"].stopped == ""
        assert len(found["fast"].bursts_ns) >= MIN_ROUNDS

    def test_what_only_may_miss_it_goes_on(self, children: Children, store: Store) -> None:
        restless = Script(ms=lambda call: 1.5 if call % 2 else 2.5)
        found = run(children, store, {"a": restless}, budget=budget({Q.LATENCY_P50: 2.0}))
        assert found["a"].stopped == ""

    def test_a_few_calls_do_not_condemn_by_their_99th_percentile(self, children: Children, store: Store) -> None:
        one_hiccup_a_hundred = Script(ms=lambda call: 30.0 if call % 101 == 0 else 6.0)
        found = run(children, store, {"a": one_hiccup_a_hundred}, budget=budget({Q.LATENCY_P99: 20.0}))
        assert found["a"].stopped == ""

    def test_a_slow_design_that_is_clearly_beaten_is_not_measured_further(
        self, children: Children, store: Store
    ) -> None:
        found = run(children, store, {"good": Script(ms=10.0), "beaten": Script(ms=30.0)})
        assert "clearly faster and no less good" in found["beaten"].stopped
        assert found["good"].stopped == ""

    @pytest.mark.parametrize(("quality", "threads"), [(0.95, 1), (0.9, 1)])
    def test_one_that_is_better_or_needs_fewer_threads_is_not_beaten(
        self, children: Children, store: Store, quality: float, threads: int
    ) -> None:
        rival = contestant("rival", quality=0.9, threads=1 if quality > 0.9 else 2)
        field_ = [rival, contestant("slow", quality=quality, threads=threads)]
        found = run(children, store, {"rival": Script(ms=10.0), "slow": Script(ms=30.0)}, contestants=field_)
        assert found["slow"].stopped == ""

    def test_the_time_cap_ends_what_is_not_complete_and_says_so(
        self, children: Children, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(measure, "TIME_CAP_S", 0.0)
        found = run(children, store, {"a": Script(ms=100.0)})
        assert len(found["a"].bursts_ns) == ROUNDS_BEFORE_STOPPING
        assert "s of timing in all" in found["a"].stopped


class TestDeath:
    @pytest.mark.parametrize(
        ("script", "said"),
        [
            (Script(starts=False), "cannot start"),
            (Script(loads=False), "no kernel"),
            (Script(dies_at_call=2), "SIGSEGV"),
            (Script(dies_at_call=150), "SIGSEGV"),
            (Script(weighs=False), "before it was weighed"),
        ],
    )
    def test_one_that_dies_takes_down_only_itself(
        self, children: Children, store: Store, script: Script, said: str
    ) -> None:
        found = run(children, store, {"mortal": script, "other": Script(ms=2.0)})
        assert said in found["mortal"].failure
        assert found["other"].failure == ""
        assert found["other"].calls >= MIN_CALLS_FOR_P99

    def test_all_may_die(self, children: Children, store: Store) -> None:
        found = run(children, store, {"a": Script(dies_at_call=60), "b": Script(loads=False)})
        assert all(timing.failure for timing in found.values())


class TestStore:
    def test_a_second_call_measures_nothing(self, children: Children, store: Store) -> None:
        first = run(children, store, {"a": Script(), "b": Script(ms=2.0)})
        before = len(children.journal)
        assert run(children, store, {"a": Script(), "b": Script(ms=2.0)}) == first
        assert len(children.journal) == before

    def test_one_that_is_missing_times_all_again_in_one_session(self, children: Children, store: Store) -> None:
        first = run(children, store, {"a": Script()})
        both = run(children, store, {"a": Script(), "b": Script()})
        assert both["a"].session == both["b"].session != first["a"].session
        assert ratio(both["a"], both["b"]) is not None

    def test_timings_of_two_sessions_are_not_put_together(self, children: Children, store: Store) -> None:
        run(children, store, {"a": Script()})
        run(children, store, {"b": Script()})
        before = len(children.journal)
        both = run(children, store, {"a": Script(), "b": Script()})
        assert len(children.journal) > before
        assert both["a"].session == both["b"].session

    def test_fresh_measures_again(self, children: Children, store: Store) -> None:
        first = run(children, store, {"a": Script()})
        assert run(children, store, {"a": Script()}, fresh=True)["a"].session != first["a"].session

    @pytest.mark.parametrize("change", ["machine", "threads"])
    def test_what_decides_a_timing_is_part_of_its_key(self, children: Children, store: Store, change: str) -> None:
        children.scripts |= {"a": Script()}
        one = contestant("a")
        measure.time_designs([one], data(), store, budget=NO_LIMITS, machine="here")
        before = len(children.journal)
        if change == "threads":
            one = replace(one, configuration=replace(one.configuration, threads=2))
        machine = "there" if change == "machine" else "here"
        measure.time_designs([one], data(), store, budget=NO_LIMITS, machine=machine)
        assert len(children.journal) > before

    def test_another_limit_measures_again_only_what_an_old_one_had_stopped(
        self, children: Children, store: Store
    ) -> None:
        def journal_after(limit_ms: float) -> int:
            children.scripts |= {"a": Script(ms=5.0)}
            limits = budget({Q.LATENCY_P50: limit_ms})
            measure.time_designs([contestant("a")], data(), store, budget=limits, machine="here")
            return len(children.journal)

        stopped = journal_after(1.0)
        assert journal_after(2.0) == stopped
        complete = journal_after(9.0)
        assert complete > stopped
        assert journal_after(1.0) == journal_after(8.0) == complete


class TestInterrupted:
    """A device that is lost, or Ctrl-C: whole rounds are kept, and the next call goes on after them."""

    @pytest.mark.parametrize("cause", [DeviceLost("the device is gone"), KeyboardInterrupt()])
    def test_the_next_call_does_the_rest_in_the_same_session(
        self, children: Children, store: Store, cause: BaseException
    ) -> None:
        def breaks(call: int) -> float:
            if call == 151:
                raise cause
            return 5.0

        with pytest.raises(type(cause)):
            run(children, store, {"a": Script(ms=5.0), "b": Script(ms=breaks)})
        before = {name: len(children.bursts(name)) for name in "ab"}
        children.alive.clear()
        found = run(children, store, {"a": Script(ms=5.0), "b": Script(ms=5.0)})
        warm_up = 3
        for name, timing in found.items():
            assert len(timing.bursts_ns) == len(timing.cpu_ns)
            assert len(timing.bursts_ns) * 2 >= MIN_CALLS_FOR_P99
            again = len(children.bursts(name)) - before[name] - warm_up
            assert again < len(timing.bursts_ns) < again + before[name]
        assert len({timing.session for timing in found.values()}) == 1
        assert ratio(found["a"], found["b"]) is not None
        journal = len(children.journal)
        assert run(children, store, {"a": Script(), "b": Script()}) == found
        assert len(children.journal) == journal

    def test_rounds_that_are_done_are_steps_that_are_done(self, children: Children, store: Store) -> None:
        class Listener:
            total, steps = 0, 0

            def stage(self, name: str, total: int | None) -> None:
                self.total, self.steps = total or 0, 0

            def step(self, note: str = "", *, amount: int = 1) -> None:
                self.steps += amount

        listener = Listener()
        with pytest.raises(DeviceLost):
            run(children, store, {"a": Script(ms=lost_at(100)), "b": Script()})
        children.alive.clear()
        run(children, store, {"a": Script(), "b": Script()}, progress=listener)
        assert listener.steps == listener.total == 2 * MIN_ROUNDS

    def test_a_heat_that_is_done_is_not_run_again(
        self, children: Children, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Here, "available_bytes", lambda self: 0)
        names = [f"d{number}" for number in range(4)]  # two heats: d0, d2 and d1, d3
        with pytest.raises(DeviceLost):
            run(children, store, {name: Script() for name in names} | {"d3": Script(ms=lost_at(60))})
        before = len(children.bursts("d0"))
        children.alive.clear()
        monkeypatch.setattr(Here, "available_bytes", lambda self: 1 << 50)  # the heats stay as they were
        found = run(children, store, {name: Script() for name in names})
        assert len(children.bursts("d0")) == before
        assert found["d0"].session == found["d2"].session != found["d1"].session == found["d3"].session
        assert all(timing.calls >= MIN_CALLS_FOR_P99 for timing in found.values())

    def test_fresh_does_not_go_on(self, children: Children, store: Store) -> None:
        with pytest.raises(DeviceLost):
            run(children, store, {"a": Script(ms=lost_at(100))})
        before = len(children.bursts("a"))
        children.alive.clear()
        found = run(children, store, {"a": Script()}, fresh=True)
        assert len(children.bursts("a")) - before >= len(found["a"].bursts_ns)

    def test_energy_of_some_bursts_alone_is_no_figure(self, children: Children, store: Store) -> None:
        with pytest.raises(DeviceLost):
            run(children, store, {"a": Script(ms=lost_at(100))}, meter=lambda: 1.0)
        children.alive.clear()
        assert run(children, store, {"a": Script()})["a"].joules == []


def lost_at(last: int) -> Callable[[int], float]:
    """Milliseconds of a child whose device is lost at a call."""

    def ms(call: int) -> float:
        if call == last:
            raise DeviceLost("the device is gone")
        return 1.0

    return ms


class TestHeats:
    def test_what_does_not_fit_into_memory_together_is_measured_in_heats_and_not_compared(
        self, children: Children, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Here, "available_bytes", lambda self: 0)
        found = run(children, store, {f"d{number}": Script() for number in range(7)})
        sessions = {timing.session for timing in found.values()}
        assert len(sessions) == 3
        assert len({session.partition("/")[0] for session in sessions}) == 1
        assert ratio(found["d0"], found["d1"]) is None
        assert ratio(found["d0"], found["d3"]) is not None
        before = len(children.journal)
        assert run(children, store, {f"d{number}": Script() for number in range(7)}) == found
        assert len(children.journal) == before


class TestRatio:
    def test_it_is_paired_by_round(self) -> None:
        disturbed = [1, 5, 1, 9, 1, 3, 2, 7]
        slow = Timing(session="s/0", bursts_ns=[[2 * MS * by] for by in disturbed])
        fast = Timing(session="s/0", bursts_ns=[[MS * by] for by in disturbed])
        found = ratio(slow, fast)
        assert found is not None
        assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)

    def test_a_design_that_was_stopped_early_is_compared_over_the_rounds_that_both_have(self) -> None:
        slow = Timing(session="s/0", bursts_ns=[[3 * MS]] * 8)
        fast = Timing(session="s/0", bursts_ns=[[MS]] * 8 + [[MS * 100]] * 22)
        found = ratio(slow, fast)
        assert found is not None
        assert (found.value, found.n) == (3.0, 8)

    @pytest.mark.parametrize(("session", "rounds"), [("s/1", 8), ("s/0", 1), ("s/0", 0)])
    def test_there_is_none_across_sessions_or_from_a_single_round(self, session: str, rounds: int) -> None:
        one = Timing(session="s/0", bursts_ns=[[MS]] * 8)
        assert ratio(one, Timing(session=session, bursts_ns=[[MS]] * rounds)) is None


class Ticking:
    """A meter that renews with every reading: a second and 3 J later each."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.count, self.fails_at = 0, fails_at

    def __call__(self) -> Reading:
        self.count += 1
        if self.fails_at is not None and self.count >= self.fails_at:
            raise OSError("it ended")
        return Reading(at_s=float(self.count), joules=3.0 * self.count)


class TestWindows:
    def test_each_design_runs_alone_for_whole_windows(self, children: Children, store: Store) -> None:
        slow = Windows(name="wattmeter", interval_s=0.5, read=Ticking())
        found = run(children, store, {"a": Script(), "b": Script(ms=3.0)}, windows=slow)
        for timing in found.values():
            assert len(timing.windows) == WINDOWS
            assert {each["joules"] / each["seconds"] for each in timing.windows} == {3.0}
        assert slow.lost == ""

    def test_what_misses_its_budget_gets_none(self, children: Children, store: Store) -> None:
        slow = Windows(name="wattmeter", interval_s=0.5, read=Ticking())
        scripts = {"a": Script(), "b": Script(ms=50.0)}
        found = run(children, store, scripts, windows=slow, budget=budget({Q.LATENCY_P50: 10.0}))
        assert (len(found["a"].windows), found["b"].windows) == (WINDOWS, [])

    def test_a_meter_that_is_lost_leaves_no_figure_of_half_a_measurement(
        self, children: Children, store: Store
    ) -> None:
        slow = Windows(name="wattmeter", interval_s=0.5, read=Ticking(fails_at=15))
        found = run(children, store, {"a": Script()}, windows=slow)
        assert (found["a"].windows, slow.lost) == ([], "it ended")
        assert found["a"].calls >= MIN_CALLS_FOR_P99

    def test_timings_without_its_figures_are_not_taken_for_those_with(self, children: Children, store: Store) -> None:
        run(children, store, {"a": Script()})
        lost = Windows(name="wattmeter", interval_s=0.5, read=Ticking(fails_at=1))
        assert run(children, store, {"a": Script()}, windows=lost)["a"].windows == []
        again = Windows(name="wattmeter", interval_s=0.5, read=Ticking())
        found = run(children, store, {"a": Script()}, windows=again)
        assert len(found["a"].windows) == WINDOWS
        before = len(children.journal)
        cached = Windows(name="wattmeter", interval_s=0.5, read=Ticking(fails_at=1))
        assert run(children, store, {"a": Script()}, windows=cached) == found
        assert len(children.journal) == before

    def test_a_fast_meter_that_is_gone_leaves_no_joules(self, children: Children, store: Store) -> None:
        def gone() -> float:
            raise OSError("gone")

        assert run(children, store, {"a": Script()}, meter=gone)["a"].joules == []
