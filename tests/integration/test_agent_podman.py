"""Releases as containers, by real agent, server and Podman: proven, switched, gone back from, collected."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.agent.state import Phase
from edgewise.exchange.release import Part, PartKind, Strategy
from edgewise.runtimes import served
from fakes import linear
from fakes import served as models
from fakes.needed import missing
from fakes.server_images import ServerImages
from fakes.sites import Device, Site, kept
from integration.test_registry import run, tool

pytestmark = pytest.mark.slow
CONTAINED = "edgewise.flow.deploy.contained"
ULIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'


@pytest.fixture(scope="module")
def podman() -> Iterator[list[str]]:
    program = tool("podman")
    tool("runc")
    if os.geteuid() != 0:
        missing("root (for podman)")
    short = Path(tempfile.mkdtemp(prefix="ew-"))  # podman wants a runroot of at most 50 characters
    (short / "containers.conf").write_text(ULIMITS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(short / "containers.conf"))
        options = [program, "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "overlay"]
        options += ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        yield options
        subprocess.run([*options, "rm", "--all", "--force", "--time=1"], capture_output=True, check=False, timeout=60)
        subprocess.run([*options, "system", "reset", "--force"], capture_output=True, check=False, timeout=60)
    shutil.rmtree(short, ignore_errors=True)


class Plant(Site):
    """A site whose releases are images."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.images = ServerImages(folder / "images")

    def container(self, strategy: Strategy, version: str, *, wrong: bool = False) -> str:
        """Publish the linear model in `version` as `strategy` packs it; `wrong`: it does not reproduce its golden."""
        model = models.linear_folder(self.folder / f"{strategy}-{version}", version=version)
        if wrong:
            x = np.random.default_rng(5).standard_normal((8, linear.FEATURES)).astype(np.float32)
            golden = models.golden(model, [x], [linear.expected("dynamic", x) + 1])
            changed = served.read((model / served.NAME).read_bytes())
            models.written(model, replace(changed, golden=golden))
        given = self.document(model, version, soak_s=0.5)
        parts: tuple[Part, ...]
        match strategy:
            case Strategy.EMBEDDED:
                parts = (self.images.server(model),)
            case Strategy.MODELCAR:
                parts = (self.images.server(), self.images.model(model))
            case _:
                parts = (self.images.server(), *given.parts)
        made = replace(given, strategy=strategy, parts=parts)
        return self.tree.publish(made, at_once=True)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    return Plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture(scope="module")
def device(podman: list[str], plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """It serves the first release, which has its model in the server's image."""
    first = plant.container(Strategy.EMBEDDED, "1")
    folder = tmp_path_factory.mktemp("device") / "root"
    with Device(folder, plant, podman=podman, containers="always", poll_s=0.5, described=CONTAINED) as made:
        made.start()
        made.until(kept(made, first), "kept the first release")
        yield made


def version(device: Device) -> str:
    """Of the release that the journal says is booted."""
    return device.disk.read(device.state.booted).version


def containers(podman: list[str]) -> list[str]:
    """Names of all that there are, running or not."""
    return run(*podman, "ps", "--all", "--format", "{{.Names}}").split()


def test_a_container_has_no_network_and_serves_at_the_agents_socket(device: Device, podman: list[str]) -> None:
    assert device.answers() == version(device)
    (one,) = json.loads(run(*podman, "inspect", *containers(podman)))
    assert one["HostConfig"]["NetworkMode"] == "none"
    assert one["HostConfig"]["ReadonlyRootfs"] is True
    assert one["Config"]["User"] == "65532:65532"


@pytest.mark.parametrize("strategy", [Strategy.MODELCAR, Strategy.EXTERNAL])
def test_each_strategy_takes_over_and_the_old_container_and_its_images_go(
    plant: Plant, device: Device, podman: list[str], strategy: Strategy
) -> None:
    before = device.state.booted
    new = plant.container(strategy, str(int(version(device)) + 1))
    device.until(kept(device, new), f"kept the {strategy}")
    assert device.answers() == version(device)
    assert device.state.rollback == before
    device.until(lambda: len(containers(podman)) == 1, "removed the old container")
    device.until(lambda: len(images(podman)) == len(needed(device)), "collected images that nothing needs")


def images(podman: list[str]) -> set[str]:
    told = run(*podman, "images", "--format", "{{.Repository}} {{.Tag}}")
    return {line.split()[1] for line in told.splitlines()}


def needed(device: Device) -> set[str]:
    releases = (device.state.booted, device.state.rollback)
    return {part.digest for one in releases for part in device.disk.read(one).parts if part.kind is PartKind.IMAGE}


def test_a_container_that_answers_wrong_never_serves(plant: Plant, device: Device, podman: list[str]) -> None:
    bad = plant.container(Strategy.EMBEDDED, "bad", wrong=True)
    device.until(lambda: bad in device.state.rejected, "refused the bad release")
    assert "golden" in device.state.rejected[bad]
    assert device.answers() == version(device)
    device.until(lambda: len(containers(podman)) == 1, "removed the candidate")


def test_a_container_outlives_its_agent_and_the_next_one_takes_over(device: Device, podman: list[str]) -> None:
    device.kill()
    (old,) = containers(podman)
    assert device.answers() == version(device)
    device.start()
    device.until(lambda: containers(podman) not in ([], [old]), "began another")
    device.until(lambda: old not in containers(podman), "ended the old one")
    assert device.answers() == version(device)


def test_a_container_that_is_killed_is_started_again_and_said_to_be(device: Device, podman: list[str]) -> None:
    device.until(lambda: device.state.phase is Phase.SERVING and len(containers(podman)) == 1, "settled")
    (one,) = containers(podman)
    run(*podman, "kill", "--signal=KILL", one)
    device.until(lambda: device.state.restarts >= 1 and device.answers() == version(device), "started it again")
    assert "SIGKILL" in device.state.reason


def test_a_person_goes_back_to_the_container_before(device: Device) -> None:
    before, left = device.state.rollback, version(device)
    told = [sys.executable, "-P", "-m", "edgewise", "agent", "rollback", "--root", str(device.root)]
    subprocess.run(told, check=True, capture_output=True, timeout=60)
    device.until(kept(device, before), "went back")
    device.until(lambda: device.answers() == version(device) != left, "answered as before")
