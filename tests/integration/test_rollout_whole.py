"""A rollout as a whole: the hub is a process, devices sign what they say, and each runs what the signed tree says."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgewise.cli import main
from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import enrolment, users
from edgewise.core.hub.users import Role
from edgewise.exchange import enrolment as documents
from edgewise.exchange import offer, receipt, signing
from edgewise.exchange.message import Figures, Status
from edgewise.exchange.receipt import Taken
from fakes.hubs import FakeDevice
from fakes.releases import Releases

FLEET, CANARIES = 8, 2
Verb = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub as a client asks it, with a publisher's token; and its database, where devices are invited."""

    client: httpx.Client
    database: Database
    token: str

    def shown(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub of its own process."""
    folder = tmp_path_factory.mktemp("hub")
    address = f"sqlite:///{folder / 'hub.db'}"
    database = migrate.opened(address)
    with database.writing() as connection:
        token = users.make_token(connection, name="anna", role=Role.PUBLISHER, who="test", now_s=int(time.time()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(folder), "EDGEWISE_DATABASE": address}
    command = [sys.executable, "-m", "edgewise", "hub", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until = time.monotonic() + 60
            while not _ready(client):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield Hub(client=client, database=database, token=token)
    finally:
        process.terminate()
        process.wait(60)
        database.close()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Device(FakeDevice):
    """A device that takes what the tree offers it, unless it proves bad there: then it goes back and refuses it."""

    labels: dict[str, str] = field(default_factory=dict)
    runs: str = ""
    rejected: tuple[str, ...] = ()

    def enrols_at(self, hub: Hub, site: str) -> None:
        with hub.database.writing() as connection:
            made = enrolment.invite(connection, site=site, labels=self.labels, who="test", now_s=int(time.time()))
        answer = hub.client.post("/api/v1/enrol", content=self.asks(made.token))
        assert documents.read_answer(answer.content).labels == self.labels

    def follows(self, offers: dict[str, offer.Offered], *, bad: str) -> None:
        due = offer.due(self.id, self.labels, offers, running=self.runs)
        if due == bad:
            self.rejected = (bad,)
        elif due not in self.rejected:
            self.runs = due

    def reports(self, hub: Hub, site: str) -> None:
        said = self.report(
            Status.ROLLED_BACK if self.rejected else Status.ONLINE,
            site=site,
            booted=self.runs,
            rejected=self.rejected,
            labels=self.labels,
            time_s=int(time.time()),
            figures=Figures(requests=200, errors=0),
        )
        answer = hub.client.post("/api/v1/messages", content=signing.batch([self.signs(said)]))
        told = receipt.read(answer.content, [said.id])
        assert [one.taken for one in told.outcomes] == [Taken.ACCEPTED]


@dataclass
class Plant:
    """A site with its tree, its devices, and the verbs of its publisher."""

    hub: Hub
    made: Releases
    folder: Path
    verb: Verb
    devices: list[Device]

    def goes_on(self, *, bad: str = "") -> None:
        """Every device follows the tree and says how it is."""
        with self.made.follower(self.folder / "followed") as follower:
            offers = dict(follower.follow().offers)
        for one in self.devices:
            one.follows(offers, bad=bad)
            one.reports(self.hub, self.made.site)

    def running(self, digest: str) -> set[str]:
        return {one.id for one in self.devices if one.runs == digest}


def fleet(release: str) -> list[Device]:
    """Canaries, and of the others as many in the first half of those who take `release` as in the second."""
    half = (FLEET - CANARIES) // 2
    early: list[Device] = []
    late: list[Device] = []
    while min(len(early), len(late)) < half:
        one = Device()
        (early if offer.place(one.id, release) < 0.5 else late).append(one)
    return [Device(labels={"ring": "canary"}) for _ in range(CANARIES)] + early[:half] + late[:half]


@pytest.fixture
def plant(
    request: pytest.FixtureRequest,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Plant:
    """Eight devices that run the first release, two of them canaries; a second release waits."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EDGEWISE_HUB", str(hub.client.base_url))
    monkeypatch.setenv("EDGEWISE_HUB_TOKEN", hub.token)
    site = request.node.name.replace("_", "-")[:40].strip("-")
    made = Releases.make(tmp_path, site)

    def verb(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        places = ("--tree", str(made.folder), "--keys", str(made.keys))
        code = main.run(["rollout", words[0], site, *words[1:], *places, "-o", "json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found

    first = made.publish(made.release("1"))
    devices = fleet(made.publish(made.release("2")))
    for one in devices:
        one.enrols_at(hub, site)
    plant = Plant(hub, made, tmp_path, verb, devices)
    plant.goes_on()
    assert plant.running(first) == {one.id for one in devices}
    return plant


def test_a_good_release_goes_to_the_end(plant: Plant) -> None:
    begun = plant.verb("start", "--stages", "ring=canary,50,100", "--soak", "0")
    digest, name = str(begun["release"]), begun["name"]
    widths = []
    while begun["state"] == "running" and len(widths) < 4:
        assert plant.verb("step")["stage"] == begun["stage"], "nobody keeps what was offered a moment ago"
        plant.goes_on()
        widths.append(plant.running(digest))
        begun = plant.verb("step")
        shown = plant.hub.shown(f"/api/v1/rollouts/{name}")
        assert (shown["state"], shown["stage"]) == (begun["state"], begun["stage"])
    assert (begun["state"], len(widths)) == ("done", 3)
    assert widths[0] == {one.id for one in plant.devices[:CANARIES]}
    assert widths[0] < widths[1] < widths[2] == {one.id for one in plant.devices}
    listed = plant.hub.shown(f"/api/v1/devices?site={plant.made.site}")["devices"]
    assert all(one["up_to_date"] and one["booted"] == digest for one in listed)


def test_a_bad_release_is_halted_and_everybody_is_back(plant: Plant) -> None:
    old = plant.devices[0].runs
    begun = plant.verb("start", "--stages", "ring=canary,100", "--soak", "0")
    digest = str(begun["release"])
    plant.goes_on(bad=digest)
    halted = plant.verb("step")
    assert halted["state"] == "failed"
    assert halted["reason"] == f"{CANARIES} of {CANARIES} devices that tried it failed"
    assert plant.hub.shown(f"/api/v1/rollouts/{begun['name']}")["state"] == "failed"
    plant.goes_on(bad=digest)
    assert plant.running(old) == {one.id for one in plant.devices}
    canary, other = plant.devices[0], plant.devices[-1]
    shown = plant.hub.shown(f"/api/v1/devices/{canary.id}")["device"]
    assert (shown["status"], shown["up_to_date"], shown["rejected"]) == ("RolledBack", False, [digest])
    shown = plant.hub.shown(f"/api/v1/devices/{other.id}")["device"]
    assert (shown["status"], shown["booted"]) == ("Online", old)


def test_who_has_moved_goes_back_when_an_operator_stops_it(plant: Plant) -> None:
    old = plant.devices[0].runs
    begun = plant.verb("start", "--stages", "ring=canary,100", "--soak", "0")
    plant.goes_on()
    assert len(plant.running(str(begun["release"]))) == CANARIES
    heads = {"Authorization": f"Bearer {plant.hub.token}"}
    asked = plant.hub.client.post(f"/api/v1/rollouts/{begun['name']}/abort", headers=heads)
    assert asked.status_code == 200
    stopped = plant.verb("step")
    assert (stopped["state"], stopped["reason"]) == ("aborted", "stopped by anna")
    plant.goes_on()
    assert plant.running(old) == {one.id for one in plant.devices}
