"""One design against one budget: every finding, and the rule that a whole interval must fit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.judge import admitted, judge
from edgewise.nouns import Finding, Limit, LimitFinding, Metric, Quantity, Stage, Verdict
from fakes.designs import ACCURACY, Span, budget, timed

Q = Quantity
FITS, MISSES, UNPROVEN, UNKNOWN = Finding.FITS, Finding.MISSES, Finding.UNPROVEN, Finding.UNKNOWN


def verdict(figures: dict[Quantity, Span], limits: dict[Quantity, float], *, significant: bool = False) -> Verdict:
    return judge(timed("d", figures), budget(limits), ACCURACY, significant=significant)


def reason(found: Verdict) -> str:
    """The reason with plain spaces."""
    return found.reason.replace("\u00a0", " ")


def finding(found: Verdict, quantity: Quantity) -> LimitFinding:
    return next(each for each in found.findings if each.limit.quantity is quantity)


@pytest.mark.parametrize(
    ("quantity", "span", "limit", "expected"),
    [
        (Q.LATENCY_P99, (8.0, 9.0, 10.0), 10.0, FITS),
        (Q.LATENCY_P99, (8.0, 9.0, 10.1), 10.0, UNPROVEN),
        (Q.LATENCY_P99, (9.9, 11.0, 12.0), 10.0, UNPROVEN),
        (Q.LATENCY_P99, (10.1, 11.0, 12.0), 10.0, MISSES),
        (Q.LATENCY_P50, (10.0, 10.0, 10.0), 10.0, FITS),
        (Q.THROUGHPUT, (100.0, 110.0, 120.0), 100.0, FITS),
        (Q.THROUGHPUT, (99.0, 110.0, 120.0), 100.0, UNPROVEN),
        (Q.THROUGHPUT, (80.0, 95.0, 101.0), 100.0, UNPROVEN),
        (Q.THROUGHPUT, (80.0, 85.0, 90.0), 100.0, MISSES),
        (Q.MEMORY, 2.0**26, 2.0**26, FITS),
        (Q.MEMORY, 2.0**26 + 4096, 2.0**26, MISSES),
        (Q.FLASH, 1000.0, 999.0, MISSES),
        (Q.ENERGY, 1.5, 2.0, FITS),
        (Q.PRICE, 90.0, 150.0, FITS),
        (Q.PRICE, 190.0, 150.0, MISSES),
    ],
)
def test_only_a_whole_interval_fits(quantity: Quantity, span: Span, limit: float, expected: Finding) -> None:
    found = verdict({quantity: span}, {quantity: limit})
    assert finding(found, quantity).finding is expected
    assert found.feasible is (expected is FITS)
    if not found.feasible:
        assert finding(found, quantity).sentence in found.reason


@pytest.mark.parametrize(
    ("quantity", "how"),
    [
        (Q.PRICE, "declare it"),
        (Q.ENERGY, "declare the power"),
        (Q.POWER, "declare it"),
        (Q.LATENCY_P99, "too few calls"),
        (Q.THROUGHPUT, "was not measured"),
    ],
)
def test_what_nobody_knows_does_not_fit_and_says_how_it_could_be_known(quantity: Quantity, how: str) -> None:
    found = verdict({}, {quantity: 5.0})
    assert finding(found, quantity).finding is UNKNOWN
    assert not found.feasible
    assert "is not known" in found.reason
    assert how in found.reason


@pytest.mark.parametrize(
    ("limit", "span", "significant", "expected"),
    [
        # With a limit: what counts is the drop as observed; only a whole interval proves it.
        (0.01, (-0.02, 0.0, 0.01), False, FITS),
        (0.01, (-0.02, 0.005, 0.03), False, UNPROVEN),
        (0.01, (0.001, 0.008, 0.015), True, UNPROVEN),
        (0.01, (-0.02, 0.0101, 0.04), False, MISSES),
        (0.01, (0.02, 0.05, 0.08), True, MISSES),
        (0.01, (-0.08, -0.05, -0.02), False, FITS),
        (0.0, (0.0, 0.0, 0.0), False, FITS),
        (0.0, (-0.01, 0.0, 0.01), False, UNPROVEN),
        (0.0, (-0.01, 0.002, 0.01), False, MISSES),
        # Without one: no drop that can be seen in pairs.
        (None, (0.0, 0.0, 0.0), False, FITS),
        (None, (-0.08, -0.05, -0.02), False, FITS),
        (None, (-0.02, 0.0, 0.02), False, UNPROVEN),
        (None, (-0.01, 0.01, 0.03), False, UNPROVEN),
        (None, (-0.001, 0.01, 0.03), True, MISSES),
        (None, (0.011, 0.12, 0.22), False, MISSES),
    ],
)
def test_a_drop_is_admitted_where_it_fits_as_observed_and_nothing_shows_more(
    limit: float | None, span: Span, significant: bool, expected: Finding
) -> None:
    found = verdict({Q.DROP: span}, {} if limit is None else {Q.DROP: limit}, significant=significant)
    assert finding(found, Q.DROP).finding is expected
    assert found.feasible is (expected is not MISSES)


@pytest.mark.parametrize("limit", [0.01, None])
def test_an_admitted_drop_that_is_not_proven_says_so(limit: float | None) -> None:
    found = verdict({Q.DROP: (-0.02, 0.005, 0.03)}, {} if limit is None else {Q.DROP: limit})
    assert found.feasible
    assert "95 % interval" in found.reason
    assert ("not proven" if limit else "may be chance") in found.reason


def test_how_many_samples_would_prove_it_is_said() -> None:
    found = verdict({Q.DROP: (-0.02, 0.005, 0.03)}, {Q.DROP: 0.01})
    assert "about 7500 samples for evaluation would prove it" in found.reason


def test_a_significant_drop_is_called_real() -> None:
    found = verdict({Q.DROP: (0.02, 0.05, 0.08)}, {Q.DROP: 0.01}, significant=True)
    assert "accuracy drops by 5.0 points (95 % interval 2.0 to 8.0 points, n = 300)" in reason(found)
    assert "a real drop by the paired test; the budget allows 1.0 points" in reason(found)


def test_a_drop_of_an_error_is_said_in_its_own_unit() -> None:
    metric = Metric(name="mae", higher_is_better=False, against="labels")
    design = timed("d", {Q.DROP: (0.02, 0.05, 0.08)})
    told = reason(judge(design, budget({Q.DROP: 0.01}), metric, significant=True))
    assert "mae grows by 0.0500" in told
    assert "points" not in told


def test_every_limit_that_is_missed_is_in_the_reason() -> None:
    told = reason(verdict({Q.LATENCY_P50: 20.0, Q.MEMORY: 100.0}, {Q.LATENCY_P50: 10.0, Q.MEMORY: 50.0, Q.FLASH: 1e9}))
    assert "median latency 20.0 ms misses at most 10.0 ms" in told
    assert "peak memory 100 B misses at most 50" in told
    assert "size" not in told


def test_a_failure_is_the_whole_reason() -> None:
    failed = replace(timed("d", {}), failure="the child was ended by SIGSEGV")
    found = judge(failed, budget({Q.LATENCY_P50: 1e9}), ACCURACY, significant=False)
    assert (found.feasible, found.reason, found.findings) == (False, "the child was ended by SIGSEGV", ())


def test_nothing_is_feasible_before_it_was_timed() -> None:
    waiting = replace(timed("d", {}), stage=Stage.EVALUATED)
    found = judge(waiting, budget({}), ACCURACY, significant=False)
    assert (found.feasible, found.reason) == (False, "it was not timed")


def test_a_design_that_was_not_timed_is_not_blamed_for_what_timing_would_have_told() -> None:
    design = timed("d", {Q.FLASH: 2000.0})
    figures = {key: value for key, value in design.figures.items() if key in (Q.METRIC, Q.DROP, Q.FLASH)}
    waiting = replace(design, stage=Stage.EVALUATED, figures=figures)
    found = judge(waiting, budget({Q.FLASH: 1000.0, Q.LATENCY_P99: 10.0}), ACCURACY, significant=False)
    assert finding(found, Q.FLASH).finding is MISSES
    assert "latency" not in found.reason


@given(
    span=st.tuples(*[st.floats(0.1, 100)] * 3).map(lambda ends: tuple(sorted(ends))),
    tight=st.floats(0.1, 100),
    room=st.floats(0, 50),
    quantity=st.sampled_from([Q.LATENCY_P50, Q.THROUGHPUT, Q.MEMORY, Q.PRICE]),
)
def test_a_looser_limit_never_rejects_what_a_tighter_one_admits(
    span: tuple[float, float, float], tight: float, room: float, quantity: Quantity
) -> None:
    loose = max(tight - room, 0.0) if quantity.higher_is_better else tight + room
    if verdict({quantity: span}, {quantity: tight}).feasible:
        assert verdict({quantity: span}, {quantity: loose}).feasible


@given(
    span=st.tuples(*[st.floats(-0.5, 0.5)] * 3).map(lambda ends: tuple(sorted(ends))),
    limits=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)).map(sorted),
    significant=st.booleans(),
)
def test_a_looser_drop_never_rejects_what_a_tighter_one_admits(
    span: tuple[float, float, float], limits: list[float], significant: bool
) -> None:
    tight, loose = (verdict({Q.DROP: span}, {Q.DROP: limit}, significant=significant) for limit in limits)
    assert loose.feasible or not tight.feasible


@given(
    spans=st.dictionaries(
        st.sampled_from([Q.LATENCY_P50, Q.LATENCY_P99, Q.THROUGHPUT, Q.MEMORY, Q.PRICE, Q.DROP]),
        st.tuples(*[st.floats(0.001, 1e6)] * 3).map(lambda ends: tuple(sorted(ends))),
    ),
    limits=st.dictionaries(
        st.sampled_from([Q.LATENCY_P50, Q.LATENCY_P99, Q.THROUGHPUT, Q.MEMORY, Q.PRICE, Q.DROP]), st.floats(0.001, 1e6)
    ),
)
def test_every_limit_has_a_finding_with_a_sentence(spans: dict[Quantity, Span], limits: dict[Quantity, float]) -> None:
    found = verdict(spans, limits)
    judged = {each.limit.quantity for each in found.findings}
    assert judged == {*limits, Q.DROP}
    assert all(each.sentence for each in found.findings)
    assert found.feasible is all(admitted(each) for each in found.findings)
    assert found.reason


def test_an_unproven_latency_is_not_admitted_but_an_unproven_drop_is() -> None:
    def unproven(quantity: Quantity) -> LimitFinding:
        return LimitFinding(limit=Limit(quantity=quantity, value=1.0, unit=""), finding=UNPROVEN, sentence="s")

    assert not admitted(unproven(Q.LATENCY_P99))
    assert admitted(unproven(Q.DROP))
