"""Choosing: laws that hold for whatever was measured, and the relaxations' round trip through the judge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise import units
from edgewise.design import words
from edgewise.design.choose import NOISE, TIE, Choice, choose, cost, in_order, mark_frontier, relax
from edgewise.design.judge import judge
from edgewise.design.statistics import Estimate
from edgewise.nouns import Budget, Design, Limit, Quantity, Relaxation, Stage, Verdict
from fakes.designs import ACCURACY, Span, budget, timed

Q = Quantity
LIMITED = (Q.LATENCY_P50, Q.THROUGHPUT, Q.MEMORY, Q.FLASH, Q.ENERGY, Q.PRICE, Q.DROP)


def judged(designs: Sequence[Design], allowed: Budget) -> list[Verdict]:
    return [judge(design, allowed, ACCURACY, significant=False) for design in designs]


def unpaired(slower: str, faster: str) -> None:
    """Nothing was timed side by side: intervals decide."""


def sure(verdicts: Sequence[Verdict]) -> dict[str, float]:
    return {v.design.name: v.design.figures[Q.LATENCY_P50].value for v in verdicts}


def paired(verdicts: Sequence[Verdict]):
    """Everything was timed side by side, and ratios are good to two per cent."""
    medians = sure(verdicts)

    def ratio(slower: str, faster: str) -> Estimate:
        value = medians[slower] / medians[faster]
        return Estimate(value=value, low=value * 0.98, high=value * 1.02, n=30)

    return ratio


# A coarse grid makes ties, near ties and exact hits of limits likely.
grid = st.sampled_from([1.0, 1.01, 1.04, 1.2, 1.5, 2.0, 3.0, 10.0])
spread = st.sampled_from([0.0, 0.005, 0.1, 0.5])


@st.composite
def spans(draw: st.DrawFn) -> Span:
    value, reach = draw(grid), draw(spread)
    return (value * (1 - reach), value, value * (1 + reach))


@st.composite
def some_designs(draw: st.DrawFn, *, least: int = 0) -> list[Design]:
    priced, metered = draw(st.booleans()), draw(st.booleans())
    designs = []
    for number in range(draw(st.integers(least, 7))):
        figures: dict[Quantity, Span] = {
            Q.LATENCY_P50: draw(spans()),
            Q.THROUGHPUT: draw(spans()),
            Q.MEMORY: draw(grid),
            Q.FLASH: draw(grid),
            Q.METRIC: draw(st.sampled_from([0.9, 0.91, 0.95])),
            Q.DROP: draw(st.sampled_from([(-0.01, 0.0, 0.01), (0.0, 0.02, 0.04), (0.05, 0.1, 0.15)])),
        }
        figures |= {Q.PRICE: draw(grid)} if priced else {}
        figures |= {Q.ENERGY: draw(grid)} if metered else {}
        design = timed(f"d{number}", figures, threads=draw(st.integers(1, 3)), recipe=f"r{number % 3}")
        outcome = draw(st.sampled_from(["timed", "timed", "timed", "timed", "failed", "waiting"]))
        if outcome == "failed":
            design = replace(design, stage=Stage.BUILT, failure="it crashed", figures={})
        elif outcome == "waiting":
            design = replace(design, stage=Stage.EVALUATED)
        designs.append(design)
    return designs


budgets = st.dictionaries(st.sampled_from(LIMITED), st.sampled_from([0.02, 0.5, 1.0, 1.5, 2.0, 4.0])).map(budget)


@given(some_designs(), budgets, st.booleans())
@settings(max_examples=200)
def test_the_choice_is_feasible_and_none_feasible_is_cheaper_beyond_a_tie(
    designs: list[Design], allowed: Budget, side_by_side: bool
) -> None:
    verdicts = judged(designs, allowed)
    ratio = paired([v for v in verdicts if v.feasible]) if side_by_side else unpaired
    choice = choose(verdicts, ratio)
    feasible = {v.design.name: v.design for v in verdicts if v.feasible}
    assert (choice.chosen is None) is (not feasible)
    if choice.chosen is None:
        return
    chosen = feasible[choice.chosen]
    assert choice.runner_up != choice.chosen
    assert {name for name in (choice.runner_up, *choice.tied) if name} <= set(feasible)
    assert (choice.runner_up is None) is (len(feasible) == 1)
    fastest = min(feasible.values(), key=cost)
    assert cost(chosen)[:2] == cost(fastest)[:2]
    if side_by_side:
        assert cost(chosen)[2] <= TIE * cost(fastest)[2]
    else:
        assert chosen.figures[Q.LATENCY_P50].overlaps(fastest.figures[Q.LATENCY_P50])


@given(some_designs(), budgets)
@settings(max_examples=150)
def test_among_equals_the_choice_has_the_fewest_threads_then_the_least_memory(
    designs: list[Design], allowed: Budget
) -> None:
    verdicts = judged(designs, allowed)
    choice = choose(verdicts, unpaired)
    by_name = {v.design.name: v.design for v in verdicts}

    def size(name: str) -> tuple[int, float, float]:
        design = by_name[name]
        return design.configuration.threads, design.figures[Q.MEMORY].value, design.figures[Q.FLASH].value

    equals = [name for name in (choice.chosen, *choice.tied) if name]
    assert [size(name) for name in equals] == sorted(size(name) for name in equals)


@given(some_designs(), budgets, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_an_infeasible_design_more_changes_nothing(designs: list[Design], allowed: Budget, random: object) -> None:
    verdicts = judged(designs, allowed)
    hopeless = timed("hopeless", {quantity: 0.0 for quantity in LIMITED if quantity is not Q.DROP})
    more = [*verdicts, *judged([replace(hopeless, failure="it crashed")], allowed)]
    assert choose(more, unpaired) == choose(verdicts, unpaired)


@given(some_designs(least=1), budgets, st.sampled_from(LIMITED), st.sampled_from([1.01, 1.5, 4.0]))
@settings(max_examples=150)
def test_a_looser_limit_is_never_worse(
    designs: list[Design], allowed: Budget, quantity: Quantity, factor: float
) -> None:
    wider = loosened(allowed, quantity, factor)
    before, after = judged(designs, allowed), judged(designs, wider)
    assert all(b.feasible or not a.feasible for a, b in zip(before, after, strict=True))
    costs = [min((cost(v.design) for v in verdicts if v.feasible), default=None) for verdicts in (before, after)]
    if costs[0] is not None:
        assert costs[1] is not None
        assert costs[1] <= costs[0]


def loosened(allowed: Budget, quantity: Quantity, factor: float) -> Budget:
    return Budget(
        limits=tuple(
            replace(limit, value=limit.value / factor if quantity.higher_is_better else limit.value * factor)
            if limit.quantity is quantity
            else limit
            for limit in allowed.limits
        )
    )


@given(some_designs(least=1))
@settings(max_examples=150)
def test_what_is_on_the_frontier_is_beaten_by_nothing(designs: list[Design]) -> None:
    marked = mark_frontier(judged(designs, budget({})), ACCURACY)
    assert [v.design for v in marked] == designs
    timed_ones = [v for v in marked if v.design.stage is Stage.TIMED]
    assert not any(v.on_frontier for v in marked if v.design.stage is not Stage.TIMED)
    compared = (Q.LATENCY_P50, Q.MEMORY, Q.FLASH, Q.ENERGY, Q.PRICE)
    timed_ones = [v for v in timed_ones if v.feasible] or timed_ones  # the feasible are compared with each other
    for verdict in timed_ones:
        beaten_by = [
            other.design.name
            for other in timed_ones
            if other is not verdict
            and other.design.configuration.threads <= verdict.design.configuration.threads
            and other.design.figures[Q.METRIC].value >= verdict.design.figures[Q.METRIC].value
            and all(
                other.design.figures[q].value * (1 + 2 * NOISE) < verdict.design.figures[q].value
                for q in compared
                if q in verdict.design.figures
            )
        ]
        assert not (verdict.on_frontier and beaten_by)


@given(some_designs(least=1))
@settings(max_examples=150)
def test_where_anything_was_timed_the_frontier_is_not_empty(designs: list[Design]) -> None:
    marked = mark_frontier(judged(designs, budget({})), ACCURACY)
    anything = any(verdict.design.stage is Stage.TIMED for verdict in marked)
    assert any(verdict.on_frontier for verdict in marked) is anything


def test_the_frontier_keeps_whatever_is_best_at_something() -> None:
    designs = [
        timed("fast", {Q.LATENCY_P50: 1.0, Q.MEMORY: 9.0}),
        timed("small", {Q.LATENCY_P50: 9.0, Q.MEMORY: 1.0}),
        timed("accurate", {Q.LATENCY_P50: 9.0, Q.MEMORY: 9.0, Q.METRIC: 0.99}),
        timed("beaten", {Q.LATENCY_P50: 9.5, Q.MEMORY: 9.5}),
        timed("noise", {Q.LATENCY_P50: 0.995, Q.MEMORY: 9.1}),
    ]
    marked = mark_frontier(judged(designs, budget({})), ACCURACY)
    assert [v.design.name for v in marked if v.on_frontier] == ["fast", "small", "accurate", "noise"]


def test_of_an_error_less_is_better_on_the_frontier() -> None:
    metric = replace(ACCURACY, name="mae", higher_is_better=False)
    designs = [timed("close", {Q.METRIC: 0.1}), timed("far", {Q.METRIC: 0.5})]
    marked = mark_frontier(judged(designs, budget({})), metric)
    assert [v.on_frontier for v in marked] == [True, False]


@given(some_designs(), budgets)
@settings(max_examples=100)
def test_in_order_keeps_every_design_and_puts_the_choice_first(designs: list[Design], allowed: Budget) -> None:
    verdicts = judged(designs, allowed)
    choice = choose(verdicts, unpaired)
    ordered = in_order(verdicts, choice)
    assert sorted(v.design.name for v in ordered) == sorted(v.design.name for v in verdicts)
    feasible = [v.feasible for v in ordered]
    assert feasible == sorted(feasible, reverse=True)
    if choice.chosen:
        head = [choice.chosen, *choice.tied]
        assert [v.design.name for v in ordered[: len(head)]] == head


def applied(allowed: Budget, *changes: Relaxation) -> Budget:
    """The budget with what the relaxations ask for."""
    new = {change.limit.quantity: replace(change.limit, value=change.needed) for change in changes}
    return Budget(limits=(*(new.pop(limit.quantity, limit) for limit in allowed.limits), *new.values()))


@given(some_designs(least=1), budgets)
@settings(max_examples=300)
def test_a_relaxation_that_is_applied_admits_its_design(designs: list[Design], allowed: Budget) -> None:
    verdicts = judged(designs, allowed)
    if any(verdict.feasible for verdict in verdicts):
        return
    relaxations = relax(verdicts)
    if any(change.needed == change.limit.value for change in relaxations):  # a figure to be declared
        return
    names = {change.design for change in relaxations}
    if len(names) == 1:
        budgets_to_try = [applied(allowed, *relaxations)]
    else:
        budgets_to_try = [applied(allowed, change) for change in relaxations]
    for change, relaxed in zip(relaxations, budgets_to_try, strict=False):
        admitted = {v.design.name for v in judged(designs, relaxed) if v.feasible}
        assert change.design in admitted


@given(some_designs(least=1), budgets)
@settings(max_examples=200)
def test_no_smaller_change_of_one_limit_would_do(designs: list[Design], allowed: Budget) -> None:
    verdicts = judged(designs, allowed)
    if any(verdict.feasible for verdict in verdicts):
        return
    for change in relax(verdicts):
        if change.limit.quantity is Q.DROP or ", with the others," in change.sentence:
            continue
        rounding = 0.011 * change.needed
        less = change.needed + (rounding if change.limit.quantity.higher_is_better else -rounding)
        assert not any(v.feasible for v in judged(designs, applied(allowed, replace(change, needed=less))))


@pytest.mark.parametrize("quantity", [Q.LATENCY_P99, Q.MEMORY, Q.ENERGY, Q.PRICE, Q.DROP, Q.THROUGHPUT])
@given(value=st.floats(0.001, 0.9), scale=st.sampled_from([1, 1e3, 1e6]))
@settings(max_examples=40)
def test_the_limit_in_the_sentence_is_enough_when_it_is_written_down(
    quantity: Quantity, value: float, scale: float
) -> None:
    value = value if quantity is Q.DROP else value * scale
    limit = 1e12 if quantity.higher_is_better else value / 2
    design = timed("d", {quantity: (value, value, value)})
    allowed = budget({quantity: limit})
    (change,) = relax(judged([design], allowed))
    written = change.sentence.removeprefix(f"{words.NAMES[quantity]} of ").partition(" instead of ")[0]
    asked = units.parse(written, words.DIMENSIONS[quantity])
    relaxed = applied(allowed, replace(change, needed=asked))
    assert judged([design], relaxed)[0].feasible
    assert asked == pytest.approx(value, rel=0.011)


def test_single_changes_come_one_a_limit_and_the_smallest() -> None:
    designs = [
        timed("slow", {Q.LATENCY_P50: 30.0, Q.MEMORY: 1.0}),
        timed("slower", {Q.LATENCY_P50: 40.0, Q.MEMORY: 1.0}),
        timed("large", {Q.LATENCY_P50: 1.0, Q.MEMORY: 70.0}),
        timed("both", {Q.LATENCY_P50: 30.0, Q.MEMORY: 60.0}),
    ]
    found = relax(judged(designs, budget({Q.LATENCY_P50: 10.0, Q.MEMORY: 50.0})))
    assert {(change.limit.quantity, change.design, change.needed) for change in found} == {
        (Q.LATENCY_P50, "slow", 30.0),
        (Q.MEMORY, "large", 70.0),
    }


def test_where_no_single_change_is_enough_the_fewest_together_are_named() -> None:
    designs = [
        timed("two", {Q.LATENCY_P50: 30.0, Q.MEMORY: 60.0, Q.FLASH: 1.0}),
        timed("three", {Q.LATENCY_P50: 11.0, Q.MEMORY: 51.0, Q.FLASH: 11.0}),
    ]
    found = relax(judged(designs, budget({Q.LATENCY_P50: 10.0, Q.MEMORY: 50.0, Q.FLASH: 10.0})))
    assert [change.design for change in found] == ["two", "two"]
    assert all("with the others" in change.sentence for change in found)


def test_a_figure_that_nobody_knows_is_asked_for() -> None:
    (change,) = relax(judged([timed("d", {})], budget({Q.PRICE: 10.0})))
    assert change.needed == 10.0
    assert "price: …USD" in change.sentence


def test_a_drop_without_a_limit_is_relaxed_to_one_that_fits() -> None:
    design = timed("d", {Q.DROP: (0.02, 0.05, 0.08)})
    verdicts = [judge(design, budget({}), ACCURACY, significant=True)]
    (change,) = relax(verdicts)
    assert change.limit == Limit(quantity=Q.DROP, value=0.0, unit="")
    assert judge(design, applied(budget({}), change), ACCURACY, significant=True).feasible


def test_price_goes_before_energy_and_energy_before_latency() -> None:
    def chosen(figures: Mapping[str, Mapping[Quantity, Span]]) -> str | None:
        return choose(judged([timed(name, each) for name, each in figures.items()], budget({})), unpaired).chosen

    cheap = {Q.PRICE: 10.0, Q.ENERGY: 9.0, Q.LATENCY_P50: 9.0}
    thrifty = {Q.PRICE: 20.0, Q.ENERGY: 1.0, Q.LATENCY_P50: 9.0}
    fast = {Q.PRICE: 20.0, Q.ENERGY: 9.0, Q.LATENCY_P50: 1.0}
    assert chosen({"fast": fast, "thrifty": thrifty, "cheap": cheap}) == "cheap"
    assert chosen({"fast": fast, "thrifty": thrifty}) == "thrifty"


def test_the_runner_up_is_another_recipe_rather_than_another_number_of_threads() -> None:
    designs = [
        timed("int8@1t", {Q.LATENCY_P50: 1.0}, threads=1, recipe="int8"),
        timed("int8@2t", {Q.LATENCY_P50: 1.2}, threads=2, recipe="int8"),
        timed("fp32@1t", {Q.LATENCY_P50: 3.0}, threads=1, recipe="fp32"),
    ]
    assert choose(judged(designs, budget({})), unpaired) == Choice(
        chosen="int8@1t", fastest="int8@1t", runner_up="fp32@1t", tied=()
    )
    assert choose(judged(designs[:2], budget({})), unpaired).runner_up == "int8@2t"


@pytest.mark.parametrize(("value", "low", "tied"), [(1.04, 0.9, True), (1.2, 0.9, False), (1.04, 1.01, False)])
def test_equal_is_what_may_be_as_fast_and_is_not_much_slower_as_observed(value: float, low: float, tied: bool) -> None:
    designs = [timed("first", {Q.LATENCY_P50: 1.0}), timed("second", {Q.LATENCY_P50: value})]
    found = choose(judged(designs, budget({})), lambda *_: Estimate(value=value, low=low, high=2.0, n=30))
    assert found.tied == (("second",) if tied else ())


def test_nothing_to_choose_among_is_no_choice() -> None:
    assert choose([], unpaired) == Choice(chosen=None, fastest=None, runner_up=None, tied=())
    assert relax([]) == ()
