"""The agent as a process, with the real server, a signed tree and artifacts in a folder.

One device lives through all of this file: what a test leaves, the next one begins with. Its hub is away all the time.
Every order of events is checked without processes (tests/unit/edge/agent/test_machine.py); here is what only they show.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.edge.agent import settings
from edgewise.edge.agent.state import Phase, Server
from edgewise.runtimes import served
from fakes import served as models
from fakes.sites import Device, Site, ask, kept

SOAK_S = 0.2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def device(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """It keeps the first release, and its agent runs. Its folder is deeper than a socket's address may be long."""
    first = site.release("1", soak_s=SOAK_S)
    folder = tmp_path_factory.mktemp("device") / ("deep" * 25)
    with Device(folder, site, poll_s=0.5, hub="http://127.0.0.1:9") as made:
        made.start()
        made.until(kept(made, first), "kept the first release")
        yield made


@pytest.fixture
def booted(device: Device) -> str:
    """The release that the device keeps as a test begins."""
    device.until(lambda: device.state.phase is Phase.SERVING and device.state.server is Server.UP, "settled")
    device.until(lambda: device.answers() == version(device), "served what it keeps")
    return device.state.booted


def version(device: Device) -> str:
    """Of the release that is booted."""
    return device.disk.read(device.state.booted).version


def test_the_hub_that_is_away_rolls_nothing_back_and_its_reports_wait(device: Device, booted: str) -> None:
    device.until(lambda: len(list((device.root / "outbox").iterdir())) >= 2, "kept its reports")
    assert device.state.booted == booted


def test_it_takes_good_releases_refuses_a_bad_one_and_no_request_fails(device: Device, site: Site, booted: str) -> None:
    load = Load(device.port)
    second = site.release("2", soak_s=SOAK_S)
    device.until(kept(device, second), "kept the second release")
    assert (device.answers(), device.state.rollback) == ("2", booted)
    bad = site.release("3", wrong=True)
    device.until(lambda: bad in device.state.rejected, "refused the bad release")
    seen = load.end()
    assert device.answers() == "2"
    assert device.state.booted == second
    assert "golden" in device.state.rejected[bad]
    assert load.failures == []
    assert set(seen) == {"1", "2"}
    assert seen[-1] == "2"


