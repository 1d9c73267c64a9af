"""`edgewise keys` and `edgewise publish`, as a person types them."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from outcome import Run

from edgewise.cli import _rollouts
from edgewise.core.database import migrate
from edgewise.core.hub import local
from edgewise.core.hub.calls import CALLS
from edgewise.core.registry import entries
from edgewise.core.registry.entries import MODEL, VERSION
from edgewise.errors import BadKey, BadReference, ForeignTree, MirrorAhead, NotFound, RolloutRefused
from edgewise.exchange import release as releases
from edgewise.exchange.message import Figures, Status
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from edgewise.store.oci.layout import Layout
from fakes import images
from fakes.hubs import FakeDevice

PASSPHRASE = "EDGEWISE_KEY_PASSPHRASE"


def document(folder: Path, version: str) -> Path:
    """A release's document in a file."""
    part = Part(
        name="inference",
        kind=PartKind.IMAGE,
        digest=f"sha256:{version * 64}",
        size_bytes=1000,
        source="registry.example/plant/meter-reader/press-line",
    )
    made = Release(
        site="press-line",
        version=f"meter-reader {version}",
        strategy=Strategy.EMBEDDED,
        parts=(part,),
        model_name="meter-reader",
        model_version=version,
        model_digest=f"sha256:{version * 64}",
    )
    path = folder / f"release-{version}.json"
    path.write_bytes(releases.written(made))
    return path


