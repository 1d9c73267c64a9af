"""Models on machines: what is decided, what is said about it, and what would help where there is no room."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edgewise.design.judge import judge
from edgewise.flow import fleet
from edgewise.nouns import Finding, FleetPlan, ProvenanceKind, Quantity, RuntimeName, Stage
from fakes.designs import ACCURACY, budget, timed
from fakes.fleets import GATEWAY, MIB, SHOP, feasible_fleet, fleet_plan, for_sale, infeasible_fleet, member, owned


def where(plan: FleetPlan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for placement in plan.placements:
        found.setdefault(placement.model, []).append(f"{placement.machines} {placement.number}")
    return found


def test_what_is_left_of_a_busy_machine_is_filled_before_anything_is_bought():
    plan = fleet_plan([owned(idle=0.4), for_sale()], [member("a", 500), member("b", 600)])
    assert where(plan) == {"a": ["gateway 1"], "b": ["gateway 1"]}
    assert (plan.bought, plan.price_usd, plan.gap) == ({}, 0, 0)
    (usage,) = plan.usages
    assert usage.other == pytest.approx(0.6)
    assert usage.planned["cpu"] == pytest.approx((0.5 + 0.6) / 4)
    assert "nothing has to be bought" in plan.why
    assert "proven to be the least (gap 0 %)" in plan.why[0]


def test_bought_where_there_is_no_room_and_why():
    plan = fleet_plan([owned(idle=0.4), for_sale()], [member("a", 800), member("b", 700)])
    assert plan.bought == {SHOP: 1}
    assert plan.price_usd == 130
    assert {len(places) for places in where(plan).values()} == {1}
    assert any(line.startswith("without buying, no machine would have enough left for 1 of ") for line in plan.why)


def test_replicas_share_the_rate_and_never_a_machine():
    plan = fleet_plan([owned(count=4)], [member("a", 900, replicas=3)])
    assert len(set(where(plan)["a"])) == 3
    assert [placement.rate_per_s for placement in plan.placements] == [300, 300, 300]


def test_threads_take_their_cores():
    plan = fleet_plan([owned(), for_sale()], [member("a", 800, threads=4), member("b", 500)])
    assert plan.bought == {SHOP: 1}
    assert sorted(placement.busy_cores for placement in plan.placements) == pytest.approx([0.5, 3.2])


def test_latency_beside_the_others_keeps_the_limit():
    tight = {Quantity.LATENCY_P99: 1.3}
    apart = fleet_plan([owned(count=2)], [member("a", 400, limits=tight), member("b", 800)])
    assert len(apart.usages) == 2
    together = fleet_plan([owned(count=2)], [member("a", 400, limits={Quantity.LATENCY_P99: 1.5}), member("b", 800)])
    assert len(together.usages) == 1


@settings(max_examples=25, deadline=None)
@given(
    limits=st.lists(st.floats(1.05, 4.0), min_size=2, max_size=4),
    rates=st.lists(st.floats(10.0, 850.0), min_size=4, max_size=4),
    idle=st.floats(0.2, 1.0),
)
def test_every_placement_keeps_its_own_budget(limits: list[float], rates: list[float], idle: float):
    asked = {f"m{n}": {Quantity.LATENCY_P99: limit} for n, limit in enumerate(limits)}
    members = [member(name, rates[n], limits=asked[name]) for n, name in enumerate(asked)]
    plan = fleet_plan([owned(count=2, idle=idle), for_sale()], members)
    for placement in plan.placements:
        design = timed("x", {})
        for figure in placement.figures.values():
            assert figure.low <= figure.value <= figure.high
        found = judge(
            type(design)(
                name="x", machine=GATEWAY, recipe=design.recipe, configuration=design.configuration,
                stage=Stage.TIMED, figures=placement.figures,
            ),
            budget(asked[placement.model]), ACCURACY, significant=False,
        )  # fmt: skip
        late = [each for each in found.findings if each.limit.quantity is Quantity.LATENCY_P99]
        high, limit = placement.figures[Quantity.LATENCY_P99].high, asked[placement.model][Quantity.LATENCY_P99]
        assert [each.finding for each in late] == [Finding.FITS] or high <= limit * (1 + 1e-4)
        assert placement.figures[Quantity.LATENCY_P99].provenance.kind is ProvenanceKind.CALIBRATED
    for usage in plan.usages:
        assert usage.other + usage.planned["cpu"] <= 0.9 + 1e-6


def test_memory_is_room_too():
    large = {Quantity.MEMORY: 300.0 * MIB}
    plan = fleet_plan([owned(count=2)], [member("a", 1, figures=large), member("b", 1, figures=large)])
    assert len(plan.usages) == 2
    unknown = fleet_plan([owned(memory=None)], [member("a", 1)])
    assert any("memory of gateway was not checked" in line for line in unknown.why)


def test_least_power_where_it_is_known():
    plan = fleet_plan([owned()], [member("a", 100, figures={Quantity.ENERGY: 20.0})])
    assert [(each.name, each.value) for each in plan.objectives] == [
        ("price of what is bought", 0), ("power", pytest.approx(2)), ("machines in use", 1),
    ]  # fmt: skip


def test_no_room_says_who_stays_out_and_what_would_do():
    plan = fleet_plan([owned(), for_sale(at_most=1)], [member("a", 2400, replicas=3)])
    assert plan.placements == ()
    assert "a: no machine has enough left for 1 of its 3 replicas" in plan.lacking
    assert "1 more gateway would do: 2 instead of 1" in plan.lacking
    assert f"1 more {SHOP} would do, 130 USD: at_most: 2" in plan.lacking


def test_too_fast_for_one_machine_says_how_many_replicas_keep_up():
    plan = fleet_plan([owned(count=5)], [member("a", 2000)])
    assert any("answers 900/s at most, and 2000/s are asked for" in line for line in plan.lacking)
    assert "a keeps up as 3 replicas: replicas: 3" in plan.lacking
    assert fleet_plan([owned(count=5)], [member("a", 2000, replicas=3)]).placements


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"at": (SHOP,)}, "a does not fit gateway: the fleet does not let it run there"),
        ({"feasible": False}, "none of 1 designs keeps the budget; a@x86-gateway-n100: accuracy drops by 3 points"),
        ({"on": (SHOP,)}, "a does not fit gateway: nothing published supports an estimate"),
        ({"limits": {Quantity.LATENCY_P99: 1.5}}, "keeps its limits up to a load of 33% of the cores"),
        ({"figures": {Quantity.MEMORY: 600.0 * MIB}}, "takes 600 MiB of memory, and 512 MiB are free"),
        ({"threads": 4, "rate": 500.0}, "keeps 2.00 cores of its cpu busy, and 1.20 of 4 may be planned"),
    ],
)
def test_what_does_not_fit_where(wrong: dict[str, object], says: str):
    asked = {"rate": 100.0} | wrong
    plan = fleet_plan([owned(idle=0.4)], [member("a", **asked), member("b", 10)])  # type: ignore[arg-type]
    assert plan.placements == ()
    assert any(says in line for line in plan.lacking), plan.lacking


def test_an_accelerator_serves_one_at_a_time_and_leaves_the_cores_alone():
    tpu = [member(name, 500, on=(SHOP,), runtime=RuntimeName.EDGETPU) for name in ("a", "b")]
    plan = fleet_plan([for_sale()], [*tpu, member("c", 800, on=(SHOP,))])
    assert plan.bought == {SHOP: 2}
    parts = {placement.model: placement.part for placement in plan.placements}
    assert parts["a"] == parts["b"] != parts["c"] == "cpu"
    shared = next(usage for usage in plan.usages if len(usage.planned) == 2)
    assert shared.planned == {"cpu": pytest.approx(0.2), parts["a"]: pytest.approx(0.5)}


def test_document_is_whole_and_fits_its_schema():
    adapter = TypeAdapter(FleetPlan)
    for plan in (feasible_fleet(), infeasible_fleet()):
        text = json.dumps(fleet.document(plan), allow_nan=False)
        jsonschema.validate(json.loads(text), fleet.schema())
        body = json.loads(text)
        assert (body.pop("apiVersion"), body.pop("kind")) == ("edgewise/v1", "FleetPlan")
        assert adapter.validate_python(body) == plan


def test_hundreds_of_machines():
    plan = fleet_plan(
        [owned(count=300, idle=0.5), for_sale(at_most=100)],
        [member(f"model {n}", 20_000 + 900 * n, replicas=40 + n) for n in range(8)],
    )
    assert plan.gap == 0
    assert len(plan.placements) == sum(40 + n for n in range(8))
    assert plan.solve_s < 30
