"""What is left of a busy machine: laws that any such estimate must keep, and the textbook's own figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design import sharing
from edgewise.nouns import Limit, MachineChoice, ProvenanceKind, Quantity
from fakes.designs import budget, timed

idles = st.floats(0.01, 1.0)
core_counts = st.integers(1, 64)
thread_counts = st.integers(1, 64)
FIGURES = timed(
    "a",
    {
        Quantity.LATENCY_P50: (0.9, 1.0, 1.1),
        Quantity.LATENCY_P99: (1.8, 2.0, 2.4),
        Quantity.THROUGHPUT: (900.0, 1000.0, 1100.0),
        Quantity.ENERGY: 3.0,
    },
).figures
GROWS = (Quantity.LATENCY_P50, Quantity.LATENCY_P99)


@given(cores=core_counts, threads=thread_counts)
def test_a_free_machine_changes_nothing(cores: int, threads: int):
    assert sharing.left_over(FIGURES, idle=1.0, cores=cores, threads=threads) == dict(FIGURES)
    assert sharing.stretch(1.0, cores=cores, threads=threads) == 1


@given(a=idles, b=idles, cores=core_counts, threads=thread_counts)
def test_less_idle_is_never_better(a: float, b: float, cores: int, threads: int):
    busy, free = (sharing.left_over(FIGURES, idle=idle, cores=cores, threads=threads) for idle in sorted((a, b)))
    for quantity in GROWS:
        assert busy[quantity].value >= free[quantity].value * (1 - 1e-9)
        assert busy[quantity].high >= free[quantity].high * (1 - 1e-9)
    for end in ("low", "value", "high"):
        left, right = (getattr(figures[Quantity.THROUGHPUT], end) for figures in (busy, free))
        assert left <= right * (1 + 1e-9)


@given(idle=idles, cores=core_counts, threads=thread_counts)
def test_between_undisturbed_and_one_over_idle(idle: float, cores: int, threads: int):
    assert 1 <= sharing.stretch(idle, cores=cores, threads=threads) <= (1 + 1e-9) / idle
    for figure in sharing.left_over(FIGURES, idle=idle, cores=cores, threads=threads).values():
        assert figure.low <= figure.value <= figure.high


@given(idle=idles, cores=core_counts, threads=thread_counts)
def test_more_cores_never_hurt_and_more_threads_never_help(idle: float, cores: int, threads: int):
    here = sharing.stretch(idle, cores=cores, threads=threads)
    assert sharing.stretch(idle, cores=cores * 2, threads=threads) <= here * (1 + 1e-9)
    assert sharing.stretch(idle, cores=cores, threads=threads * 2) >= here * (1 - 1e-9)


@pytest.mark.parametrize(
    ("idle", "cores", "expected"),
    [
        (0.4, 1, 1 / 0.4),  # M/G/1 processor sharing
        (0.5, 2, 1 + (1 / 3) / (2 * 0.5)),  # Erlang C(2, 1) = 1/3
        (0.2, 3, 1 + 0.6472 / (3 * 0.2)),  # Erlang C(3, 2.4) = 0.647, as tabulated
    ],
)
def test_the_textbook_s_figures(idle: float, cores: int, expected: float):
    assert sharing.stretch(idle, cores=cores, threads=1) == pytest.approx(expected, rel=1e-3)


@given(idle=st.floats(0.01, 0.99), cores=core_counts, threads=thread_counts)
def test_nothing_is_called_measured_that_was_not(idle: float, cores: int, threads: int):
    found = sharing.left_over(FIGURES, idle=idle, cores=cores, threads=threads)
    changed = {quantity for quantity in found if found[quantity] != FIGURES[quantity]}
    assert changed == {*GROWS, Quantity.THROUGHPUT}
    for quantity in changed:
        assert found[quantity].provenance.kind is ProvenanceKind.CALIBRATED
        assert FIGURES[quantity].provenance.by in found[quantity].provenance.by
        assert "measured" in found[quantity].provenance.by
        assert found[quantity].spread is None


@given(limit=st.floats(1.0, 100.0), rate=st.floats(10.0, 2000.0), cores=core_counts)
def test_busiest_is_where_the_limits_are_just_kept(limit: float, rate: float, cores: int):
    asked = budget({Quantity.LATENCY_P99: limit, Quantity.THROUGHPUT: rate})
    most = sharing.busiest(FIGURES, asked)
    if most < 1e-6:
        assert FIGURES[Quantity.LATENCY_P99].high >= limit * 0.999 or FIGURES[Quantity.THROUGHPUT].low <= rate * 1.001
        return
    at = sharing.left_over(FIGURES, idle=1 - most * 0.999, cores=cores, threads=1)
    assert at[Quantity.LATENCY_P99].high <= limit
    assert at[Quantity.THROUGHPUT].low >= rate
    beyond = sharing.left_over(FIGURES, idle=max(1e-6, 1 - most - 0.01), cores=cores, threads=1)
    assert beyond[Quantity.LATENCY_P99].high > limit or beyond[Quantity.THROUGHPUT].low < rate


def test_a_limit_on_what_nobody_knows_is_never_kept():
    assert sharing.busiest({}, budget({Quantity.LATENCY_P50: 1.0})) == -math.inf
    assert sharing.busiest({}, budget({Quantity.MEMORY: 1.0})) == 1


def test_the_tighter_of_budget_and_free_memory():
    asked = budget({Quantity.MEMORY: 100.0, Quantity.LATENCY_P50: 1.0})
    small = MachineChoice(name="this", memory_free_bytes=50.0)
    assert sharing.within(asked, small).limit(Quantity.MEMORY) == Limit(quantity=Quantity.MEMORY, value=50.0, unit="B")
    assert sharing.within(asked, small).limit(Quantity.LATENCY_P50) == asked.limit(Quantity.LATENCY_P50)
    assert sharing.within(asked, MachineChoice(name="this", memory_free_bytes=500.0)) == asked
    assert sharing.within(asked, MachineChoice(name="this")) == asked
