"""The health of units that run beside the agent: what Podman says of them, and what the agent makes of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewise.build.nodes.quadlet import compose
from edgewise.cli.main import run
from edgewise.edge.agent import outbox, podman, settings, status, units
from edgewise.edge.agent.__main__ import beside
from edgewise.edge.agent.settings import Identity
from edgewise.edge.agent.state import Phase, Server, State
from edgewise.edge.agent.units import Health, Unit
from edgewise.exchange import message, signing
from edgewise.exchange.message import Status
from fakes.agents import SteppedAgent

RELEASE = "0123456789abcdef" * 4
WELL = Unit(name="meter-reader", release=RELEASE, health=Health.HEALTHY)
ILL, YOUNG = replace(WELL, health=Health.UNHEALTHY), replace(WELL, health=Health.STARTING)
SERVES = State(phase=Phase.SERVING, server=Server.UP, booted="sha256:a", wanted="sha256:a", reason="kept")


def container(name: str, said: str, **labels: str) -> dict[str, Any]:
    """As `podman ps --format=json` has it."""
    own = {units.RELEASE_LABEL: f"sha256:{RELEASE}", units.SITE_LABEL: "press-line"}
    return {"Names": [name], "Labels": own | labels, "State": "running", "Status": said}


def engine(folder: Path, script: str) -> tuple[str, ...]:
    """A Podman that does what `script` says."""
    path = folder / "podman"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return (str(path),)


def printing(folder: Path, *containers: Any) -> tuple[str, ...]:
    """A Podman that lists `containers`, and writes down what it was asked."""
    (folder / "list.json").write_text(json.dumps(containers))
    return engine(folder, f'echo "$@" > {folder}/asked; cat {folder}/list.json')


def test_the_labels_are_those_that_units_carry():
    assert (units.RELEASE_LABEL, units.SITE_LABEL) == (compose.RELEASE_LABEL, compose.SITE_LABEL)


def test_units_of_the_site_are_read_with_their_health_and_the_worst_comes_first(tmp_path: Path):
    found = units.look(
        "press-line",
        printing(
            tmp_path,
            container("meter-reader", "Up 3 minutes (healthy)"),
            container("pump", "Up 2 seconds (starting)"),
            container("valve", "Up About an hour (unhealthy)"),
            container("one of the agent's", "Up 3 minutes (unhealthy)", **{podman.LABEL: "12345678"}),
            container("a pod's infra", "Up 3 minutes"),
            container("has ended", "Exited (0) 5 minutes ago"),
        ),
    )
    assert [(one.name, one.health.value) for one in found] == [
        ("valve", "unhealthy"),
        ("pump", "starting"),
        ("meter-reader", "healthy"),
    ]
    assert {one.release for one in found} == {RELEASE}
    assert (tmp_path / "asked").read_text() == "ps --filter=label=io.edgewise.site=press-line --format=json\n"
    assert units.unwell(found) == "valve, which runs 0123456789ab, is unhealthy"
    assert units.unwell(found[1:]) == ""


@pytest.mark.parametrize(
    "said",
    [
        "",
        "null",
        "{}",
        "[3, null, []]",
        "no such thing",
        '[{"Labels": {"io.edgewise.release": "a"}}]',
        '[{"Labels": ["io.edgewise.release"], "Status": "Up (healthy)"}]',
        '[{"Labels": {"io.edgewise.release": ""}, "Status": "Up (healthy)"}]',
    ],
)
def test_what_is_no_list_of_containers_has_no_units(tmp_path: Path, said: str):
    (tmp_path / "said").write_text(said)
    assert units.look("press-line", engine(tmp_path, f"cat {tmp_path}/said")) == ()


def test_names_and_numbers_are_bounded(tmp_path: Path):
    many = [container("x" * 1000, "Up (healthy)", **{units.RELEASE_LABEL: "y" * 1000}) for _ in range(20)]
    found = units.look("press-line", printing(tmp_path, *many))
    assert len(found) == units.MOST_UNITS
    assert {(len(one.name), len(one.release)) for one in found} == {(units.LONGEST, units.LONGEST)}


def test_a_podman_that_is_missing_fails_hangs_or_never_ends_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(units, "ASK_S", 0.3)
    monkeypatch.setattr(units, "MOST_BYTES", 1 << 16)
    good = json.dumps([container("meter-reader", "Up (healthy)")])
    assert units.look("press-line", (str(tmp_path / "none"),)) == ()
    assert units.look("press-line", engine(tmp_path, f"echo '{good}'; exit 125")) == ()
    assert units.look("press-line", engine(tmp_path, f"echo '{good}'; sleep 60")) == ()  # a child of it hangs
    assert units.look("press-line", engine(tmp_path, "yes")) == ()
    assert units.look("press-line", engine(tmp_path, f"echo '{good}'")) == (replace(WELL, name="meter-reader"),)


@pytest.mark.parametrize(
    ("state", "found", "word", "why"),
    [
        (SERVES, [WELL], Status.ONLINE, "kept"),
        (SERVES, [YOUNG], Status.ONLINE, "kept"),
        (SERVES, [ILL, WELL], Status.DEGRADED, "meter-reader, which runs 0123456789ab, is unhealthy"),
        (State(), [], Status.FAILED, "nothing serves: no release has come yet"),
        (State(), [WELL], Status.ONLINE, "meter-reader, which runs 0123456789ab, is healthy"),
        (State(), [YOUNG], Status.UPDATING, "meter-reader, which runs 0123456789ab, is starting"),
        (State(), [ILL], Status.DEGRADED, "meter-reader, which runs 0123456789ab, is unhealthy"),
        (State(wanted="sha256:a", reason="it ended"), [WELL], Status.FAILED, "nothing serves: it ended"),
        (replace(SERVES, server=Server.DOWN), [WELL], Status.FAILED, "nothing serves: kept"),
        (replace(SERVES, wanted="sha256:b"), [ILL], Status.UPDATING, "kept"),
    ],
)
def test_a_device_is_as_its_units_are_where_the_agent_has_nothing_to_run(
    state: State, found: list[Unit], word: Status, why: str
):
    unwell = units.unwell(found)
    assert (status.word(state, unwell, found), status.sentence(state, unwell, found)) == (word, why)


@pytest.fixture
def enrolled(tmp_path: Path) -> Path:
    """The folder of a device that reports to a hub which is away, and follows no tree."""
    root, key = tmp_path / "device", signing.make_key()
    root.mkdir(mode=0o700)
    signing.keep_key(key, root / "device.key")
    settings.keep_identity(root, Identity(device=signing.device_id(signing.public_bytes(key)), site="press-line"))
    settings.keep(root, hub="http://127.0.0.1:9", report_s=60.0, listen="127.0.0.1:0")
    return root


def last(root: Path) -> message.Report:
    """The newest report in the outbox."""
    signed = outbox.read(outbox.waiting(root / "outbox")[-1])
    assert signed is not None
    found = message.read(signed.payload)
    assert isinstance(found, message.Report)
    return found


def test_reports_say_how_units_are(enrolled: Path):
    there: list[Unit] = []
    agent = SteppedAgent(enrolled, beside=lambda: there)
    reports = []
    try:
        for there[:] in ([ILL, WELL], [WELL], []):
            agent.advance(61.0)
            reports.append(last(enrolled))
    finally:
        agent.close()
    assert [one.status for one in reports] == [Status.DEGRADED, Status.ONLINE, Status.FAILED]
    first, second, third = reports
    assert first.reason == "meter-reader, which runs 0123456789ab, is unhealthy"
    assert first.log[-2:] == (first.reason, "meter-reader, which runs 0123456789ab, is healthy")
    assert second.log[-1:] == (first.log[-1],)
    assert third.log == ()


def test_a_unit_that_becomes_unhealthy_is_reported_before_the_next_report_is_due(enrolled: Path):
    settings.keep(enrolled, report_s=600.0)
    looks: list[None] = []
    there = [WELL]
    agent = SteppedAgent(enrolled, beside=lambda: looks.append(None) or there)
    try:
        agent.advance(601.0)
        assert last(enrolled).status is Status.ONLINE
        there[:] = [ILL]
        agent.advance(31.0)
        assert last(enrolled).status is Status.DEGRADED
        there.clear()
        agent.advance(31.0)
        assert last(enrolled).status is Status.FAILED
        looks.clear()
        agent.advance(300.0)
        assert looks == []  # no unit is there: nobody is asked between reports
    finally:
        agent.close()


def test_the_process_asks_podman_where_it_runs_containers(enrolled: Path, tmp_path: Path):
    settings.keep(enrolled, podman=list(printing(tmp_path, container("meter-reader", "Up 1 second (unhealthy)"))))
    assert beside(enrolled, "")() == ()
    assert beside(enrolled, "edgewise.flow.deploy.contained")() == (ILL,)


def test_agent_status_names_units_and_is_degraded_by_one(
    enrolled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings.keep(enrolled, podman=list(printing(tmp_path, container("meter-reader", "Up 1 second (unhealthy)"))))
    assert run(["agent", "status", "--root", str(enrolled), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "Degraded"
    assert told["reason"] == "meter-reader, which runs 0123456789ab, is unhealthy"
    assert told["units"] == [{"name": "meter-reader", "release": RELEASE, "health": "unhealthy"}]
    assert run(["agent", "status", "--root", str(enrolled)]) == 0
    assert "meter-reader: unhealthy" in capsys.readouterr().out
    settings.keep(enrolled, podman=[str(tmp_path / "none")])
    assert run(["agent", "status", "--root", str(enrolled), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["units"]) == ("Failed", [])
