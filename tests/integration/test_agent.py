"""The agent as a process, with the real server, a signed tree and artifacts in a folder."""

import threading
import time
from pathlib import Path

import pytest

from edgewise.edge.agent import settings
from edgewise.edge.agent.state import Phase, Server
from edgewise.runtimes import served
from fakes import served as models
from fakes.sites import Device, Site, ask


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def kept(device: Device, release: str):
    return lambda: device.state and (device.state.phase, device.state.booted) == (Phase.SERVING, release)


def test_a_device_takes_good_releases_refuses_a_bad_one_and_no_request_fails(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        assert device.answers() == "1"
        load = Load(device.port)
        second = site.release("2")
        device.until(kept(device, second), "kept the second release")
        assert (device.answers(), device.state.rollback) == ("2", first)
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


def test_an_agent_that_is_killed_leaves_its_server_serving_and_the_next_takes_over(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        device.kill()
        assert device.answers() == "1"
        device.start()
        device.until(lambda: device.state.server is Server.UP and device.answers() == "1", "served again")
        device.power_cut()
        with pytest.raises(OSError, match=r".*"):
            device.answers()
        device.start()
        device.until(lambda: device.answers() == "1", "served after the power came back")


STEPS_OF_AN_UPDATE = 7
"""Lines that one agent writes: awoke, up, offered, fetched, proven, switched, soaked."""


@pytest.mark.slow
def test_an_agent_that_is_killed_at_any_step_leaves_old_or_new_serving_and_the_next_one_ends_the_update(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        device.kill()
        for step in range(1, STEPS_OF_AN_UPDATE + 1):
            old, new = str(step), str(step + 1)
            release = site.release(new)
            device.start(mortal=step)
            assert device.process.wait(60) == -9
            assert device.answers() in (old, new), step  # its servers outlive it
            if step % 2:
                device._end_orphans()  # the power went too
            device.start()
            device.until(kept(device, release), f"kept {new} after a kill at {step}")
            device.until(lambda new=new: device.answers() == new, f"served {new}")
            device.kill()


def test_a_release_over_its_budget_is_refused_with_the_figure(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        fat = site.release("2", memory_bytes=1 << 20)
        device.until(lambda: fat in device.state.rejected, "refused the fat one")
        slow = site.release("3", latency_p99_ms=0.0001)
        device.until(lambda: slow in device.state.rejected, "refused the slow one")
        assert "MiB of memory, more than 1.0 MiB" in device.state.rejected[fat]
        assert "at the 99th percentile, more than 0.0001 ms" in device.state.rejected[slow]
        assert (device.answers(), device.state.booted) == ("1", first)


def test_a_server_that_dies_while_it_is_watched_is_left_for_the_one_before(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        second = site.release("2", soak_s=3600)
        device.until(lambda: device.state.phase is Phase.WATCHING, "watched the second")
        device.until(lambda: device.answers() == "2", "let the second serve")
        device.kill_servers()
        device.until(kept(device, first), "went back")
        device.until(lambda: device.answers() == "1", "served again")
        assert "ended by SIGKILL" in device.state.rejected[second]


def test_a_kept_server_that_dies_is_started_again(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        device.kill_servers()
        device.until(lambda: device.state.restarts == 1 and device.answers() == "1", "started it again")


def test_what_came_damaged_is_not_laid_out_and_comes_again_when_the_mirror_is_mended(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        before = {path.name for path in (site.layout.folder / "blobs/sha256").iterdir()}
        model = site.folder / "model-2"
        models.linear_folder(model, version="2")
        document = site.document(model, "2", soak_s=1.0)
        (blob,) = [
            path
            for path in (site.layout.folder / "blobs/sha256").iterdir()
            if path.name not in before and path.read_bytes() == (model / served.NAME).read_bytes()
        ]
        right = blob.read_bytes()
        blob.chmod(0o644)
        blob.write_bytes(right[:-2] + b" \n")  # the right size, and the wrong content
        second = site.tree.publish(document, at_once=True)
        device.until(lambda: "damaged" in device.state.reason, "said what is wrong")
        assert (device.state.booted, device.state.rejected, device.answers()) == (first, {}, "1")
        blob.write_bytes(right)
        device.until(kept(device, second), "took it when it was mended")


def test_a_tree_that_another_signed_is_not_followed(tmp_path, site):
    first = site.release("1")
    other = Site(tmp_path / "other")
    other.release("9")
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        device.process.terminate()
        device.process.wait(60)
        settings.keep(device.root, tree=[other.tree.base])
        device.start()
        device.until(lambda: device.answers() == "1", "served")
        time.sleep(3)
        assert device.state.wanted == first
        assert device.answers() == "1"


def test_the_hub_that_is_away_rolls_nothing_back_and_its_reports_wait(tmp_path, site):
    first = site.release("1")
    with Device(tmp_path / "device", site, hub="http://127.0.0.1:9") as device:
        device.start()
        device.until(kept(device, first), "kept the first release")
        device.until(lambda: len(list((device.root / "outbox").iterdir())) >= 2, "kept its reports")
        assert device.state.booted == first
