"""A deployment to a device that is cut off or stopped anywhere: what ran goes on, and the next one completes."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind, Workload
from edgewise.build.nodes.device import As, Face
from edgewise.build.nodes.owner import SYSTEM, USER
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version
from edgewise.errors import DeployInterrupted, DeployRolledBack, ForeignObjects, NodeUnreachable, NotDeployable
from edgewise.exchange.release import Strategy, digest, written
from edgewise.flow.deploy import device, ssh
from edgewise.flow.deploy.device import Order
from fakes.remote import DEVICE, NAME, Remote
from fakes.workloads import external_model, release

LAYOUT = Layout(podman=Version(5, 4))
EXTRACT = replace(LAYOUT, modelcar=Modelcar.EXTRACT)
FACES = {
    "container": (Strategy.MODELCAR, Face(kind=As.CONTAINER, layout=LAYOUT), {}),
    "extracted": (Strategy.MODELCAR, Face(kind=As.CONTAINER, layout=EXTRACT), {}),
    "pod": (Strategy.EMBEDDED, Face(kind=As.POD, layout=LAYOUT), {}),
    "kube": (Strategy.MODELCAR, Face(kind=As.KUBE, layout=LAYOUT), {}),
    "external": (Strategy.EXTERNAL, Face(kind=As.CONTAINER, layout=LAYOUT), {}),
    "service": (Strategy.EXTERNAL, Face(kind=As.SERVICE, layout=LAYOUT), {"podman": ""}),
    "old podman": (Strategy.MODELCAR, Face(kind=As.CONTAINER, layout=EXTRACT), {"podman": "4.3.1"}),
    "user": (
        Strategy.MODELCAR,
        Face(kind=As.CONTAINER, layout=replace(EXTRACT, owner=USER)),
        {"root": "/home/ada"},
    ),
    "user's service": (
        Strategy.EXTERNAL,
        Face(kind=As.SERVICE, layout=replace(LAYOUT, owner=USER)),
        {"root": "/home/ada", "podman": ""},
    ),
}


class Plant:
    """A device, a face that is deployed to it, and releases of it by version."""

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.strategy, self.face, how = FACES[name]
        self.remote = Remote(**how)  # type: ignore[arg-type]
        self.folder, self.model = external_model(folder)
        patch.setattr(ssh, "run", self._run)

    def _run(self, *told: Any, **more: Any) -> tuple[int, str]:
        return self.remote.run(*told, **more)  # whichever device it is now

    @functools.cache  # noqa: B019 - as long as a test
    def workload(self, version: str) -> Workload:
        given = release(self.strategy, version=version, model_digest=self.model)
        return describe(given, digest(written(given)), NodeKind.DEVICE, Wish())

    def name(self, version: str) -> str:
        return self.workload(version).release

    def deploy(self, version: str) -> list[str]:
        """Deploy; what was said."""
        said: list[str] = []
        workload, order = self.workload(version), Order(face=self.face, model=self.folder, up_s=0)
        self.remote.commands = []
        device.deploy(device.ask(DEVICE, workload, order), workload, order, said.append)
        return said

    @property
    def running(self) -> str:
        return self.remote.running.get(f"{NAME}.service", "")

    @property
    def settled(self) -> bool:
        """Whether the second release has proven itself, and only tidying was left."""
        return self.running == self.name("2") and not self.remote.hidden()

    def whole(self, version: str) -> None:
        """The release runs and would after a power cut, by units that are all there, and nothing else is."""
        assert self.running == self.name(version)
        self.remote.boot()
        assert self.running == self.name(version)
        assert self.remote.hidden() == []
        units = self.remote.units()
        assert validate(units, LAYOUT.podman) == []
        mine = self.name(version)[7:19]
        others = [name for name in (*units, *self.remote.volumes) if name.startswith(NAME) and "-" in name[13:]]
        assert all(
            mine in name or (name.startswith(f"{NAME}-") and name[13:19] in ("health", "unwell")) for name in others
        )
        assert all(mine in volume for volume in self.remote.volumes)


@pytest.fixture(params=FACES)
def plant(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    return Plant(request.param, tmp_path / "model", monkeypatch)


DIFFERENT = pytest.mark.parametrize("plant", ["extracted", "pod", "service"], indirect=True)
"""What is undone is the same for the others."""


def cuts(plant: Plant, before: str, version: str) -> Iterator[str]:
    """Deploy `version` over `before` on a new device for every command, the connection cut there: the error's name."""
    fresh = plant.remote
    for done_first in (False, True):
        for at in range(1, 100):
            plant.remote = Remote(root=fresh.root, podman=fresh.podman)
            plant.remote.well = {plant.name(one) for one in "123"}
            if before:
                plant.deploy(before)
            plant.remote.cut_at, plant.remote.done_first = at, done_first
            try:
                plant.deploy(version)
            except (NodeUnreachable, DeployInterrupted) as error:
                plant.remote.cut_at = 0
                yield type(error).__name__
            else:
                assert at > 12, "the deployment is longer than that"
                break
        else:
            pytest.fail("the deployment does not end")


