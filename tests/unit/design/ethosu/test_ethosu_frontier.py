"""Laws of the frontier, and of the choice: never worse than the compiler's own default."""

from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.ethosu.compiled import Compiled
from edgewise.design.ethosu.figures import CYCLE_ERROR, of_compiled
from edgewise.design.ethosu.frontier import Goal, Limits, best, costs, dominates, frontier
from edgewise.nouns import Budget, Limit, ProvenanceKind, Quantity
from fakes.compiled import compiled

few = st.integers(1, 6)
some = st.builds(compiled, cycles=few, sram=few, flash=few, dram=few, cpu=st.integers(0, 1))
lists = st.lists(some, max_size=12)
maybe = st.none() | few.map(float)
limits = st.builds(Limits, cycles=maybe, sram_bytes=maybe, flash_bytes=maybe)


class TestFrontier:
    @given(some, some, some)
    def test_dominance_is_a_strict_order(self, one: Compiled, two: Compiled, three: Compiled) -> None:
        assert not dominates(one, one)
        assert not (dominates(one, two) and dominates(two, one))
        assert dominates(one, three) or not (dominates(one, two) and dominates(two, three))

    @given(lists)
    def test_is_what_nobody_dominates(self, entries: list[Compiled]) -> None:
        kept = {costs(entry) for entry in frontier(entries)}
        assert kept == {costs(entry) for entry in entries if not any(dominates(other, entry) for other in entries)}

    @given(lists)
    def test_covers_everything_once_and_stays_so(self, entries: list[Compiled]) -> None:
        kept = frontier(entries)
        assert all(any(entry == one or dominates(one, entry) for one in kept) for entry in entries)
        assert len({costs(entry) for entry in kept}) == len(kept)
        assert frontier(kept) == kept

    @given(lists)
    def test_does_not_hang_on_the_order(self, entries: list[Compiled]) -> None:
        assert frontier(entries) == frontier(entries[::-1])


class TestBest:
    @given(lists, some, st.none() | limits, st.sampled_from(Goal))
    def test_is_never_worse_than_the_default(
        self, entries: list[Compiled], default: Compiled, allowed: Limits | None, goal: Goal
    ) -> None:
        chosen = best(entries, default=default, limits=allowed, goal=goal)
        fits = (allowed or Limits.near(default)).admit(default)
        assert chosen is not None or not fits
        if chosen is not None:
            assert not dominates(default, chosen)
            wanted = "sram_bytes" if goal is Goal.SRAM else "cycles"
            assert not fits or getattr(chosen, wanted) <= getattr(default, wanted)

    @given(lists, some, limits, st.sampled_from(Goal))
    def test_keeps_every_limit_and_is_found_where_anything_fits(
        self, entries: list[Compiled], default: Compiled, allowed: Limits, goal: Goal
    ) -> None:
        chosen = best(entries, default=default, limits=allowed, goal=goal)
        assert chosen is None or allowed.admit(chosen)
        fits = [entry for entry in entries if allowed.admit(entry) and not dominates(default, entry)]
        assert chosen is not None or not fits

    def test_takes_less_sram_for_hardly_more_cycles_and_no_further(self) -> None:
        default = compiled(cycles=1000, sram=1000)
        small, slow = compiled(cycles=1020, sram=800), compiled(cycles=1021, sram=100)
        assert best([small, slow], default=default) == small
        assert best([small, slow], default=default, limits=Limits()) == slow
        assert best([small, slow], default=default, limits=Limits(), goal=Goal.CYCLES) == default


def budget(**values: float) -> Budget:
    found = ((Quantity(name), value) for name, value in values.items())
    return Budget(limits=tuple(Limit(quantity=name, value=value, unit="") for name, value in found))


class TestFigures:
    @given(st.integers(1, 10**9), st.integers(1, 10**8), st.floats(0.01, 1e4))
    def test_a_budget_admits_only_what_fits_with_its_whole_interval(self, cycles: int, sram: int, ms: float) -> None:
        entry = compiled(cycles=cycles, sram=sram)
        figures = of_compiled(entry)
        allowed = Limits.of(budget(latency_p50=ms, memory=sram), entry.configuration.clock_hz)
        high = figures[Quantity.LATENCY_P50].high
        assert allowed.admit(entry) is (high <= ms) or abs(high / ms - 1) < 1e-9
        assert not Limits.of(budget(memory=sram - 1), 1e9).admit(entry)

    def test_throughput_and_flash_bound_too(self) -> None:
        entry = compiled(cycles=500_000)  # 1 ms at 500 MHz
        clock = entry.configuration.clock_hz
        assert Limits.of(budget(throughput=900), clock).admit(entry)
        assert not Limits.of(budget(throughput=920), clock).admit(entry)
        assert not Limits.of(budget(flash=999), clock).admit(entry)

    @given(st.integers(1, 10**9), st.floats(1e6, 2e9))
    def test_say_where_they_come_from_and_how_far_off_they_may_be(self, cycles: int, hz: float) -> None:
        entry = compiled(cycles=cycles)
        entry = compiled(cycles=cycles, configuration=entry.configuration.changed(clock_hz=hz))
        figures = of_compiled(entry, date="2026-11-23")
        for figure in figures.values():
            assert figure.low <= figure.value <= figure.high
            assert figure.provenance.kind is ProvenanceKind.COMPILER
            assert figure.provenance.by == "ethos-u-vela 5.2.0"
        latency = figures[Quantity.LATENCY_P50]
        assert latency.high - latency.low > 1.99 * CYCLE_ERROR * latency.value
        assert figures[Quantity.MEMORY].low == figures[Quantity.MEMORY].high == 1000

    def test_no_latency_where_operators_fall_back_to_the_cpu(self) -> None:
        assert set(of_compiled(compiled(cpu=1))) == {Quantity.MEMORY, Quantity.FLASH}
