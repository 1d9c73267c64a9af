"""The documentation says what is there: commands, files, words."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from edgewise.cli.main import VERBS
from edgewise.flow.edgefile import EdgeFile
from edgewise.flow.plan import schema
from edgewise.nouns import ProvenanceKind, Stage

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "bench/README.md")]
    + list((ROOT / "docs").rglob("*.md"))
)


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{names(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_that_is_shown_exists(page: Path):
    verbs = {verb.name: verb for verb in VERBS}
    for line in re.findall(r"^\$ edgewise (.+)$", page.read_text(), flags=re.MULTILINE):
        words = shlex.split(line, comments=True)
        assert words[0] in verbs or words[0].startswith("--"), line
        inner = verbs[words[0]].verbs if words[0] in verbs else ()
        if inner:
            assert words[1] in {verb.name for verb in inner}, line


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_make_target_that_is_named_exists(page: Path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`|^\$ make ([a-z]+)", page.read_text(), flags=re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }


def test_every_edge_yaml_in_the_readme_is_valid():
    blocks = re.findall(r"```yaml\n(apiVersion.+?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        EdgeFile.model_validate(yaml.safe_load(block))


def test_the_plan_document_s_page_names_every_field_and_word_of_its_schema():
    page = (ROOT / "docs/reference/plan.md").read_text()
    for field in schema()["properties"]:
        assert f"`{field}`" in page, field
    for word in (*ProvenanceKind, *Stage):
        assert word.value in page, word


def test_every_room_stands_in_the_architecture():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    for room in (ROOT / "src/edgewise").iterdir():
        if room.is_dir() and (room / "__init__.py").exists():
            assert f"{room.name}/" in page, room.name


def test_decision_records_are_numbered_without_a_gap():
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_only_one_door_starts_processes_and_only_one_writes_to_the_store():
    """Effects sit at the edge: whoever needs another door adds it here, and to ARCHITECTURE.md."""
    allowed = {
        "subprocess": {
            "flow/retrain/command.py",
            "flow/deploy/ssh.py", "edge/agent/servers.py", "edge/agent/podman.py", "edge/top/beside.py",
            "edge/agent/launch.py", "build/tools.py", "runtimes/child.py",
            "flow/demo/running.py",
        },
        "os.fsync": {"store/atomic.py"},
    }  # fmt: skip
    for word, doors in allowed.items():
        users = {
            str(path.relative_to(ROOT / "src/edgewise"))
            for path in (ROOT / "src/edgewise").rglob("*.py")
            if re.search(rf"^import {word}\b|^from {word}\b|{re.escape(word)}\(", path.read_text(), re.MULTILINE)
        }
        assert users <= doors, (word, users)