def test_a_deployment_that_is_cut_anywhere_leaves_what_ran_and_the_next_completes_it(plant: Plant):
    seen = set()
    for error in cuts(plant, "1", "2"):
        seen.add(error)
        assert plant.running in (plant.name("1"), plant.name("2"))
        if error == "NodeUnreachable":
            assert plant.running == plant.name("1")
        units = {name: content for name, content in plant.remote.units().items() if not name.startswith(".")}
        assert validate(units, LAYOUT.podman) == []  # a power cut leaves units that are whole
        plant.deploy("2")
        plant.whole("2")
    assert seen == {"NodeUnreachable", "DeployInterrupted"}


@DIFFERENT
def test_after_a_cut_a_release_that_does_not_come_up_gives_way_to_the_one_that_last_did(plant: Plant):
    for _ in cuts(plant, "1", "2"):
        if plant.settled:
            continue
        plant.remote.well = {plant.name("1")}
        for version in "23":
            with pytest.raises(DeployRolledBack, match="did not come up") as caught:
                plant.deploy(version)
            assert caught.value.hint == "the release before runs again"
            assert plant.running == plant.name("1")
        plant.deploy("1")
        plant.whole("1")


@DIFFERENT
def test_a_first_deployment_that_is_cut_is_completed_or_taken_away(plant: Plant):
    for _ in cuts(plant, "", "2"):
        settled = plant.settled
        if len(plant.remote.commands) % 2:
            plant.deploy("2")
            plant.whole("2")
            continue
        plant.remote.well = set()
        with pytest.raises(DeployRolledBack, match="did not come up"):
            plant.deploy("3")
        for _ in ("as it is", "after a power cut"):
            assert plant.running == (plant.name("2") if settled else "")
            plant.remote.boot()


def test_ctrl_c_goes_back_to_what_ran(plant: Plant):
    plant.remote.well = {plant.name(one) for one in "12"}
    plant.deploy("1")
    plant.deploy("2")
    commands = len(plant.remote.commands)
    for at in range(1, commands + 1):
        plant.deploy("1")
        plant.remote.interrupt_at = at
        with pytest.raises(KeyboardInterrupt):
            plant.deploy("2")
        plant.remote.interrupt_at = 0
        up = plant.running
        plant.remote.boot()
        assert plant.running == up
        assert up in (plant.name("1"), plant.name("2"))  # the latter where only tidying was left
    plant.deploy("2")
    plant.whole("2")


def test_what_runs_already_is_left_alone_and_each_release_takes_the_place_of_the_last(plant: Plant):
    plant.remote.well = {plant.name(one) for one in "123"}
    for version in "123":
        plant.deploy(version)
        plant.whole(version)
    assert plant.deploy("3") == ["device runs this release already"]
    assert not [one for one in plant.remote.commands if "restart" in one]


def test_units_of_another_kind_are_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plant = Plant("kube", tmp_path / "model", monkeypatch)
    plant.remote.well = {plant.name("1")}
    plant.deploy("1")
    plant.face = Face(kind=As.CONTAINER, layout=LAYOUT)
    with pytest.raises(NotDeployable, match=r"already, by /etc/containers/systemd/meter-reader\.kube"):
        plant.deploy("1")
    assert not [one for one in plant.remote.commands if one[0] in ("tar", "mv", "rm")]


def test_what_a_device_lacks_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, lacks, words in (
        ("container", {"podman": ""}, "has no Podman"),
        ("pod", {"podman": "4.9.4"}, "no .pod units"),
        ("kube", {"podman": "4.3.1"}, "no .kube units"),
        ("service", {"python": False}, "has no edgewise in"),
        ("user", {"linger": False}, "without a login"),
    ):
        plant = Plant(name, tmp_path / "model", monkeypatch)
        for what, value in lacks.items():
            setattr(plant.remote, what, value)
        with pytest.raises(NotDeployable, match=words):
            plant.deploy("1")
        assert plant.remote.files == {}


def test_a_user_s_units_ask_for_no_privilege(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plant = Plant("user", tmp_path / "model", monkeypatch)
    plant.remote.well = {plant.name("1")}
    plant.deploy("1")
    assert all(path.startswith("/home/ada/.config/containers/systemd/") for path in plant.remote.files)
    assert ["loginctl", "enable-linger"] in plant.remote.commands
    unit = plant.remote.units()[f"{NAME}.container"].decode()
    assert "WantedBy=default.target" in unit
    root = Remote(root="/home/ada")
    monkeypatch.setattr(root, "_do", lambda argv, given: (0, "0") if argv[0] == "id" else (0, ""))
    monkeypatch.setattr(ssh, "run", root.run)
    with pytest.raises(NotDeployable, match="--user is for others"):
        device.ask(DEVICE, plant.workload("1"), Order(face=plant.face))


def test_a_unit_that_somebody_else_wrote_is_not_touched(plant: Plant):
    path = f"{plant.remote.root.rstrip('/')}/{plant_switch(plant)}"
    plant.remote.files[path] = b"[Container]\nImage=localhost/theirs\n"
    with pytest.raises(ForeignObjects):
        plant.deploy("1")
    assert plant.remote.files == {path: b"[Container]\nImage=localhost/theirs\n"}


def plant_switch(plant: Plant) -> str:
    layout = replace(plant.face.layout, podman=Version(4, 3) if plant.remote.podman == "4.3.1" else LAYOUT.podman)
    _, file = device.stage(plant.workload("1"), replace(plant.face, layout=layout))
    assert (SYSTEM if plant.remote.root == "/" else USER) is layout.owner
    return file.path
