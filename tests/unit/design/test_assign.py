"""Assignment: equal to trying everything, never worse than first fit, and honest where time runs out."""

import runpy
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.design.assign import (
    CPU,
    Assignment,
    Demand,
    Kind,
    Option,
    Part,
    Problem,
    assign,
    fits,
    left_out,
    more_needed,
)
from edgewise.design.assign.first_fit import first_fit
from edgewise.design.assign.problem import power_known, total
from fakes.assignments import by_trying, problems

fleet_of_hundreds = runpy.run_path(str(Path(__file__).parents[3] / "bench" / "assign.py"))["fleet_of_hundreds"]
FORMULATIONS = {"patterns": 20_000, "machine by machine": 0}
GATEWAY = Kind(name="gateway", count=3, parts={CPU: Part(cores=4, other=0.6, most_busy=0.9)})
SHOP = Kind(name="shop", count=2, parts={CPU: Part(cores=4)}, price_usd=130.0)


def option(model: str, kind: Kind, busy: float, **settings: float) -> Option:
    return Option(model=model, kind=kind.name, design=f"{model} on {kind.name}", busy_cores=busy, **settings)


def check_keeps_every_rule(problem: Problem, answer: Assignment) -> None:
    assert answer.loads is not None
    kinds = {kind.name: kind for kind in problem.kinds}
    used = Counter[str]()
    placed = Counter[str]()
    for load in answer.loads:
        assert fits(kinds[load.kind], load.options)
        used[load.kind] += load.times
        placed.update({option.model: load.times for option in load.options})
    assert placed == {demand.model: demand.replicas for demand in problem.demands}
    assert all(used[kind.name] <= kind.count for kind in problem.kinds)


@pytest.mark.parametrize("most_patterns", FORMULATIONS.values(), ids=FORMULATIONS.keys())
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_equals_trying_everything(problem: Problem, most_patterns: int):
    best = by_trying(problem)
    answer = assign(problem, most_patterns=most_patterns)
    assert answer.impossible == (best is None)
    if best is None:
        assert answer.loads is None
        return
    check_keeps_every_rule(problem, answer)
    assert [each.value for each in answer.objectives] == pytest.approx(best, abs=1e-5)
    assert [each.gap for each in answer.objectives] == [0, 0, 0]
    assert all(each.bound == pytest.approx(each.value) for each in answer.objectives)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_never_worse_than_first_fit(problem: Problem):
    quick = first_fit(problem)
    if quick is None:
        return
    answer = assign(problem)
    check_keeps_every_rule(problem, Assignment(loads=quick))
    ours = tuple(round(each.value, 4) for each in answer.objectives)
    theirs = tuple(round(value, 4) for value in total(problem, quick, in_watt=power_known(problem.options)))
    assert ours <= theirs


@settings(max_examples=40, deadline=None)
@given(problem=problems(), more=st.integers(1, 2))
def test_another_machine_never_makes_it_dearer(problem: Problem, more: int):
    answer = assign(problem)
    kinds = (replace(problem.kinds[0], count=problem.kinds[0].count + more), *problem.kinds[1:])
    richer = assign(replace(problem, kinds=kinds))
    if answer.loads is not None:
        assert richer.loads is not None
        assert richer.objectives[0].value <= answer.objectives[0].value + 1e-6


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_what_more_machines_would_do_is_true_and_the_least(problem: Problem):
    if assign(problem).loads is not None:
        return
    counts = {kind.name: kind.count for kind in problem.kinds}
    for name, more in more_needed(problem).items():
        for number, enough in ((more, True), (more - 1, False)):
            kinds = tuple(
                replace(kind, count=counts[name] + number) if kind.name == name else kind for kind in problem.kinds
            )
            assert (assign(replace(problem, kinds=kinds)).loads is not None) == enough


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_what_is_left_out_lets_the_rest_fit(problem: Problem):
    out = left_out(problem)
    rest = tuple(
        replace(demand, replicas=demand.replicas - out.get(demand.model, 0))
        for demand in problem.demands
        if demand.replicas > out.get(demand.model, 0)
    )
    assert assign(replace(problem, demands=rest)).loads is not None
    assert bool(out) == (assign(problem).loads is None)