class Load:
    """Four clients that ask without end."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self._seen: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port,), daemon=True) for _ in range(4)]
        for one in self._threads:
            one.start()

    def _ask(self, port: int) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._seen.append((began, ask(port)))
            except Exception as error:  # anything is a failed request
                self.failures.append(repr(error))
            time.sleep(0.02)

    def end(self) -> list[str]:
        """Versions that answered, in the order of asking."""
        self._over.set()
        for one in self._threads:
            one.join(30)
        return [version for _, version in sorted(self._seen)]


def test_a_release_over_its_budget_is_refused_with_the_figure(device: Device, site: Site, booted: str) -> None:
    fat = site.release("fat", memory_bytes=1 << 20)
    device.until(lambda: fat in device.state.rejected, "refused the fat one")
    slow = site.release("slow", latency_p99_ms=0.0001)
    device.until(lambda: slow in device.state.rejected, "refused the slow one")
    assert "MiB of memory, more than 1.0 MiB" in device.state.rejected[fat]
    assert "at the 99th percentile, more than 0.0001 ms" in device.state.rejected[slow]
    assert (device.answers(), device.state.booted) == (version(device), booted)


def test_a_server_that_dies_while_it_is_watched_is_left_for_the_one_before(
    device: Device, site: Site, booted: str
) -> None:
    watched = site.release("watched", soak_s=3600)
    device.until(lambda: device.state.phase is Phase.WATCHING, "watched it")
    device.until(lambda: device.answers() == "watched", "let it serve")
    device.kill_servers()
    device.until(kept(device, booted), "went back")
    device.until(lambda: device.answers() == version(device), "served again")
    assert "ended by SIGKILL" in device.state.rejected[watched]


def test_a_kept_server_that_dies_is_started_again(device: Device, booted: str) -> None:
    before = device.state.restarts
    device.kill_servers()
    device.until(lambda: device.state.restarts == before + 1 and device.answers() == version(device), "started again")
    assert device.state.booted == booted


def test_what_came_damaged_is_not_laid_out_and_comes_again_when_the_mirror_is_mended(
    device: Device, site: Site, booted: str
) -> None:
    before = {path.name for path in (site.layout.folder / "blobs/sha256").iterdir()}
    model = site.folder / "model-mended"
    models.linear_folder(model, version="mended")
    document = site.document(model, "mended", soak_s=SOAK_S)
    (blob,) = [
        path
        for path in (site.layout.folder / "blobs/sha256").iterdir()
        if path.name not in before and path.read_bytes() == (model / served.NAME).read_bytes()
    ]
    right, rejected = blob.read_bytes(), device.state.rejected
    blob.chmod(0o644)
    blob.write_bytes(right[:-2] + b" \n")  # the right size, and the wrong content
    mended = site.tree.publish(document, at_once=True)
    device.until(lambda: "damaged" in device.state.reason, "said what is wrong")
    assert (device.state.booted, device.state.rejected, device.answers()) == (booted, rejected, version(device))
    blob.write_bytes(right)
    device.until(kept(device, mended), "took it when it was mended")


def test_an_agent_that_is_killed_leaves_its_server_serving_and_the_next_takes_over(device: Device, booted: str) -> None:
    device.kill()
    assert device.answers() == version(device)
    device.start()
    device.until(lambda: device.state.server is Server.UP and device.answers() == version(device), "served again")
    device.power_cut()
    with pytest.raises(OSError, match=r".*"):
        device.answers()
    device.start()
    device.until(lambda: device.answers() == version(device), "served after the power came back")
    assert device.state.booted == booted


def test_a_tree_that_another_signed_is_not_followed(device: Device, site: Site, booted: str, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    other.release("9")
    wanted, asked = device.state.wanted, other.tree.folder / "metadata" / "timestamp.json"
    device.process.terminate()
    device.process.wait(60)
    settings.keep(device.root, tree=[other.tree.base])
    device.start()
    device.until(lambda: device.answers() == version(device), "served")
    time.sleep(2)  # some polls: that nothing comes of them has no event to wait for
    assert asked.is_file()
    assert (device.state.wanted, device.state.booted) == (wanted, booted)
    device.process.terminate()
    device.process.wait(60)
    settings.keep(device.root, tree=[site.tree.base])
    device.start()


def answered(device: Device) -> str:
    """What a client hears that asks once more where its connection was reset.

    A server that an earlier agent has left, and that ends just now, takes with it whom it has not accepted.
    """
    try:
        return device.answers()
    except ConnectionResetError:
        return device.answers()


STEPS = ("awoke", "up", "offered", "fetched", "proven", "switched", "soaked")
"""Lines that an agent writes from its start to the end of an update."""


@pytest.mark.slow
def test_killed_after_any_line_old_or_new_serves_on_and_the_next_agent_ends_the_update(
    device: Device, site: Site, booted: str
) -> None:
    device.kill()
    release, old = booted, version(device)
    for number, step in enumerate(STEPS):
        device.start(mortal=step)  # it ends the update before, and dies within the next
        new = old
        if step not in ("awoke", "up"):
            device.until(kept(device, release), f"kept {old}")
            device.until(lambda old=old: device.answers() == old, f"served {old}")
            new = f"killed-{step}"
            release = site.release(new, soak_s=SOAK_S)
        assert device.process.wait(60) == -9
        assert answered(device) in (old, new), step  # its servers outlive it
        if number % 2:
            device.kill_servers()  # the power went too
        old = new
    device.start()
    device.until(kept(device, release), "kept the last one")
    assert device.answers() == old
