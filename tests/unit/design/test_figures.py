"""From raw timings to figures: nothing without a unit, an interval and a provenance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.design.figures import of_timing
from edgewise.design.measure import MIN_CALLS_FOR_P99, Timing
from edgewise.nouns import Measurement, Provenance, ProvenanceKind, Quantity

Q = Quantity
HERE = Provenance(kind=ProvenanceKind.MEASURED, by="a CPU", date="2026-03-14T00:00:00+00:00", load=0.3)
MS = 1_000_000


def timing(*, rounds: int = 30, calls: int = 10, joules: float = 0.0, slow: float = 1.0) -> Timing:
    """Bursts of about two milliseconds a call, half of it on the CPU."""
    wall = np.random.default_rng(0).normal(2 * MS * slow, 0.05 * MS, (rounds, calls)).astype(int)
    return Timing(
        session="s/0",
        load_ms=12.5,
        peak_rss_bytes=3 << 20,
        bursts_ns=wall.tolist(),
        cpu_ns=[int(burst.sum()) // 2 for burst in wall],
        joules=[joules / rounds] * rounds if joules else [],
    )


def test_latency_comes_in_percentiles_with_intervals_and_spread() -> None:
    found = of_timing(timing(), HERE)
    for quantity in (Q.LATENCY_P50, Q.LATENCY_P90, Q.LATENCY_P99):
        figure = found[quantity]
        assert figure.low <= figure.value <= figure.high
        assert (figure.unit, figure.n) == ("ms", 300)
        assert figure.spread == pytest.approx(0.067, rel=0.3)
    assert found[Q.LATENCY_MIN].value <= found[Q.LATENCY_P50].value <= found[Q.LATENCY_P90].value
    assert found[Q.LATENCY_P50].value == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(("rounds", "calls", "told"), [(30, 10, True), (23, 13, False), (30, 9, False), (1, 300, True)])
def test_a_99th_percentile_needs_300_calls(rounds: int, calls: int, told: bool) -> None:
    assert (Q.LATENCY_P99 in of_timing(timing(rounds=rounds, calls=calls), HERE)) is told


def test_299_observations_are_what_a_99th_percentile_needs() -> None:
    assert 0.99 ** (MIN_CALLS_FOR_P99 - 1) < 0.05 < 0.99 ** (MIN_CALLS_FOR_P99 - 2)


def test_throughput_is_the_inverse_of_the_mean_time() -> None:
    figure = of_timing(timing(), HERE)[Q.THROUGHPUT]
    assert figure.value == pytest.approx(500, rel=0.01)
    assert figure.low <= figure.value <= figure.high
    assert figure.unit == "/s"


def test_memory_and_load_time_are_read_not_sampled() -> None:
    found = of_timing(timing(), HERE)
    assert (found[Q.MEMORY].value, found[Q.MEMORY].unit, found[Q.MEMORY].n) == (3 << 20, "B", 1)
    assert (found[Q.LOAD_TIME].value, found[Q.LOAD_TIME].unit) == (12.5, "ms")


def test_energy_from_a_meter_is_measured() -> None:
    found = of_timing(timing(joules=6.0), HERE, meter="rapl", declared_watt=99.0)
    assert found[Q.ENERGY].value == pytest.approx(20.0)
    assert found[Q.POWER].value == pytest.approx(6.0 / 0.6, rel=0.01)
    for quantity in (Q.ENERGY, Q.POWER):
        assert found[quantity].provenance.kind is ProvenanceKind.MEASURED
        assert found[quantity].provenance.by == "rapl"


def test_energy_from_a_declared_power_says_so() -> None:
    found = of_timing(timing(), HERE, declared_watt=10.0)
    assert found[Q.ENERGY].value == pytest.approx(10.0 * 1.0, rel=0.01)
    assert (found[Q.ENERGY].unit, found[Q.POWER].unit) == ("mJ", "W")
    assert found[Q.POWER].value == 10.0
    for quantity in (Q.ENERGY, Q.POWER):
        assert found[quantity].provenance.kind is ProvenanceKind.DECLARED
        assert "10.0 W as declared" in found[quantity].provenance.by


def test_without_meter_and_declaration_there_is_no_energy() -> None:
    assert not {Q.ENERGY, Q.POWER} & set(of_timing(timing(), HERE))


@given(
    bursts=st.lists(st.lists(st.integers(1, 10**10), min_size=1, max_size=8), min_size=1, max_size=6),
    joules=st.just(0.0) | st.floats(0.1, 1e3),
    watts=st.none() | st.floats(0.1, 500),
)
@settings(max_examples=60)
def test_every_figure_has_unit_interval_count_and_provenance(
    bursts: list[list[int]], joules: float, watts: float | None
) -> None:
    timed = Timing(
        session="s/0",
        bursts_ns=bursts,
        cpu_ns=[sum(burst) for burst in bursts],
        joules=[joules] * len(bursts) if joules else [],
    )
    found = of_timing(timed, HERE, meter="rapl", declared_watt=watts)
    for figure in found.values():
        assert isinstance(figure, Measurement)
        assert figure.low <= figure.value <= figure.high
        assert np.isfinite([figure.low, figure.value, figure.high]).all()
        assert figure.n >= 1
        assert figure.unit
        assert figure.provenance.by
        assert figure.provenance.date == HERE.date
