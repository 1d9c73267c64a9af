"""Verbs about the hub, on the database and over HTTP."""

import json
from pathlib import Path

import pytest
from outcome import Run

from edgewise.core.database import migrate
from edgewise.core.hub import fleet
from edgewise.core.registry import entries
from edgewise.core.registry.entries import MODEL, VERSION
from edgewise.errors import BadDatabase, Conflict, HubUnreachable, NotFound, TokenRefused
from fakes.hubs import FakeDevice, serving


@pytest.fixture
def device(home: Path) -> FakeDevice:
    database = migrate.opened(f"sqlite:///{home / '.local/share/edgewise/hub.db'}")
    made = FakeDevice()
    made.enrols(database)
    database.close()
    return made


def test_tokens_are_printed_once_and_alone(edgewise_command: Run) -> None:
    made = edgewise_command("create", "user-token", "anna", "--role", "operator")
    assert made.code == 0
    assert made.out.startswith("ewu_")
    assert made.out.count("\n") == 1
    invited = edgewise_command("create", "enrolment-token", "--site", "gate", "--label", "ring=canary", "-o", "json")
    assert json.loads(invited.out)["labels"] == {"ring": "canary"}
    assert edgewise_command("revoke", "user-token", "anna").code == 0
    assert edgewise_command("revoke", "user-token", "anna").code == NotFound.exit_code


def test_a_device_is_revoked_once(edgewise_command: Run, device: FakeDevice, home: Path) -> None:
    assert edgewise_command("revoke", "device", device.id).code == 0
    assert edgewise_command("revoke", "device", device.id).code == Conflict.exit_code
    database = migrate.opened(f"sqlite:///{home / '.local/share/edgewise/hub.db'}")
    with database.reading() as connection:
        assert fleet.detail(connection, device.id, now_s=0, silence_s=1).device.revoked
    database.close()


def test_the_same_through_a_hub(
    edgewise_command: Run, device: FakeDevice, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = edgewise_command("create", "user-token", "anna", "--role", "operator").out.strip()
    database = migrate.opened(f"sqlite:///{home / '.local/share/edgewise/hub.db'}")
    with serving(database) as client:
        monkeypatch.setenv("EDGEWISE_HUB", str(client.base_url))
        refused = edgewise_command("revoke", "device", device.id)
        assert refused.code == TokenRefused.exit_code
        assert "EDGEWISE_HUB_TOKEN" in refused.err
        monkeypatch.setenv("EDGEWISE_HUB_TOKEN", token)
        assert edgewise_command("create", "enrolment-token", "--site", "gate").out.startswith("ewe_")
        assert edgewise_command("revoke", "device", device.id).code == 0
        assert edgewise_command("revoke", "device", device.id).code == Conflict.exit_code
    database.close()


def test_a_hub_that_is_not_there(edgewise_command: Run) -> None:
    said = edgewise_command("revoke", "device", "0" * 32, "--hub", "http://127.0.0.1:1")
    assert said.code == HubUnreachable.exit_code


@pytest.mark.parametrize("label", ["ring", "=canary"])
def test_a_label_that_is_none(edgewise_command: Run, label: str) -> None:
    assert edgewise_command("create", "enrolment-token", "--site", "gate", "--label", label).code == 2


def test_the_password_of_a_database_is_not_shown(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWISE_DATABASE", "postgresql://me:secret@db/edgewise")
    assert "secret" not in edgewise_command("config", "show", "-o", "json").out
    monkeypatch.setenv("EDGEWISE_DATABASE", "mysql://me:secret@db/edgewise")
    refused = edgewise_command("create", "user-token", "anna")
    assert refused.code == BadDatabase.exit_code
    assert "secret" not in refused.err


def test_the_schema_is_migrated_alone(edgewise_command: Run, home: Path) -> None:
    assert edgewise_command("hub", "--migrate", "--database", f"sqlite:///{home / 'new.db'}").code == 0
    assert (home / "new.db").exists()


def test_lists_and_details_are_the_same_from_database_and_hub(
    edgewise_command: Run, device: FakeDevice, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = migrate.opened(f"sqlite:///{home / '.local/share/edgewise/hub.db'}")
    case = device.case()
    with database.writing() as connection:
        model = entries.create(connection, MODEL, {"name": "meter-reader"}, now_ms=1)
        entries.create(connection, VERSION, {"name": "7", "registeredModelId": model["id"]}, now_ms=1)
    device.says(database, device.report(reason="all is well", log=("started",)), case)
    token = edgewise_command("create", "user-token", "anna").out.strip()
    questions = [
        *(("get", kind) for kind in ("devices", "cases", "models", "versions", "releases", "rollouts")),
        ("get", "devices", "--status", "Failed"),
        ("get", "versions", "meter-reader"),
        ("describe", "device", device.id),
        ("describe", "case", case.id),
        ("describe", "version", "meter-reader", "7"),
    ]
    with serving(database) as client:
        for question in questions:
            monkeypatch.delenv("EDGEWISE_HUB", raising=False)
            here = edgewise_command(*question, "-o", "json")
            monkeypatch.setenv("EDGEWISE_HUB", str(client.base_url))
            monkeypatch.setenv("EDGEWISE_HUB_TOKEN", token)
            assert (here.code, edgewise_command(*question, "-o", "json").out) == (0, here.out), question
            for output in ("table", "wide", "yaml", "name"):
                assert edgewise_command(*question, "-o", output).code == 0
        assert edgewise_command("get", "devices", "-o", "name").out.split() == [device.id]
        assert edgewise_command("get", "devices", "--status", "Failed", "-o", "name").out == ""
        assert "meter-reader" in edgewise_command("get", "models").out
        assert edgewise_command("describe", "device", "0" * 32).code == NotFound.exit_code
    database.close()
