"""fleet.yaml: what it means, and every fault in it at once."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from edgewise.errors import BadDocument, NotFound
from edgewise.flow import edgefile, fleetfile

FLEET = """\
apiVersion: edgewise/v1
machines:
  - {name: gateway-3, machine: this, count: 5, idle: 40%, memory_free: 512MiB}
  - {name: x86-gateway-n100}
buy:
  - {machine: coral-dev-board, price: 130USD, at_most: 10}
models:
  - {edge: meter/edge.yaml, site: press-line, demand: 20/s, replicas: 2, at: [gateway-3]}
  - {edge: /elsewhere/edge.yaml, demand: 6/min}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "fleet.yaml"
    path.write_text(text)
    return path


def test_what_it_means(tmp_path: Path):
    fleet = fleetfile.load(write(tmp_path, FLEET))
    mine, other, shop = fleet.groups
    assert (mine.name, mine.machine, mine.count, mine.owned) == ("gateway-3", "this", 5, True)
    assert (mine.idle, mine.memory_free_bytes) == (pytest.approx(0.4), 512 * 2**20)
    assert (other.machine, other.count, other.idle, other.memory_free_bytes) == ("x86-gateway-n100", 1, 1.0, None)
    assert (shop.name, shop.owned, shop.price_usd, shop.count) == ("coral-dev-board", False, 130, 10)
    first, second = fleet.models
    assert (first.edge, first.site, first.rate_per_s, first.replicas, first.at) == (
        tmp_path / "meter/edge.yaml", "press-line", 20, 2, ("gateway-3",),
    )  # fmt: skip
    assert (second.edge, second.rate_per_s) == (Path("/elsewhere/edge.yaml"), pytest.approx(0.1))
    assert second.at == ("gateway-3", "x86-gateway-n100", "coral-dev-board")
    assert fleet.busy_at_most == fleetfile.BUSY_AT_MOST


def test_it_fits_its_schema():
    jsonschema.Draft202012Validator.check_schema(fleetfile.schema())
    jsonschema.validate(yaml.safe_load(FLEET), fleetfile.schema())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("idle: 40%", "idle: 0%", "greater than 0"),
        ("idle: 40%", "idle: 40", "less than or equal to 1"),
        ("idle: 40%", "idel: 40%", "did you mean idle?"),
        ("count: 5", "count: 0", "greater than or equal to 1"),
        ("demand: 20/s", "demand: 20", "without a unit"),
        ("demand: 20/s", "demand: 0/s", "greater than 0"),
        ("at: [gateway-3]", "at: [gateway-4]", "gateway-4"),
        ("machine: coral-dev-board", "machine: x86-gateway-n100", "more than once"),
        ("price: 130USD", "price: 130", "without a unit"),
    ],
)
def test_faults(tmp_path: Path, old: str, new: str, says: str):
    assert old in FLEET
    with pytest.raises(BadDocument) as caught:
        fleetfile.load(write(tmp_path, FLEET.replace(old, new, 1)))
    assert any(says in str(fault) for fault in caught.value.faults), caught.value.faults


def test_every_fault_at_once(tmp_path: Path):
    with pytest.raises(BadDocument) as caught:
        fleetfile.load(write(tmp_path, FLEET.replace("idle: 40%", "idle: 400%").replace("130USD", "130EUR")))
    assert {fault.line for fault in caught.value.faults} == {3, 6}


def test_no_machines_and_no_file(tmp_path: Path):
    with pytest.raises(BadDocument):
        fleetfile.load(write(tmp_path, "apiVersion: edgewise/v1\nmodels: [{edge: e.yaml, demand: 1/s}]\n"))
    with pytest.raises(NotFound):
        fleetfile.load(tmp_path / "other.yaml")


def test_idle_in_edge_yaml(tmp_path: Path):
    path = tmp_path / "edge.yaml"
    path.write_text(
        "apiVersion: edgewise/v1\n"
        "model: {name: m, file: m.onnx, data: d.npz}\n"
        "sites: {a: {machines: [{name: this, idle: 40%, memory_free: 64MiB}, coral-dev-board]}}\n"
    )
    busy, free = edgefile.load(path).sites[0].machines
    assert (busy.idle, busy.memory_free_bytes) == (pytest.approx(0.4), 64 * 2**20)
    assert (free.idle, free.memory_free_bytes) == (None, None)