def test_owned_machines_before_bought_ones():
    problem = Problem(
        demands=(Demand(model="a"),),
        kinds=(GATEWAY, SHOP),
        options=(option("a", GATEWAY, 1.0), option("a", SHOP, 0.1)),
    )
    answer = assign(problem)
    assert answer.loads is not None
    assert [load.kind for load in answer.loads] == ["gateway"]
    assert answer.objectives[0].value == 0


def test_buys_the_least_where_it_must():
    problem = Problem(
        demands=(Demand(model="a", replicas=3), Demand(model="b", replicas=2)),
        kinds=(GATEWAY, SHOP),
        options=(option("a", GATEWAY, 1.1), option("b", GATEWAY, 1.0), option("a", SHOP, 1.0), option("b", SHOP, 1.0)),
    )
    answer = assign(problem)
    # Of a gateway 0.3 x 4 = 1.2 cores are left: one replica each. The other two share one new machine.
    assert answer.objectives[0].value == 130
    assert answer.loads is not None
    bought = [load for load in answer.loads if load.kind == "shop"]
    assert [(sorted(option.model for option in load.options), load.times) for load in bought] == [(["a", "b"], 1)]


def test_a_latency_limit_keeps_a_machine_quiet():
    quiet = option("a", SHOP, 0.4, most_busy=0.15)
    problem = Problem(
        demands=(Demand(model="a"), Demand(model="b")), kinds=(SHOP,), options=(quiet, option("b", SHOP, 0.4))
    )
    assert assign(problem).objectives[0].value == 260
    bears_it = replace(problem, options=(replace(quiet, most_busy=0.2), problem.options[1]))
    assert assign(bears_it).objectives[0].value == 130


def test_threads_take_their_cores_and_memory_its_room():
    problem = Problem(
        demands=(Demand(model="a"), Demand(model="b")),
        kinds=(replace(SHOP, memory_bytes=100.0),),
        options=(option("a", SHOP, 0.1, memory_bytes=60.0), option("b", SHOP, 0.1, memory_bytes=60.0)),
    )
    assert assign(problem).objectives[0].value == 260
    assert assign(replace(problem, kinds=(replace(SHOP, memory_bytes=120.0),))).objectives[0].value == 130


def test_least_power_then_fewest_machines():
    hungry, frugal = option("a", GATEWAY, 0.1, watt=2.0), replace(option("a", GATEWAY, 0.9, watt=1.0), design="frugal")
    problem = Problem(
        demands=(Demand(model="a", replicas=2), Demand(model="b", replicas=2)),
        kinds=(GATEWAY,),
        options=(hungry, frugal, option("b", GATEWAY, 0.2, watt=1.0)),
    )
    answer = assign(problem)
    assert [each.name for each in answer.objectives] == ["price of what is bought", "power", "machines in use"]
    assert [each.value for each in answer.objectives] == pytest.approx([0, 4, 2])


def test_no_options_at_all():
    problem = Problem(demands=(Demand(model="a"),), kinds=(GATEWAY,), options=())
    assert assign(problem).impossible
    assert more_needed(problem) == {}
    assert left_out(problem) == {"a": 1}


def test_a_fleet_of_hundreds_is_solved_to_the_end():
    problem = fleet_of_hundreds()
    started = time.monotonic()
    answer = assign(problem, seconds=30)
    assert time.monotonic() - started < 35
    check_keeps_every_rule(problem, answer)
    assert answer.objectives[0].gap == 0


@pytest.mark.parametrize("most_patterns", FORMULATIONS.values(), ids=FORMULATIONS.keys())
def test_out_of_time_the_gap_is_told(most_patterns: int):
    problem = fleet_of_hundreds()
    answer = assign(problem, seconds=0.3, most_patterns=most_patterns)
    check_keeps_every_rule(problem, answer)
    quick = first_fit(problem)
    assert quick is not None
    theirs = total(problem, quick, in_watt=False)
    assert answer.objectives[0].value <= theirs[0]
    for each in answer.objectives:
        assert each.bound <= each.value
        assert each.gap == pytest.approx((each.value - each.bound) / each.value if each.value else 0, abs=1e-6)
