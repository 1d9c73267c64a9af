"""`plan` with a meter of energy outside the machine: its figures decide what is feasible."""

import shlex
import sys
from pathlib import Path

import pytest
from test_plan import Place, place

from edgewise.design.judge import judge
from edgewise.flow import plan
from edgewise.nouns import Plan, ProvenanceKind, Quantity
from fakes import models as fake_models
from fakes.designs import budget

PROGRAM = Path(__file__).resolve().parents[1] / "fakes" / "speaking_meter.py"


def metered(here: Place, kind: str, watts: str = "4") -> Plan:
    setting = shlex.join([sys.executable, str(PROGRAM), kind, watts])
    return plan.plan(here.project, here.project.sites[0], folder=here.store, meter=setting, wait=True)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("metered"), fake_models.mlp())
    made.write(budget="{power: 5W, energy: 1J, accuracy_drop: 0.5}")
    return made


@pytest.mark.slow
def test_power_and_energy_of_a_meter_decide(here: Place):
    made = metered(here, "good")
    assert made.choice is not None
    chosen = made.verdicts[0].design.figures
    assert chosen[Quantity.POWER].value == pytest.approx(4.0, rel=1e-3)
    energy_mj = chosen[Quantity.ENERGY].value
    assert 4.0 * chosen[Quantity.LATENCY_MIN].value <= energy_mj <= 20 * 4.0 * chosen[Quantity.LATENCY_P50].value
    for quantity in (Quantity.POWER, Quantity.ENERGY):
        assert chosen[quantity].provenance.kind is ProvenanceKind.MEASURED
        assert "speaking_meter" in chosen[quantity].provenance.by
    too_little = judge(made.verdicts[0].design, budget({Quantity.POWER: 3.0}), made.metric, significant=False)
    assert not too_little.feasible
    known_mj = {v.design.name: v.design.figures[Quantity.ENERGY].high for v in made.verdicts if v.feasible}
    limit_mj = sorted(known_mj.values())[len(known_mj) // 2]
    here.write(budget=f"{{energy: {limit_mj:.9f}mJ, accuracy_drop: 0.5}}")
    tighter = metered(here, "good")
    for verdict in tighter.verdicts:
        if verdict.design.name in known_mj:
            assert verdict.feasible is (known_mj[verdict.design.name] <= float(f"{limit_mj:.9f}"))
    assert {verdict.feasible for verdict in tighter.verdicts if verdict.design.name in known_mj} == {True, False}


def test_a_meter_that_fails_leaves_energy_unknown_and_the_plan_goes_on(here: Place):
    here.write(budget="{latency_p99: 500ms, accuracy_drop: 0.5}")
    made = metered(here, "dying")
    assert made.choice is not None
    assert Quantity.LATENCY_P50 in made.verdicts[0].design.figures
    assert all(Quantity.ENERGY not in verdict.design.figures for verdict in made.verdicts)
    assert any("no energy from the meter" in sentence and "exit code 3" in sentence for sentence in made.why)
