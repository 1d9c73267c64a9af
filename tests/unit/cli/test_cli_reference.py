"""The pages of docs/reference say what the code does."""

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from outcome import Run

from edgewise.flow import edgefile

DOCS = Path(__file__).parents[3] / "docs"
EDGE_YAML_PAGE = (DOCS / "reference/edge-yaml.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["cli.md", "nodes.md", "exit-codes.md", "edge.schema.json", "fleet.schema.json"])
def test_made_page_is_current(page: str) -> None:
    made = runpy.run_path(str(DOCS / "_make_reference.py"))["pages"]()
    assert set(made) == {
        "cli.md",
        "nodes.md",
        "agent-states.md",
        "exit-codes.md",
        "edge.schema.json",
        "fleet.schema.json",
    }
    found = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert found == made[page], "run: python docs/_make_reference.py"


def _keys(schema: dict[str, Any]) -> Iterator[str]:
    for part in (schema, *schema["$defs"].values()):
        yield from part.get("properties", {})


@pytest.mark.parametrize("key", sorted(set(_keys(edgefile.EdgeFile.model_json_schema(by_alias=True)))))
def test_every_key_of_edge_yaml_is_explained(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", EDGE_YAML_PAGE, re.MULTILINE)


def test_every_value_to_choose_from_is_explained() -> None:
    text = json.dumps(edgefile.EdgeFile.model_json_schema(by_alias=True))
    for choices in re.findall(r'"enum": \[(.*?)\]', text):
        for choice in json.loads(f"[{choices}]"):
            assert f"`{choice}`" in EDGE_YAML_PAGE


def test_example_on_the_page_loads_and_fits_the_schema(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", EDGE_YAML_PAGE, re.DOTALL)[0]
    (tmp_path / "edge.yaml").write_text(example)
    assert edgefile.load(tmp_path / "edge.yaml").name == "meter-reader"
    jsonschema.validate(yaml.safe_load(example), edgefile.EdgeFile.model_json_schema(by_alias=True))


def test_schema_edge(edgewise_command: Run) -> None:
    printed = edgewise_command("schema", "edge").out
    assert printed == (DOCS / "reference/edge.schema.json").read_text(encoding="utf-8")


def test_schema_plan(edgewise_command: Run) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(edgewise_command("schema", "plan").out))
