"""A release that is an operating system is handed to the backend that takes such, by the same steps as a server."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.edge.agent.agent import Agent
from edgewise.edge.agent.backend import DRAIN_S, Ended, Way
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from fakes import images
from fakes.sites import Device, Site, kept


class System:
    """The system of a release: laid out, and booted once it is told to accept."""

    proof, pid = None, 0

    def __init__(self, release: str, told: list[str], ended: Ended) -> None:
        self.release, self.private, self._told, self._tell = release, Path("/nowhere"), told, ended
        self._over = threading.Event()

    def ready(self, timeout_s: float) -> str:
        return ""

    def ended(self) -> str:
        return "the device has left it" if self._over.is_set() else ""

    def accept(self) -> None:
        self._told.append(f"boot {self.release}")

    def resident_bytes(self) -> int:
        return 0

    def stop(self, *, drain_s: float = DRAIN_S) -> None:
        self._tell = lambda _: None
        self._over.set()

    def wait(self) -> None:
        self._over.wait()
        self._tell(self)


class Systems:
    """What bootc or ostree would be."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, made: Release) -> None:
        self.told.append(f"stage {made.version}")

    def start(self, release: str, made: Release, public: socket.socket, ended: Ended) -> System:
        self.told.append(f"start {made.version}")
        return System(release, self.told, ended)

    def collect(self, needed: frozenset[str]) -> None:
        self.told.append("collect")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def system(site: Site, version: str) -> str:
    """Publish an operating system, which is any image here."""
    image = images.image(site.layout, f"system{version}", layers=[{"version": version.encode()}])
    source = f"oci:{site.layout.folder}"
    part = Part(name="system", kind=PartKind.SYSTEM, digest=image.digest, size_bytes=1, source=source)
    made = Release(site="press-line", version=version, strategy=Strategy.SYSTEM, parts=(part,), soak_s=0.2)
    return site.tree.publish(made, at_once=True)


@pytest.fixture
def device(tmp_path: Path, site: Site) -> Iterator[Device]:
    with Device(tmp_path / "device", site, poll_s=0.3) as made:
        yield made


@pytest.mark.slow
def test_it_is_staged_started_booted_and_kept_and_the_one_before_is_gone_back_to(site: Site, device: Device) -> None:
    first, systems = system(site, "1"), Systems()
    agent = Agent(device.root, backends={Way.SYSTEM: systems})
    working = threading.Thread(target=agent.run)
    working.start()
    try:
        device.until(kept(device, first), "kept the first system")
        assert systems.told[:3] == ["stage 1", "start 1", f"boot {first}"]
        second = system(site, "2")
        device.until(kept(device, second), "kept the second system")
        assert f"boot {second}" in systems.told
        agent.tell("rollback")
        device.until(kept(device, first), "went back")
        assert f"boot {first}" in systems.told[3:]
        assert second in device.state.rejected
    finally:
        agent.stop()
        working.join()
