"""What is searched: the default always, no limit twice, no mode that the part has not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.ethosu.configuration import Configuration, MemoryMode, Npu, Strategy
from edgewise.design.ethosu.search import between, closer, configurations, default, sizes
from edgewise.errors import BadConfiguration
from edgewise.hardware.catalogue import machines
from edgewise.nouns import Accelerator, AcceleratorKind
from fakes.compiled import DEFAULT, compiled

PARTS = [part for machine in machines().values() for part in machine.accelerators if "vela" in part.compilers]
SIZE = DEFAULT.changed(strategy=Strategy.SIZE)


def part(name: str, **settings: tuple[str, ...]) -> Accelerator:
    return Accelerator(name=name, kind=AcceleratorKind.NPU, title="", dtypes=("int8",), configurations=settings)


class TestConfigurations:
    @pytest.mark.parametrize("entry", PARTS, ids=lambda entry: entry.title)
    def test_hold_the_default_of_every_size_in_the_catalogue(self, entry: Accelerator) -> None:
        wanted = configurations(entry)
        assert len(set(wanted)) == len(wanted)
        for npu in sizes(entry):
            assert default(npu, entry) in wanted
            for mode in entry.configurations["memory_mode"]:
                assert Configuration.default(npu, MemoryMode(mode)) in wanted
        assert {each.memory_mode for each in wanted} == set(entry.configurations["memory_mode"])
        assert {str(each.npu.macs) for each in wanted} == set(entry.configurations["macs"])

    def test_take_every_size_and_mode_where_the_part_does_not_say(self) -> None:
        assert [npu.macs for npu in sizes(part("ethos-u65"))] == [256, 512]
        assert {each.memory_mode for each in configurations(part("ethos-u85"))} == set(MemoryMode)

    def test_keep_the_clock_that_is_given(self) -> None:
        assert {each.clock_hz for each in configurations(part("ethos-u55"), clock_hz=4e8)} == {4e8}

    def test_the_default_is_of_a_mode_that_the_part_has(self) -> None:
        npu = Npu.named("ethos-u85-256")
        assert default(npu, part("ethos-u85", memory_mode=("Sram_Only",))).memory_mode is MemoryMode.SRAM_ONLY

    @pytest.mark.parametrize(
        "entry",
        [part("edgetpu"), part("ethos-u550"), part("ethos-u55", macs=("48",)),
         part("ethos-u55", memory_mode=("Dedicated_Sram",)), part("ethos-u65", memory_mode=("Moon",))],
    )  # fmt: skip
    def test_refuse_what_arm_does_not_make(self, entry: Accelerator) -> None:
        with pytest.raises(BadConfiguration):
            configurations(entry)


class TestBetween:
    @given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 20))
    def test_lies_between_floor_and_use(self, one: int, other: int, points: int) -> None:
        floor, top = sorted((16 * one, 16 * other))  # allocations are aligned
        found = between([compiled(sram=top), compiled(sram=floor, configuration=SIZE)], points)
        limits = [each.arena_limit_bytes for each in found]
        assert len(limits) == len(set(limits)) <= points
        assert all(floor <= limit < top and limit % 16 == 0 for limit in limits)
        assert bool(limits) is (floor < top)
        assert {each.strategy for each in found} <= {Strategy.PERFORMANCE}

    def test_a_cache_is_looked_at_far_below_its_use(self) -> None:
        cached = Configuration.default(Npu.named("ethos-u65-256"))
        limits = [each.arena_limit_bytes for each in between([compiled(sram=65536, configuration=cached)], 6)]
        assert min(limits) == 4096


class TestCloser:
    def line(self, *points: tuple[int, int]) -> tuple[Configuration, ...]:
        """`points` are arena limit (which is used up) and cycles; the default uses 1000000 in 1000 cycles."""
        limited = [
            compiled(sram=limit, cycles=cycles, configuration=DEFAULT.changed(arena_limit_bytes=limit))
            for limit, cycles in points
        ]
        return closer([compiled(sram=1_000_000, cycles=1000), *limited])

    def test_halves_the_gap_below_the_least_that_is_fast_enough(self) -> None:
        assert [each.arena_limit_bytes for each in self.line((1600, 1500), (3200, 1019), (8000, 1001))] == [2400]

    def test_ends_where_no_gap_is_left(self) -> None:
        assert self.line((1600, 1500), (1616, 1000)) == ()
        assert self.line((1600, 1000)) == ()

    @given(st.lists(st.tuples(st.integers(1, 10**5), st.integers(900, 1100)), max_size=12))
    def test_never_asks_again_and_comes_to_an_end(self, points: list[tuple[int, int]]) -> None:
        asked = {limit for limit, _ in points}
        for _ in range(40):
            wanted = [each.arena_limit_bytes for each in self.line(*points)]
            assert not asked & set(wanted)
            if not wanted:
                return
            asked |= set(wanted)
            points = [*points, *((limit, 1000) for limit in wanted)]
        raise AssertionError("it goes on and on")

    def test_leaves_alone_what_ignores_the_limit(self) -> None:
        off = DEFAULT.changed(strategy=Strategy.SIZE)
        entries = [compiled(), compiled(configuration=off), compiled(configuration=off.changed(arena_limit_bytes=64))]
        assert closer(entries) == ()
