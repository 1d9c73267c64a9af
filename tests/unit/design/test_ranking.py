"""One machine against another in words: overlap is never ranked, and no pair is passed over."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.ranking import Leader, _alike, leaders, sentences
from edgewise.nouns import Measurement, Metric, Provenance, ProvenanceKind, Quantity, Verdict
from fakes import plans
from fakes.several_machines import several_machines_plan

ACCURACY = Metric(name="accuracy", higher_is_better=True, against="labels")
SOURCE = Provenance(kind=ProvenanceKind.CALIBRATED, by="six machines")
UNIT = {Quantity.LATENCY_P50: "ms", Quantity.PRICE: "USD", Quantity.ENERGY: "mJ", Quantity.METRIC: ""}


def figure(value: float, low: float, high: float, quantity: Quantity = Quantity.LATENCY_P50) -> Measurement:
    return Measurement(value=value, low=low, high=high, unit=UNIT[quantity], n=1, provenance=SOURCE)


def leader(machine: str, value: Measurement | None, quantity: Quantity = Quantity.LATENCY_P50) -> Leader:
    design = plans.design_of(plans.ROWS[0])
    design = replace(design, machine=machine, name=f"x@{machine}", figures={} if value is None else {quantity: value})
    return Leader(machine=machine, verdict=Verdict(design=design, feasible=True, reason=""))


def said(quantity: Quantity, **figures: Measurement | None) -> str:
    given_ = [leader(name, value, quantity) for name, value in figures.items()]
    return " ".join(sentences(quantity, given_, ACCURACY)).replace("\u00a0", " ")


def test_machines_that_lie_apart_are_ranked_with_what_the_figures_are_worth():
    text = said(Quantity.LATENCY_P50, slow=figure(20, 19, 21), fast=figure(10, 9, 11))
    assert text.startswith("Lowest median latency: fast with 10.0 ms (9.0 to 11.0), calibrated.")
    assert "slow takes 2.00 times as long (calibrated)" in text
    assert "No two intervals overlap" in text


def test_machines_whose_intervals_overlap_cannot_be_told_apart():
    text = said(Quantity.LATENCY_P50, one=figure(10, 8, 14), other=figure(12, 9, 15))
    assert "cannot be told apart from other (12.0 ms (9.0 to 15.0), calibrated)" in text
    assert "times" not in text
    assert "by its figure" in text


def test_overlap_in_a_chain_is_told_pair_by_pair():
    text = said(
        Quantity.LATENCY_P50, a=figure(1, 1, 1), b=figure(10, 8, 12), c=figure(13, 11, 15), d=figure(16, 14, 18)
    )
    assert "b and c; c and d" in text
    assert "b and d" not in text
    assert "b and c and d" not in text
    assert "Every other pair is told apart" in text


def test_equal_prices_are_the_same_and_not_blurred():
    text = said(Quantity.PRICE, **{n: figure(15, 15, 15, Quantity.PRICE) for n in ("a", "b")})
    assert "the same as b" in text
    assert "told apart" not in text


def test_the_metric_runs_upwards_and_differs_by_points():
    text = said(
        Quantity.METRIC,
        good=figure(0.97, 0.96, 0.98, Quantity.METRIC), bad=figure(0.90, 0.89, 0.91, Quantity.METRIC),
    )  # fmt: skip
    assert text.startswith("Highest accuracy: good")
    assert "bad is worse by 7.0 points" in text


def test_unknown_figures_are_named_with_what_would_tell_them():
    text = said(Quantity.PRICE, a=figure(15, 15, 15, Quantity.PRICE), b=figure(20, 20, 20, Quantity.PRICE), c=None)
    assert "Not known for c; declare it: machines: [{name: c, price: …USD}]." in text
    assert said(Quantity.ENERGY, a=None, b=None) == ""


def test_one_machine_is_compared_with_nothing():
    assert sentences(Quantity.LATENCY_P50, [leader("a", figure(1, 1, 1))], ACCURACY) == ()


INTERVALS = st.lists(
    st.tuples(st.floats(1, 100), st.floats(0, 40), st.floats(0, 40)).map(
        lambda t: figure(t[0], max(0.5, t[0] - t[1]), t[0] + t[2])
    ),
    min_size=2,
    max_size=7,
)


@given(INTERVALS)
def test_each_overlapping_pair_is_in_a_group_and_no_other_is(figures):
    named = [(f"m{number}", one) for number, one in enumerate(figures)]
    together = {
        frozenset((a, b)) for group in _alike(named) for (a, _), (b, _) in combinations(group, 2)
    }  # fmt: skip
    assert together == {frozenset((a, b)) for (a, f), (b, g) in combinations(named, 2) if f.overlaps(g)}


@given(INTERVALS)
def test_no_machine_is_called_slower_than_one_it_cannot_be_told_from(figures):
    named = {f"m{number}": one for number, one in enumerate(figures)}
    text = " ".join(sentences(Quantity.LATENCY_P50, [leader(n, f) for n, f in named.items()], ACCURACY))
    behind = re.search(r"Against (m\d), (.*?)\.(?: |$)(?:Every|No|$)", text)
    if behind:
        first = named[behind[1]]
        for name in re.findall(r"(m\d) takes", behind[2]):
            assert not named[name].overlaps(first)


def test_the_choice_stands_for_its_machine_and_comes_first():
    plan = several_machines_plan()
    found = leaders(plan)
    assert found[0].verdict is not None
    assert found[0].verdict.design.name == plan.choice
    assert [one.machine for one in found if one.verdict is None] == ["kria-kv260"]
    assert found[-1].reason == "its compiler is not here, and nothing is published for this network"
    assert {one.machine for one in found} == {machine.name for machine in plan.machines}


def test_where_nothing_fits_the_nearest_stands_for_a_machine():
    plan = several_machines_plan()
    here = next(one for one in leaders(plan) if one.machine == "this")
    assert here.verdict is not None
    assert not here.verdict.feasible
    assert [f.limit.quantity for f in here.verdict.findings if f.finding.value != "fits"] == [Quantity.PRICE]


@pytest.mark.parametrize("quantity", [Quantity.LATENCY_P50, Quantity.ENERGY, Quantity.PRICE, Quantity.METRIC])
def test_every_machine_of_a_plan_is_in_the_sentences_of_each_figure(quantity):
    found = leaders(several_machines_plan())
    text = " ".join(sentences(quantity, found, ACCURACY))
    if "No two of these" in text:
        assert f"{sum(one.verdict is not None for one in found)} machines" in text
        return
    for one in found:
        if one.verdict is not None:
            assert ("this machine" if one.machine == "this" else one.machine) in text.lower()
