"""Reasons in sentences: none is empty, and none ranks what could not be told apart without saying so."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.design import explain, words
from edgewise.design.choose import Ratio, choose
from edgewise.design.judge import judge
from edgewise.design.statistics import Estimate
from edgewise.nouns import Design, Quantity, Verdict
from fakes.designs import ACCURACY, Span, budget, timed

Q = Quantity
UNDECIDED = "cannot be told apart in latency"


def judged(designs: Sequence[Design], limits: Mapping[Quantity, float] = {}) -> list[Verdict]:
    return [judge(design, budget(limits), ACCURACY, significant=False) for design in designs]


def reasons(designs: Sequence[Design], ratio: Ratio, limits: Mapping[Quantity, float] = {}) -> tuple[str, ...]:
    """Why the choice among `designs`, the first of which is the reference, with plain spaces."""
    verdicts = judged(designs, limits)
    found = explain.why(verdicts, choose(verdicts, ratio), designs[0].name, ratio)
    return tuple(sentence.replace("\u00a0", " ") for sentence in found)


def fixed(value: float, reach: float) -> Ratio:
    """Every other design takes `value` times as long as the one it is compared with, give or take `reach`."""

    def ratio(slower: str, faster: str) -> Estimate:
        return Estimate(value=value, low=value - reach, high=value + reach, n=30)

    return ratio


def measured(designs: Sequence[Design], reach: float) -> Ratio:
    medians = {design.name: design.figures[Q.LATENCY_P50].value for design in designs}

    def ratio(slower: str, faster: str) -> Estimate:
        value = medians[slower] / medians[faster]
        return Estimate(value=value, low=value * (1 - reach), high=value * (1 + reach), n=30)

    return ratio


SLOW = timed("given", {Q.LATENCY_P50: (2.9, 3.0, 3.1)})
FAST = timed("int8", {Q.LATENCY_P50: (0.9, 1.0, 1.1)})


def test_the_model_as_given_is_the_measure() -> None:
    (first, *_) = reasons([SLOW, FAST], measured([SLOW, FAST], 0.02))
    assert first == "the model as given (given) takes 3.00 times (2.94 to 3.06) as long"


@pytest.mark.parametrize(("value", "reach", "undecided"), [(1.02, 0.05, True), (1.2, 0.05, False), (1.05, 0.05, True)])
def test_an_interval_across_one_is_said_to_decide_nothing(value: float, reach: float, undecided: bool) -> None:
    found = reasons([SLOW, FAST], fixed(value, reach))
    compared = [sentence for sentence in found if "as long" in sentence]
    assert len(compared) == 2
    assert all((UNDECIDED in sentence) is undecided for sentence in compared)


def test_a_runner_up_that_is_clearly_faster_is_not_called_undecided() -> None:
    thrifty = timed("thrifty", {Q.LATENCY_P50: (2.9, 3.0, 3.1), Q.ENERGY: 1.0})
    fast = timed("fast", {Q.LATENCY_P50: (0.9, 1.0, 1.1), Q.ENERGY: 5.0})
    found = reasons([thrifty, fast], measured([thrifty, fast], 0.02))
    (runner_up,) = (sentence for sentence in found if "runner-up" in sentence)
    assert "takes 0.33 times" in runner_up
    assert UNDECIDED not in runner_up


def test_a_choice_that_is_the_model_as_given_says_so() -> None:
    (first, *_) = reasons([FAST, SLOW], measured([FAST, SLOW], 0.02))
    assert "int8 is the model as given" in first


def test_designs_that_were_not_timed_side_by_side_are_not_ranked() -> None:
    found = reasons([SLOW, FAST], lambda *_: None)
    assert found == ("the runner-up is given; the two were not timed side by side",)


def test_equals_are_named_with_the_rule_that_decided() -> None:
    designs = [timed(f"d{number}", {Q.MEMORY: float(number + 1)}) for number in range(6)]
    found = reasons(designs, fixed(1.01, 0.03))
    (tied,) = (sentence for sentence in found if "count as equal" in sentence)
    assert "d1, d2, d3 and 2 more" in tied
    assert "fewer threads, less memory and smaller size" in tied


def test_what_the_runner_up_would_save_is_said() -> None:
    lean = timed("lean", {Q.LATENCY_P50: (2.9, 3.0, 3.1), Q.MEMORY: 2.0**19})
    (runner_up,) = (s for s in reasons([lean, FAST], measured([lean, FAST], 0.02)) if "runner-up" in s)
    assert "512 KiB of peak memory instead of 1.00 MiB" in runner_up


def test_a_drop_that_is_not_proven_is_repeated() -> None:
    unproven = timed("int8", {Q.DROP: (-0.02, 0.005, 0.03)})
    found = reasons([SLOW, unproven], fixed(3.0, 0.1), {Q.DROP: 0.01})
    assert any("not proven" in sentence for sentence in found)


def test_a_limit_that_is_nearly_reached_is_mentioned_and_one_with_room_is_not() -> None:
    found = reasons([SLOW, FAST], fixed(3.0, 0.1), {Q.LATENCY_P50: 1.2, Q.MEMORY: 2.0**30})
    near = [sentence for sentence in found if "near its limit" in sentence]
    assert len(near) == 1
    assert near[0].startswith("median latency is near its limit of 1.20 ms")


def test_a_tighter_limit_that_would_change_the_choice_is_mentioned() -> None:
    small = timed("small", {Q.LATENCY_P50: (2.9, 3.0, 3.1), Q.FLASH: 2.0**10})
    found = reasons([small, FAST], measured([small, FAST], 0.02))
    (sentence,) = (each for each in found if "the choice would be" in each)
    assert "with at most 115 KiB of size the choice would be small" in sentence
    assert "needs 1.00 KiB" in sentence


def test_without_a_choice_there_is_nothing_to_say() -> None:
    assert reasons([SLOW, FAST], fixed(3.0, 0.1), {Q.MEMORY: 1.0}) == ()


@st.composite
def plans(draw: st.DrawFn) -> list[Design]:
    value = st.sampled_from([1.0, 1.02, 1.3, 2.0, 5.0])
    return [
        timed(
            f"d{number}",
            {
                Q.LATENCY_P50: (middle := draw(value), middle, middle),
                Q.MEMORY: draw(value),
                Q.FLASH: draw(value),
                Q.DROP: draw(st.sampled_from([(-0.01, 0.0, 0.01), (0.0, 0.0, 0.0)])),
            },
            threads=draw(st.integers(1, 2)),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


@given(
    plans(),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.dictionaries(st.sampled_from([Q.LATENCY_P50, Q.MEMORY]), st.just(2.0)),
)
@settings(max_examples=150)
def test_no_sentence_is_empty_and_every_comparison_is_honest(
    designs: list[Design], reach: float, limits: dict[Quantity, Span]
) -> None:
    spans: dict[Quantity, float] = dict.fromkeys(limits, 2.0)
    for sentence in reasons(designs, measured(designs, reach), spans):
        assert sentence.strip()
        if " as long" in sentence:
            low, high = (float(end) for end in sentence.partition("times (")[2].partition(")")[0].split(" to "))
            if low < 1 < high:
                assert UNDECIDED in sentence
            if low > 1 or high < 1:
                assert UNDECIDED not in sentence


def test_every_quantity_has_a_name_and_a_dimension() -> None:
    assert set(words.NAMES) == set(words.DIMENSIONS) == set(Quantity)
