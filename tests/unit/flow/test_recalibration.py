"""What was measured is kept once, and estimates never calibrate estimates."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.flow.recalibration import Measured, recall, remember
from edgewise.nouns import Design, Plan, ProvenanceKind, Quantity, Stage
from edgewise.store.steps import Store
from fakes import plans

MACHINE = "raspberry-pi-5"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def plan() -> Plan:
    return plans.feasible_plan()


def timed(plan: Plan) -> list[Design]:
    return [
        verdict.design
        for verdict in plan.verdicts
        if verdict.design.stage is Stage.TIMED
        and verdict.design.figures[Quantity.LATENCY_P50].provenance.kind is ProvenanceKind.MEASURED
    ]


def with_latency(plan: Plan, factor: float, kind: ProvenanceKind = ProvenanceKind.MEASURED) -> Plan:
    def changed(design: Design) -> Design:
        figures = dict(design.figures)
        if (old := figures.get(Quantity.LATENCY_P50)) is not None:
            provenance = replace(old.provenance, kind=kind)
            figures[Quantity.LATENCY_P50] = replace(old, value=old.value * factor, provenance=provenance)
        return replace(design, figures=figures)

    return replace(plan, verdicts=tuple(replace(v, design=changed(v.design)) for v in plan.verdicts))


def test_one_row_for_each_way_to_run_the_network_the_fastest(store: Store, plan: Plan) -> None:
    found = remember(plan, store, machine=MACHINE)
    fastest: dict[tuple[str, str, int], float] = {}
    for design in timed(plan):
        key = (design.configuration.runtime.value, design.recipe.precision, design.configuration.threads)
        latency = design.figures[Quantity.LATENCY_P50].value
        fastest[key] = min(latency, fastest.get(key, latency))
    assert {(row.runtime, row.precision, row.threads): row.latency_ms for row in found.rows} == fastest
    assert fastest
    assert {row.machine for row in found.rows} == {MACHINE}


def test_what_is_remembered_is_recalled_with_its_network(store: Store, plan: Plan) -> None:
    found = remember(plan, store, machine=MACHINE)
    assert recall(store, machine=MACHINE) == found
    assert [network.name for network in found.networks] == [plan.model.digest]
    assert found.networks[0].layers == plan.model.layers
    assert recall(store, machine="another") == Measured()


def test_measuring_again_replaces_and_adds_nothing(store: Store, plan: Plan) -> None:
    once = remember(plan, store, machine=MACHINE)
    assert remember(plan, store, machine=MACHINE) == once
    slower = remember(with_latency(plan, 2), store, machine=MACHINE)
    assert [row.identity for row in slower.rows] == [row.identity for row in once.rows]
    assert [row.latency_ms for row in slower.rows] == [2 * (row.latency_ms or 0) for row in once.rows]


def test_an_estimate_is_no_measurement(store: Store, plan: Plan) -> None:
    assert remember(with_latency(plan, 1, ProvenanceKind.CALIBRATED), store, machine=MACHINE).rows == ()
