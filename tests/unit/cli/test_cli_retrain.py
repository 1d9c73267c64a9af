"""`edgewise retrain` as a person types it; rounds themselves are tested in `flow/test_retrain.py`."""

import json

import pytest
from outcome import Run

from edgewise.errors import BadTraining, DatabaseLost, HubUnreachable
from fakes.lives import Living


@pytest.fixture
def living(home, monkeypatch: pytest.MonkeyPatch) -> Living:
    return Living(home, monkeypatch)


def test_without_judged_cases_nothing_is_due(living: Living, edgewise_command: Run) -> None:
    living.edge_yaml.write_text(living.edge_yaml.read_text() + "retrain: {command: [python, train.py]}\n")
    for more in (["--dry-run"], ["--registry", "oci:registry", "--tree", "tree"]):
        done = edgewise_command("retrain", "--until", "build", *more, "-o", "json", "--database", "sqlite:///hub.db")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert (found["state"], found["cases"], found["steps"]) == ("nothing new", 0, [])


def test_what_is_missing_is_said(living: Living, edgewise_command: Run) -> None:
    assert edgewise_command("retrain").code == 2, "no registry"
    done = edgewise_command("retrain", "--until", "plan", "--database", "sqlite:///hub.db")
    assert done.code == BadTraining.exit_code
    assert "retrain: {command: [python, train.py]}" in done.err
    living.edge_yaml.write_text(living.edge_yaml.read_text() + "retrain: {command: []}\n")
    assert edgewise_command("retrain", "--until", "plan").code == 10
    living.edge_yaml.write_text(living.edge_yaml.read_text().replace("[]", "[python]"))
    done = edgewise_command("retrain", "--until", "plan", "--hub", "http://127.0.0.1:9")
    assert done.code == HubUnreachable.exit_code
    assert edgewise_command("retrain", "--until", "plan", "--database", "mysql://here").code in (
        DatabaseLost.exit_code,
        66,
    )
