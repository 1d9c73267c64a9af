"""plan --fleet, with fleets that are made up."""

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from outcome import Run

from edgewise.cli import _fleet_view
from edgewise.errors import BadDocument, NoFeasibleDesign, NotFound
from edgewise.flow import fleet as fleets
from edgewise.flow import fleetfile
from edgewise.flow.fleetfile import Fleet
from edgewise.nouns import FleetPlan, Placement
from edgewise.progress import Progress
from fakes.fleets import feasible_fleet, fleet_plan, infeasible_fleet, member, owned

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference/fleet-yaml.md").read_text(encoding="utf-8")
FLEET_YAML = """\
apiVersion: edgewise/v1
machines: [{name: gateway, machine: this}]
models: [{edge: edge.yaml, demand: 1/s}]
"""


class Planner:
    """Stands for flow.fleet.plan: the answer as it is put here."""

    def __init__(self, answer: FleetPlan) -> None:
        self.answer = answer
        self.asked: list[dict[str, object]] = []

    def plan(
        self,
        fleet: Fleet,
        *,
        folder: Path,
        machines: Sequence[Path] = (),
        progress: Progress,
        wait: bool = False,
        fresh: bool = False,
        meter: str = "",
        seconds: float = 1.0,
    ) -> FleetPlan:
        self.asked.append({"path": fleet.path, "folder": folder, "wait": wait, "fresh": fresh})
        return self.answer


@pytest.fixture
def planner(home: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    (home / "fleet.yaml").write_text(FLEET_YAML)
    fake = Planner(feasible_fleet())
    monkeypatch.setattr(fleets, "plan", fake.plan)
    return fake


def test_the_fake_takes_what_the_real_one_takes() -> None:
    fake, real = (inspect.signature(plan).parameters for plan in (Planner(feasible_fleet()).plan, fleets.plan))
    assert [(p.name, p.kind) for p in fake.values()] == [(p.name, p.kind) for p in real.values()]


def test_answer_first_then_where_how_full_what_to_buy_and_the_gap(edgewise_command: Run, planner: Planner) -> None:
    done = edgewise_command("plan", "--fleet", "fleet.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "3 models on 2 machines; buy 1 of them for 130 USD."
    assert max(map(len, lines)) <= 80
    assert done.out.index("What runs where") < done.out.index("How full the machines are") < done.out.index("To buy: 1")
    assert "Optimality gap: 0 %, HiGHS" in done.out
    assert sum(placement.model in done.out for placement in planner.answer.placements) == 4
    assert "\u2592" * 14 in done.out


def test_machines_that_are_alike_share_a_line(edgewise_command: Run, planner: Planner) -> None:
    planner.answer = fleet_plan([owned(count=50)], [member("a", 40_000, replicas=50)])
    out = edgewise_command("plan", "--fleet", "fleet.yaml").out
    assert out.count("gateway 1 to 50") == 2


def test_documents_and_names(edgewise_command: Run, planner: Planner) -> None:
    printed = json.loads(edgewise_command("plan", "--fleet", "fleet.yaml", "-o", "json").out)
    jsonschema.validate(printed, fleets.schema())
    assert yaml.safe_load(edgewise_command("plan", "--fleet", "fleet.yaml", "-o", "yaml").out) == printed
    names = edgewise_command("plan", "--fleet", "fleet.yaml", "-o", "name").out.splitlines()
    assert len(names) == len(planner.answer.placements)
    assert all(len(name.split()) == 3 for name in names)
    wide = edgewise_command("plan", "--fleet", "fleet.yaml", "-o", "wide").out
    assert "P99 FROM TO" in wide


def test_no_room_is_an_answer_and_an_error(edgewise_command: Run, planner: Planner) -> None:
    planner.answer = infeasible_fleet()
    done = edgewise_command("plan", "--fleet", "fleet.yaml")
    assert done.code == NoFeasibleDesign.exit_code
    assert done.out.startswith("There is no room for all models on these machines.")
    for line in planner.answer.lacking:
        assert line.split()[0] in done.out
    assert "do not fit its machines" in done.err
    assert "hint: " in done.err
    printed = edgewise_command("plan", "--fleet", "fleet.yaml", "-o", "json")
    assert (printed.code, json.loads(printed.out)["placements"]) == (NoFeasibleDesign.exit_code, [])


def test_settings_and_report(edgewise_command: Run, planner: Planner, home: Path) -> None:
    done = edgewise_command(
        "plan", "--fleet", "fleet.yaml", "--wait", "--fresh", "--store", "s", "--report", "out/fleet.html"
    )
    assert planner.asked == [{"path": Path("fleet.yaml"), "folder": home / "s", "wait": True, "fresh": True}]
    assert (home / "out/fleet.html").read_text().startswith("<!DOCTYPE html>")
    assert "report: out/fleet.html" in done.err


@pytest.mark.parametrize("option", [("--site", "a"), ("--dry-run",)])
def test_what_makes_no_sense_with_a_fleet(edgewise_command: Run, planner: Planner, option: tuple[str, ...]) -> None:
    done = edgewise_command("plan", "--fleet", "fleet.yaml", *option)
    assert (done.code, planner.asked) == (2, [])


def test_no_such_file_and_faults(edgewise_command: Run, home: Path) -> None:
    assert edgewise_command("plan", "--fleet", "nothing.yaml").code == NotFound.exit_code
    (home / "fleet.yaml").write_text(FLEET_YAML.replace("demand: 1/s", "demand: 1"))
    done = edgewise_command("plan", "--fleet", "fleet.yaml")
    assert done.code == BadDocument.exit_code
    assert "fleet.yaml:3: models.0.demand" in done.err


@pytest.mark.parametrize(
    ("other", "planned"), [(0.0, 0.0), (0.6, 0.001), (0.6, 0.4), (0.0, 1.0), (0.999, 0.001), (1, 0)]
)
def test_a_bar_shows_whatever_is_there(other: float, planned: float) -> None:
    bar = _fleet_view.bar(other, planned)
    assert len(bar) == _fleet_view.BAR
    assert (_fleet_view.PLANNED in bar) == (planned > 0)


# --- The pages ----------------------------------------------------------------------------------


def _keys(schema: dict[str, Any]) -> Iterator[str]:
    for part in (schema, *schema["$defs"].values()):
        yield from part.get("properties", {})


@pytest.mark.parametrize("key", sorted(set(_keys(fleetfile.schema()))))
def test_every_key_of_fleet_yaml_is_explained(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", PAGE, re.MULTILINE)


def test_every_field_of_the_answer_is_explained() -> None:
    for field in (*fleets.schema()["properties"], *(name for name in Placement.__dataclass_fields__)):
        assert f"`{field}`" in PAGE, field


def test_example_on_the_page_loads_and_fits_the_schema(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "fleet.yaml").write_text(example)
    assert fleetfile.load(tmp_path / "fleet.yaml").groups[0].name == "gateway-3"
    jsonschema.validate(yaml.safe_load(example), fleetfile.schema())


def test_schemas_are_printed(edgewise_command: Run) -> None:
    printed = edgewise_command("schema", "fleet").out
    assert printed == (DOCS / "reference/fleet.schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(edgewise_command("schema", "fleet-plan").out))
