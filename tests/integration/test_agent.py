"""The agent as a process, with the real server, a signed tree and artifacts in a folder."""

import threading
import time
from pathlib import Path

import pytest

from edgewise.edge.agent.state import Phase, Server
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
