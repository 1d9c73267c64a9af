"""`plan --fleet` end to end: two real models on what is left of the machine at hand."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewise.cli import main
from edgewise.errors import NoFeasibleDesign, NotFound
from edgewise.flow import edgefile, fleet, fleetfile, plan
from edgewise.nouns import FleetPlan, ModelFormat, ProvenanceKind, Quantity
from fakes import linear

EDGE_YAML = """\
apiVersion: edgewise/v1
model: {{name: {name}, file: {file}, data: eval.npz}}
sites:
  press-line:
    machines: [{{name: this, threads: 1}}]
    budget: {{latency_p99: 5s, accuracy_drop: 0.05, price: 1USD}}
"""
FLEET_YAML = """\
apiVersion: edgewise/v1
machines:
  - {name: gateway-3, machine: this, idle: 40%, memory_free: 256MiB}
models:
  - {edge: meter/edge.yaml, demand: 20/s}
  - {edge: sorter/edge.yaml, demand: 1/s, at: [gateway-3]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two projects on one small model each, and a fleet of one busy machine; no plan from elsewhere is waited for."""
    root = tmp_path_factory.mktemp("fleet")
    x = np.random.default_rng(3).uniform(-1, 1, (200, linear.FEATURES)).astype(np.float32)
    y = linear.expected("dynamic", x).argmax(axis=1)
    for name in ("meter", "sorter"):
        (root / name).mkdir()
        file = linear.write(root / name, ModelFormat.TFLITE, "dynamic")
        np.savez(root / name / "eval.npz", x=x, y=y)
        (root / name / "edge.yaml").write_text(EDGE_YAML.format(name=name, file=file.name))
    (root / "fleet.yaml").write_text(FLEET_YAML)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(root))
        yield root


@pytest.fixture(scope="module")
def planned(folder: Path) -> FleetPlan:
    return fleet.plan(fleetfile.load(folder / "fleet.yaml"), folder=folder / "store", wait=True)


def test_both_run_on_what_is_left_and_nothing_is_bought(planned: FleetPlan):
    assert {placement.model for placement in planned.placements} == {"meter", "sorter"}
    assert {placement.machines for placement in planned.placements} == {"gateway-3"}
    assert (planned.bought, planned.gap) == ({}, 0)
    (usage,) = planned.usages
    assert 0 < usage.planned["cpu"] <= 0.3
    assert 0 < usage.memory_bytes <= 256 * 2**20


def test_no_latency_beside_other_work_is_called_measured(planned: FleetPlan):
    for placement in planned.placements:
        figure = placement.figures[Quantity.LATENCY_P50]
        assert figure.provenance.kind is ProvenanceKind.CALIBRATED
        assert figure.high >= figure.low / 0.4
        assert placement.figures[Quantity.FLASH].provenance.kind is ProvenanceKind.MEASURED


def test_again_it_comes_from_the_store_and_the_sites_own_plan_is_left_alone(folder: Path, planned: FleetPlan):
    again = fleet.plan(fleetfile.load(folder / "fleet.yaml"), folder=folder / "store", wait=True)
    assert again.placements == planned.placements  # timed anew, no figure would be the same to the last digit
    project = edgefile.load(folder / "meter/edge.yaml")
    with pytest.raises(NotFound):
        plan.last(project, project.sites[0], folder=folder / "store")


def test_command_prints_the_gap_and_says_where_there_is_no_room(
    folder: Path, planned: FleetPlan, capsys: pytest.CaptureFixture[str]
):
    path, store = str(folder / "fleet.yaml"), str(folder / "store")
    assert main.run(["plan", "--fleet", path, "--store", store, "--wait", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "FleetPlan"
    assert main.run(["plan", "--fleet", path, "--store", store, "--wait"]) == 0
    assert "Optimality gap: 0 %" in capsys.readouterr().out
    crowded = folder / "crowded.yaml"
    crowded.write_text(FLEET_YAML.replace("demand: 1/s", "demand: 100000000/s"))
    assert main.run(["plan", "--fleet", str(crowded), "--store", store, "--wait"]) == NoFeasibleDesign.exit_code
    assert "sorter does not fit gateway-3: one replica of" in " ".join(capsys.readouterr().out.split())
