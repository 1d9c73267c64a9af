"""When a recipe is said to collapse, and in which words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.numerics import Finding, collapses

HITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


@given(HITS)
def test_the_finding_follows_from_the_interval(pairs: list[tuple[bool, bool]]) -> None:
    exact, saturated = np.array(pairs).T
    found = collapses("u8s8", exact, saturated, tolerance=0.02)
    assert (found.finding is Finding.HOLDS) == (found.drop.high <= 0.02)
    if found.finding is Finding.COLLAPSES:
        assert found.drop.low > 0.02
        assert exact.mean() > saturated.mean()
    assert found.sentence.startswith("u8s8 ")


@given(HITS)
def test_what_loses_nothing_never_collapses(pairs: list[tuple[bool, bool]]) -> None:
    exact, _ = np.array(pairs).T
    assert collapses("u8s8", exact, exact).finding is not Finding.COLLAPSES


def test_the_sentence_names_the_cpus_and_the_figures() -> None:
    exact, saturated = np.arange(400) < 360, np.arange(400) < 36
    found = collapses("int8 u8s8 minmax", exact, saturated)
    assert found.finding is Finding.COLLAPSES
    assert "collapses on x86 CPUs with AVX2 and without VNNI" in found.sentence
    assert "from 90.0% to 9.0%" in found.sentence
    assert "(n = 400)" in found.sentence


def test_few_samples_leave_it_open() -> None:
    right = np.ones(20, dtype=np.bool_)
    found = collapses("u8s8", right, right)
    assert found.finding is Finding.UNDECIDED
    assert "20 samples leave" in found.sentence
    assert collapses("u8s8", np.ones(2000, np.bool_), np.ones(2000, np.bool_)).finding is Finding.HOLDS
