"""What goes wrong at a device, through the agent: it keeps or returns to what was good, and says why in a sentence."""

import datetime
import errno
import json
import shutil
import socket
import socketserver
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tuf.ngclient._internal import trusted_metadata_set

from edgewise.cli import main
from edgewise.edge.agent import outbox, own, servers
from edgewise.edge.agent.state import Phase, Server
from edgewise.exchange import fetch, message
from edgewise.exchange.message import Report, Status
from edgewise.flow import agent_part
from edgewise.store import atomic
from edgewise.store.oci import retry
from edgewise.store.oci.copy import copy
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import parse
from fakes.agents import MIB, Behaviour, SteppedAgent, stepped
from fakes.registries import FakeRegistry, Fault
from fakes.sites import Site

YEAR_S = 366 * 86_400.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def agent(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedAgent]:
    """A device that has kept release 1."""
    first = site.release("1", soak_s=5.0)
    made = stepped(monkeypatch, tmp_path / "device", site)
    made.advance(30)
    assert (made.state.phase, made.state.booted, made.state.server) == (Phase.SERVING, first, Server.UP)
    yield made
    made.close()


def test_two_servers_that_begin_at_once_share_the_public_socket(
    agent: SteppedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.close()
    agent._public = None
    listening, opened = servers.listening, []

    def slowly(address: str) -> socket.socket:
        time.sleep(0.3)  # so long that the other one comes meanwhile
        opened.append(listening(address))
        return opened[-1]

    monkeypatch.setattr(servers, "listening", slowly)
    begun = [threading.Thread(target=agent._server, args=(agent.state.booted,)) for _ in range(2)]
    for one in begun:
        one.start()
    for one in begun:
        one.join()
    assert opened == [agent._public]


def serves_on(agent: SteppedAgent, first: str) -> bool:
    return (agent.state.booted, agent.state.server, agent.state.rejected) == (first, Server.UP, {})


# Models.


def test_a_leak_is_found_by_its_slope_long_before_the_allowance_is_full(agent: SteppedAgent, site: Site) -> None:
    first = agent.state.booted
    leaking = site.release("2", soak_s=600.0, memory_bytes=512 * MIB)
    agent.servers.behaviours[leaking] = Behaviour(memory_bytes=lambda age_s: int(60 * MIB + age_s * 0.1 * MIB))
    agent.advance(700)
    assert agent.state.booted == first
    reason = agent.state.rejected[leaking]
    assert "memory grows by 6." in reason
    assert "512.0 MiB" in reason
    assert max(one.resident_bytes() for one in agent.servers.begun if one.release == first) < 512 * MIB


def test_memory_that_grows_while_it_warms_up_and_then_stays_is_no_leak(agent: SteppedAgent, site: Site) -> None:
    warming = site.release("2", soak_s=600.0, memory_bytes=512 * MIB)
    agent.servers.behaviours[warming] = Behaviour(
        memory_bytes=lambda age_s: int(60 * MIB + min(age_s, 120) * MIB + (age_s % 7) * 0.2 * MIB)
    )
    agent.advance(700)
    assert (agent.state.booted, agent.state.phase) == (warming, Phase.SERVING)


def test_a_model_that_is_slower_than_its_budget_never_serves(agent: SteppedAgent, site: Site) -> None:
    first = agent.state.booted
    slow = site.release("2", latency_p99_ms=10.0)
    agent.servers.behaviours[slow] = Behaviour(latency_ms=31.4)
    agent.advance(120)
    assert agent.state.rejected[slow] == "an inference takes 31.4 ms at the 99th percentile, more than 10 ms"
    assert agent.state.booted == first


def test_a_model_that_crashes_after_an_hour_is_left_where_it_is_still_watched(agent: SteppedAgent, site: Site) -> None:
    first = agent.state.booted
    dying = site.release("2", soak_s=7200.0)
    agent.servers.behaviours[dying] = Behaviour(lives_s=3600.0)
    agent.advance(3500, step_s=10)
    assert agent.state.booted == dying
    agent.advance(300)
    assert (agent.state.booted, agent.state.server) == (first, Server.UP)
    assert agent.state.rejected[dying] == "its server was ended by SIGSEGV"


def test_a_kept_model_that_does_not_stay_up_any_more_is_left_after_three_restarts(
    agent: SteppedAgent, site: Site
) -> None:
    first = agent.state.booted
    dying = site.release("2", soak_s=60.0)
    behaviour = agent.servers.behaviours[dying] = Behaviour(lives_s=3600.0)
    agent.advance(200)
    assert (agent.state.booted, agent.state.phase) == (dying, Phase.SERVING)
    behaviour.lives_s = 3.0
    agent.advance(3600, step_s=2)
    assert (agent.state.booted, agent.state.server) == (first, Server.UP)
    assert "ended 3 times in a row" in agent.state.rejected[dying]


@pytest.mark.parametrize("slow_s", [1.5, 7.9, 60.0])
@pytest.mark.parametrize("well_s", [0.0, 10.5])
def test_a_server_that_becomes_slow_is_left_within_thirty_seconds(
    agent: SteppedAgent, site: Site, slow_s: float, well_s: float
) -> None:
    first, second = agent.state.booted, site.release("2", soak_s=600.0)
    slow_from_s = [float("inf")]
    agent.servers.behaviours[second] = Behaviour(
        answer_s=lambda _: slow_s if agent.time_s >= slow_from_s[0] else 0.01,
    )
    while agent.state.phase is not Phase.WATCHING and agent.time_s < 120.0:
        agent.advance(1)
    slow_from_s[0] = agent.time_s + well_s
    while agent.state.booted == second and agent.time_s - slow_from_s[0] < 30.0:
        agent.advance(0.5, step_s=0.5)
    assert (agent.state.booted, agent.state.server) == (first, Server.UP)
    assert agent.time_s - slow_from_s[0] < 30.0
    assert agent.state.rejected[second] in ("its golden took longer", "timed out")


def test_a_golden_that_is_slow_by_nature_is_given_its_time(agent: SteppedAgent, site: Site) -> None:
    slow = site.release("2", soak_s=60.0)
    agent.servers.behaviours[slow] = Behaviour(answer_s=lambda _: 3.0)
    agent.advance(400)
    assert (agent.state.booted, agent.state.phase) == (slow, Phase.SERVING)


# Its own upgrade.


def test_an_agent_that_was_refused_is_told_in_status_and_reports_until_it_is_forgiven(
    agent: SteppedAgent,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(own, "unfit", lambda *_: "it cannot read the journal")
    with zipfile.ZipFile(wheel := tmp_path / "edgewise-9-py3-none-any.whl", "w") as archive:
        archive.writestr("edgewise/__init__.py", "")
    site.brought = (agent_part.made([wheel], f"oci:{site.layout.folder}", site.layout),)
    second = site.release("2", soak_s=5.0)
    agent.advance(200)
    (refused,) = own.refused(agent.disk.root)
    why = "the agent of its release was refused here: it cannot read the journal"
    assert (agent.state.booted, agent.state.phase) == (second, Phase.SERVING)
    agent._report()
    last = newest_report(agent)
    assert (last.status, last.reason) == (Status.DEGRADED, why)
    assert main.run(["agent", "status", "--root", str(agent.disk.root), "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["reason"]) == ("Degraded", why)
    assert shown["refused_agents"] == {f"sha256:{refused}": "it cannot read the journal"}
    own.forgive(agent.disk.root)
    agent._report()
    assert newest_report(agent).status is Status.ONLINE


def newest_report(agent: SteppedAgent) -> Report:
    """What the hub will read last."""
    (*_, last) = outbox.waiting(agent.disk.root / "outbox")
    signed = outbox.read(last)
    assert signed is not None
    found = message.read(signed.payload)
    assert isinstance(found, Report)
    return found


# Clocks.


class Clock(datetime.datetime):
    """The system's clock, off by `off_s`."""

    off_s = 0.0

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(time.time() + cls.off_s, tz)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    class Datetime:
        timezone = datetime.timezone
        datetime = Clock

    monkeypatch.setattr(trusted_metadata_set, "datetime", Datetime)
    monkeypatch.setattr(Clock, "off_s", 0.0)
    return Clock


def test_a_clock_that_is_years_ahead_takes_nothing_and_stops_nothing(agent, site, clock) -> None:
    first = agent.state.booted
    clock.off_s = 20 * YEAR_S
    second = site.release("2")
    agent.advance(300)
    assert serves_on(agent, first)
    assert "has expired" in agent.said[-1]
    clock.off_s = 0.0
    agent.advance(600)
    assert agent.state.booted == second


def test_a_clock_that_is_years_behind_takes_what_is_signed(agent, site, clock) -> None:
    clock.off_s = -40 * YEAR_S
    agent.started_s -= 60 * YEAR_S
    second = site.release("2")
    agent.advance(120)
    assert agent.state.booted == second
    assert agent.said == []


# Networks and mirrors.


class Mirror(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The tree over HTTP, by whoever means ill: `way` is fine, slow, cut or endless."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.way = folder, "fine"
        super().__init__(("127.0.0.1", 0), _Answers)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Mirror

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        if self.server.way != "endless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            match self.server.way:
                case "slow":
                    for index in range(len(content)):
                        self.wfile.write(content[index : index + 1])
                        time.sleep(0.05)
                case "cut":
                    self.wfile.write(content[: len(content) // 2])
                case "endless":
                    while True:
                        self.wfile.write(content)
                case _:
                    self.wfile.write(content)
        except OSError:
            self.close_connection = True


@pytest.fixture
def mirror(site: Site) -> Iterator[Mirror]:
    made = Mirror(site.tree.folder)
    yield made
    made.shutdown()
    made.server_close()


def follow(agent: SteppedAgent, *bases: str) -> None:
    object.__setattr__(agent.settings, "tree", bases)


@pytest.mark.parametrize(
    ("way", "why"), [("slow", "not come within"), ("cut", "cannot be read"), ("endless", "sends more than was signed")]
)
def test_a_server_that_is_slow_breaks_off_or_never_ends_stops_nothing(
    agent: SteppedAgent, site: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, way: str, why: str
) -> None:
    monkeypatch.setitem(fetch.Fetch.__init__.__kwdefaults__, "whole_s", 0.3)
    first, second = agent.state.booted, site.release("2")
    follow(agent, mirror.base)
    mirror.way = way
    agent.advance(75)
    assert serves_on(agent, first)
    assert why in agent.said[-1]
    mirror.way = "fine"
    agent.advance(300)
    assert agent.state.booted == second


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """Nobody waits before it is asked again."""
    monkeypatch.setattr(retry, "pause_s", lambda *_: 0.0)
    with FakeRegistry() as made:
        yield made


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(when="GET .*/blobs/", cut_after=1), "cannot be reached"),
        (Fault(when="GET .*/manifests/", cut_after=1), "cannot be reached"),
        (Fault(when="GET .*/blobs/", endless=True), "serves more than"),
        (Fault(when="GET .*/manifests/", endless=True), "is larger than"),
        (Fault(when="GET .*/blobs/", flip=True), " as sha256:"),
        (Fault(when="GET .*/blobs/", status=500), "500"),
    ],
    ids=["cut", "cut-manifest", "endless", "endless-manifest", "wrong", "broken"],
)
def test_a_registry_whose_blobs_break_off_never_end_or_are_others_stops_nothing(
    agent: SteppedAgent, site: Site, registry: FakeRegistry, fault: Fault, why: str
) -> None:
    first, site.source = agent.state.booted, f"{registry.host}/plant/line"
    second = site.release("2", soak_s=5.0)
    with opened(parse(f"{site.source}:v2")) as there:
        copy(site.layout, there, "v2")
    registry.faults = [replace(fault, times=1 << 30)]
    agent.advance(75)
    assert serves_on(agent, first)
    assert why in agent.state.reason
    assert registry.faults[0].sent_bytes < 64 * MIB
    registry.faults = []
    agent.advance(600)
    assert (agent.state.booted, agent.state.phase) == (second, Phase.SERVING)


def test_names_that_cannot_be_resolved_stop_nothing_and_the_next_mirror_is_asked(
    agent: SteppedAgent, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    first, second = agent.state.booted, site.release("2")
    follow(agent, "http://releases.example")
    agent.advance(75)
    assert serves_on(agent, first)
    assert "name resolution" in agent.said[-1]
    follow(agent, "http://releases.example", site.tree.base)
    agent.advance(300)
    assert agent.state.booted == second


def test_a_mirror_that_holds_back_what_is_new_is_found_when_its_timestamp_expires(agent, site, clock, tmp_path) -> None:
    first = agent.state.booted
    shutil.copytree(site.tree.folder, tmp_path / "frozen")
    site.release("2")
    follow(agent, (tmp_path / "frozen").as_uri())
    agent.advance(75)
    assert agent.said == []  # until then nobody can know
    clock.off_s = 30 * 86_400.0
    agent.advance(120)
    assert serves_on(agent, first)
    assert "has expired" in agent.said[-1]


def test_a_mirror_that_mixes_what_is_new_with_what_is_old_is_not_trusted(agent, site, tmp_path) -> None:
    first = agent.state.booted
    old = {path.name: path.read_bytes() for path in (site.tree.folder / "metadata").iterdir()}
    site.release("2")
    mixed = tmp_path / "mixed"
    shutil.copytree(site.tree.folder, mixed)
    new = [path for path in (mixed / "metadata").iterdir() if path.name not in old and "snapshot" in path.name]
    (before,) = [name for name in sorted(old) if name.endswith(".snapshot.json")][-1:]
    for path in new:
        path.chmod(0o644)
        path.write_bytes(old[before])
    follow(agent, mixed.as_uri())
    agent.advance(75)
    assert serves_on(agent, first)
    assert "not to be trusted" in agent.said[-1] or "more than was signed" in agent.said[-1]


# Disks.


def test_a_disk_that_is_full_at_any_write_of_a_fetch_leaves_what_serves_and_takes_it_when_there_is_room(
    agent: SteppedAgent, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = agent.state.booted, site.release("2")
    real, left, reasons = atomic.os.fsync, [0], []

    def fsync(number: int) -> None:
        if fetching and left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= fetching
        real(number)

    fetching = False
    outside = agent._outside

    def errand(command: str, timeout_s: float, **arguments: object) -> dict[str, object]:
        nonlocal fetching
        fetching = command == "fetch"
        try:
            return outside(command, timeout_s, **arguments)
        finally:
            fetching = False

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    monkeypatch.setattr(agent, "_outside", errand)
    for writes in range(200):
        left[0] = writes
        agent._poll()
        agent.settle()
        if agent.state.booted == second:
            break
        assert serves_on(agent, first), writes
        reasons.append(agent.state.reason)
    assert agent.state.booted == second
    assert len(reasons) >= 5
    assert all("no space left" in one for one in reasons), set(reasons)
