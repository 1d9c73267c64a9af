"""The exact binomial test: against sums of fractions, and as a law that more failures never look better."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.rollouts.chance import beyond, tail

shares = st.sampled_from([0.0, 0.001, 0.02, 0.3, 0.5, 0.9, 0.999, 1.0])


@st.composite
def counts(draw: st.DrawFn, most: int = 60) -> tuple[int, int]:
    tried = draw(st.integers(0, most))
    return draw(st.integers(0, tried)), tried


@given(counts(), shares)
def test_the_tail_is_that_of_exact_fractions(counted: tuple[int, int], share: float) -> None:
    failed, tried = counted
    p = Fraction(share)
    exact = sum(comb(tried, k) * p**k * (1 - p) ** (tried - k) for k in range(failed, tried + 1))
    assert tail(failed, tried, share) == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


@given(counts(100_000), shares)
def test_one_more_that_fails_never_looks_better(counted: tuple[int, int], share: float) -> None:
    failed, tried = counted
    now, more = tail(failed, tried, share), tail(failed + 1, tried + 1, share)
    assert 0 <= more <= now * (1 + 1e-6) + 1e-12 <= 1.01
    if beyond(failed, tried, share, 0.01):
        assert more <= 0.01 * (1 + 1e-6)


def test_a_bare_share_is_a_chance_of_one() -> None:
    assert [beyond(failed, 100, 0.02, 1.0) for failed in (0, 2, 3)] == [False, False, True]


def test_millions_of_tries_are_looked_at_in_no_time() -> None:
    assert not beyond(20_100, 1_000_000, 0.02, 0.01)
    assert beyond(20_500, 1_000_000, 0.02, 0.01)
    assert not beyond(2_003_000, 100_000_000, 0.02, 0.01)
