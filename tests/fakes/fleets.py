"""Fleets whose models are planned already: made up, so that what goes where can be worked out by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgewise.flow.fleet import Member, assigned
from edgewise.flow.fleetfile import Fleet, Group, Wanted
from edgewise.hardware import catalogue
from edgewise.nouns import (
    FleetMachines,
    FleetPlan,
    Machine,
    Quantity,
    RuntimeConfiguration,
    RuntimeName,
    Site,
    Verdict,
)
from fakes import plans
from fakes.designs import Span, budget, timed

GATEWAY, SHOP = "x86-gateway-n100", "coral-dev-board"
MIB = 2**20


def machines() -> dict[str, Machine]:
    """Two machines of the catalogue, with four cores each."""
    return {name: catalogue.find(name) for name in (GATEWAY, SHOP)}


def owned(*, count: int = 1, idle: float = 1.0, memory: float | None = 512.0 * MIB) -> FleetMachines:
    """Gateways."""
    title = machines()[GATEWAY].title
    return FleetMachines(
        name="gateway", machine=GATEWAY, title=title, count=count, cores=4, idle=idle, memory_bytes=memory
    )


def for_sale(*, at_most: int = 5, price: float = 130.0) -> FleetMachines:
    """Boards to buy."""
    title = machines()[SHOP].title
    return FleetMachines(name=SHOP, machine=SHOP, title=title, count=at_most, cores=4, price_usd=price)


def member(
    name: str,
    rate: float,
    *,
    latency_ms: float = 1.0,
    replicas: int = 1,
    threads: int = 1,
    limits: Mapping[Quantity, float] | None = None,
    figures: Mapping[Quantity, Span] | None = None,
    at: Sequence[str] = ("gateway", SHOP),
    on: Sequence[str] = (GATEWAY, SHOP),
    feasible: bool = True,
    runtime: RuntimeName = RuntimeName.ONNXRUNTIME,
) -> Member:
    """A model with one design on each machine `on`, of which one inference takes `latency_ms` and no less or more."""
    asked = budget(limits or {})
    known: Mapping[Quantity, Span] = {
        Quantity.LATENCY_P50: latency_ms,
        Quantity.LATENCY_P99: latency_ms,
        Quantity.THROUGHPUT: 1e3 / latency_ms,
    }
    designs = [
        replace(
            timed(f"{name}@{machine}", {**known, **(figures or {})}),
            machine=machine,
            configuration=RuntimeConfiguration(runtime=runtime, version="1", threads=threads),
        )
        for machine in on
    ]
    reason = "fits the budget" if feasible else "accuracy drops by 3 points"
    verdicts = tuple(Verdict(design=design, feasible=feasible, reason=reason) for design in designs)
    plan = plans.feasible_plan()
    site = Site(name="press-line", node="device", machines=plan.site.machines, budget=asked)
    missing = {machine: "nothing published supports an estimate" for machine in (GATEWAY, SHOP) if machine not in on}
    return Member(
        name=name,
        wanted=Wanted(edge=Path("edge.yaml"), site="", rate_per_s=rate, replicas=replicas, at=tuple(at)),
        site=site,
        plan=replace(plan, site=site, verdicts=verdicts, not_planned=missing),
    )


def fleet_plan(groups: Sequence[FleetMachines], members: Sequence[Member], *, busy_at_most: float = 0.9) -> FleetPlan:
    """The answer for `members` on `groups`."""
    fleet = Fleet(
        path=Path("fleet.yaml"),
        groups=tuple(
            Group(name=group.name, machine=group.machine, count=group.count, owned=group.price_usd is None)
            for group in groups
        ),
        models=tuple(each.wanted for each in members),
        busy_at_most=busy_at_most,
    )
    return assigned(fleet, groups, machines(), members, seconds=20)


def feasible_fleet() -> FleetPlan:
    """Three models that two busy gateways cannot carry alone: one board is bought."""
    return fleet_plan(
        [owned(count=2, idle=0.4), for_sale()],
        [
            member("meter", 900, replicas=2),
            member("sorter", 800, limits={Quantity.LATENCY_P99: 1.9}),
            member("counter", 300),
        ],
    )


def infeasible_fleet() -> FleetPlan:
    """A model too many, and one that fits nowhere."""
    return fleet_plan(
        [owned(count=1), for_sale(at_most=1)],
        [member("meter", 2400, replicas=3), member("sorter", 2000)],
    )