@pytest.fixture
def tree(edgewise_command: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree for press-line in the working folder, with locked keys and their passphrase at hand."""
    monkeypatch.setenv(PASSPHRASE, "right")
    outcome = edgewise_command("keys", "init", "--site", "press-line")
    assert outcome.code == 0, outcome.err
    assert "keys/root.json: give it to devices" in outcome.out
    return home / "releases"


def seal(tree: Path) -> bytes:
    return (tree / "metadata/timestamp.json").read_bytes()


def test_keys_are_locked_and_made_once(tree: Path, edgewise_command: Run) -> None:
    key = tree.parent / "keys/site-press-line.key"
    assert b"ENCRYPTED" in key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    before = seal(tree)
    again = edgewise_command("keys", "init", "--site", "press-line")
    assert again.code == BadKey.exit_code
    assert seal(tree) == before
    shown = json.loads(edgewise_command("keys", "show", "-o", "json").out)
    assert {row["role"]: (row["threshold"], len(row["keys"])) for row in shown} == {
        "root": (2, 3),
        "targets": (1, 1),
        "online": (1, 1),
        "site-press-line": (1, 1),
    }


def test_keys_need_a_passphrase_or_a_word_that_they_have_none(edgewise_command: Run, home: Path) -> None:
    outcome = edgewise_command("keys", "init", "--site", "press-line")
    assert outcome.code == BadKey.exit_code
    assert PASSPHRASE in outcome.err
    assert not (home / "keys").exists()
    assert edgewise_command("keys", "init", "--site", "press-line", "--unlocked").code == 0
    assert b"ENCRYPTED" not in (home / "keys/online.key").read_bytes()


def test_the_first_release_is_for_all_and_the_next_one_waits(tree: Path, edgewise_command: Run) -> None:
    first = edgewise_command("publish", "--release", document(tree.parent, "1"))
    assert first.code == 0, first.err
    assert "meter-reader 1 is stable" in first.out
    second = edgewise_command("publish", "--release", document(tree.parent, "2"), "-o", "json")
    (shown,) = json.loads(second.out)
    assert shown["standing"] == "candidate"
    named = shown["digest"].removeprefix("sha256:")
    assert (tree / f"targets/press-line/{named}.{named}.json").is_file()
    before = seal(tree)
    assert edgewise_command("publish", "--release", document(tree.parent, "2")).code == 0
    assert seal(tree) == before, "what is there already is not published again"


def test_a_dry_run_writes_nothing(tree: Path, edgewise_command: Run) -> None:
    before = sorted(tree.rglob("*")), seal(tree)
    outcome = edgewise_command("publish", "--dry-run", "--release", document(tree.parent, "1"))
    assert json.loads(outcome.out)["version"] == "meter-reader 1"
    assert (sorted(tree.rglob("*")), seal(tree)) == before


def test_a_wrong_passphrase_changes_nothing(tree: Path, edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(tree.rglob("*")), seal(tree)
    monkeypatch.setenv(PASSPHRASE, "wrong")
    outcome = edgewise_command("publish", "--release", document(tree.parent, "1"))
    assert outcome.code == BadKey.exit_code
    assert "passphrase does not open" in outcome.err
    assert (sorted(tree.rglob("*")), seal(tree)) == before


def test_the_timestamp_is_signed_with_the_online_key_alone(tree: Path, edgewise_command: Run) -> None:
    for path in (tree.parent / "keys").glob("*.key"):
        if path.name != "online.key":
            path.unlink()
    before = seal(tree)
    outcome = edgewise_command("publish", "--timestamp-only")
    assert outcome.code == 0, outcome.err
    assert seal(tree) != before


def test_what_was_not_built_or_is_not_there_is_said(tree: Path, edgewise_command: Run) -> None:
    assert edgewise_command("publish", "--release", tree / "none.json").code == NotFound.exit_code
    assert edgewise_command("publish").code == 2
    assert RolloutRefused.exit_code == 78


def test_a_rollout_is_told_to_the_hub_and_an_operator_s_stop_is_obeyed(tree: Path, edgewise_command: Run) -> None:
    assert edgewise_command("rollout", "start", "press-line").code == RolloutRefused.exit_code
    for version in "12":
        edgewise_command("publish", "--release", document(tree.parent, version))
    started = json.loads(edgewise_command("rollout", "start", "press-line", "-o", "json").out)
    address = f"sqlite:///{tree.parent / 'hub.db'}"
    step = ("rollout", "step", "press-line", "--database", address, "-o", "json")
    first = json.loads(edgewise_command(*step).out)
    assert (first["state"], first["stage"], first["reason"]) == ("running", 0, "no device was heard yet")
    database = migrate.opened(address)
    name = {"rollout": started["name"]}
    assert local.ask(CALLS, database, "GET", "/api/v1/rollouts/{rollout}", name)["state"] == "running"
    local.ask(CALLS, database, "POST", "/api/v1/rollouts/{rollout}/abort", name)
    stopped = json.loads(edgewise_command(*step).out)
    assert stopped["state"] == "aborted"
    assert stopped["reason"].startswith("stopped by ")
    assert local.ask(CALLS, database, "GET", "/api/v1/rollouts/{rollout}", name)["state"] == "aborted"
    database.close()


def test_a_mirror_says_what_is_missing_and_carries_it(tree: Path, edgewise_command: Run) -> None:
    pushed = Layout(tree.parent / "pushed")
    part = Part(
        name="inference",
        kind=PartKind.IMAGE,
        digest=images.image(pushed).digest,
        size_bytes=1000,
        source=f"oci:{pushed.folder}",
    )
    path = document(tree.parent, "1")
    path.write_bytes(releases.written(replace(releases.read(path.read_bytes()), parts=(part,))))
    assert edgewise_command("publish", "--release", path).code == 0
    stick = tree.parent / "stick"
    missing = json.loads(edgewise_command("mirror", stick, "--dry-run", "-o", "json").out)
    assert (missing["sites"], missing["files"], missing["blobs"]) == (["press-line"], 6, 3)
    assert not stick.exists()
    done = edgewise_command("mirror", stick, "--prune", "--progress", "none")
    assert done.code == 0, done.err
    assert "were carried to" in " ".join(done.out.split())
    assert seal(stick) == seal(tree)
    again = edgewise_command("mirror", stick, "--progress", "none").out
    assert "has everything already" in " ".join(again.split())
    edgewise_command("publish", "--timestamp-only")
    assert edgewise_command("mirror", tree, "--from", stick, "--dry-run").code == MirrorAhead.exit_code == 82
    assert edgewise_command("mirror", stick, "--site", "gate").code == NotFound.exit_code
    assert edgewise_command("mirror", "s3://bucket/x", "--root", tree / "none").code == NotFound.exit_code
    assert edgewise_command("mirror", "https://host.example/x").code == 2
    assert edgewise_command("mirror", stick, "--from", "s3://bucket/x").code == BadReference.exit_code
    edgewise_command(
        "keys", "init", "--site", "press-line", "--tree", tree.parent / "b", "--keys", tree.parent / "b-keys"
    )
    foreign = edgewise_command("mirror", tree.parent / "b")
    assert foreign.code == ForeignTree.exit_code == 84


def test_what_is_published_is_known_to_the_hub_with_its_model(tree: Path, edgewise_command: Run) -> None:
    at = ("--database", f"sqlite:///{tree.parent / 'hub.db'}")
    database = migrate.opened(at[1])
    with database.writing() as connection:
        model = entries.create(connection, MODEL, {"name": "meter-reader"}, now_ms=1)
        entries.create(connection, VERSION, {"name": "1", "registeredModelId": model["id"]}, now_ms=1)
    database.close()
    first = edgewise_command("publish", "--release", document(tree.parent, "1"), *at, "-o", "name")
    assert (first.code, first.err) == (0, "")
    digest = first.out.strip()
    assert edgewise_command("publish", "--release", document(tree.parent, "1"), *at).code == 0
    (known,) = json.loads(edgewise_command("get", "releases", *at, "-o", "json").out)
    assert (known["digest"], known["site"], known["published_by"]) == (digest, "press-line", "database")
    assert "meter-reader 1" in edgewise_command("get", "releases", *at).out
    described = edgewise_command("describe", "version", "meter-reader", "1", *at, "-o", "json")
    assert json.loads(described.out)["releases"] == [digest]
    release = json.loads(edgewise_command("describe", "release", digest, *at, "-o", "json").out)
    assert (release["model_name"], release["model_version"]) == ("meter-reader", "1")


def test_a_hub_that_is_away_stops_no_release_and_no_stop(tree: Path, edgewise_command: Run) -> None:
    nobody = ("--hub", "http://127.0.0.1:1")
    for version in "12":
        outcome = edgewise_command("publish", "--release", document(tree.parent, version), *nobody)
        assert outcome.code == 0
        assert "the hub was not told" in outcome.err
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        outcome = edgewise_command("rollout", verb, "press-line", *nobody, "-o", "json")
        assert outcome.code == 0
        assert "the hub was not told" in outcome.err
        assert json.loads(outcome.out)["state"] == state


def test_the_hub_hears_of_every_turn_at_once(tree: Path, edgewise_command: Run) -> None:
    at = ("--database", f"sqlite:///{tree.parent / 'hub.db'}")
    for version in "12":
        edgewise_command("publish", "--release", document(tree.parent, version))
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        assert edgewise_command("rollout", verb, "press-line", *at).code == 0
        (shown,) = json.loads(edgewise_command("get", "rollouts", *at, "-o", "json").out)
        assert shown["state"] == state


def test_who_was_never_heard_holds_the_stage_whose_turn_it_is(
    tree: Path, edgewise_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--database", f"sqlite:///{tree.parent / 'hub.db'}")
    database = migrate.opened(at[1])
    devices = [FakeDevice() for _ in range(5)]
    for one in devices:
        one.enrols(database, ring="canary")
    for version in "12":
        edgewise_command("publish", "--release", document(tree.parent, version))
    started = edgewise_command("rollout", "start", "press-line", "--stages", "ring=canary,100", "--soak", "0", *at)
    assert started.code == 0, started.err
    digest = f"sha256:{started.out.split('sha256:')[1][:64]}"
    step = ("rollout", "step", "press-line", *at, "-o", "json")
    assert json.loads(edgewise_command(*step).out)["reason"] == "no device was heard yet"
    now_s = int(time.time())
    for one in devices[:4]:
        one.says(database, one.report(Status.ONLINE, booted=digest, labels={"ring": "canary"}), now_s=now_s)
    monkeypatch.setattr(_rollouts, "PAGE", "2")
    assert json.loads(edgewise_command(*step).out)["reason"] == "4 of 5 devices keep it so far"
    last = devices[4]
    last.says(database, last.report(Status.ONLINE, booted=digest, labels={"ring": "canary"}), now_s=now_s)
    assert json.loads(edgewise_command(*step).out)["stage"] == 1
    database.close()


def test_a_release_that_is_worse_than_the_one_before_is_withdrawn(tree: Path, edgewise_command: Run) -> None:
    at = ("--database", f"sqlite:///{tree.parent / 'hub.db'}")
    database = migrate.opened(at[1])
    device, now_s = FakeDevice(), int(time.time())
    device.enrols(database, ring="canary")
    device.says(database, device.report(figures=Figures(requests=1000, errors=1)), now_s=now_s - 60)
    for version in "12":
        edgewise_command("publish", "--release", document(tree.parent, version))
    limits = ("--max-errors", "0.5", "--worse-errors", "0.02", "--worse-latency", "1.5", "--steady", "60")
    started = edgewise_command("rollout", "start", "press-line", "--stages", "ring=canary,100", *limits, *at)
    digest = f"sha256:{started.out.split('sha256:')[1][:64]}"
    step = ("rollout", "step", "press-line", *at, "-o", "json")
    device.says(database, device.report(booted=digest, figures=Figures(requests=1000, errors=9)), now_s=now_s)
    assert "; latency not compared" in json.loads(edgewise_command(*step).out)["reason"]
    device.says(database, device.report(booted=digest, figures=Figures(requests=1000, errors=90)), now_s=now_s)
    stopped = json.loads(edgewise_command(*step).out)
    assert stopped["state"] == "failed"
    assert stopped["reason"] == "90 of 1000 requests failed, and 0.10% under the release before"
    database.close()
