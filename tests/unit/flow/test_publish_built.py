"""From what `build` made, through a signed release, to the folder that a device serves."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.build.platforms import AMD64
from edgewise.build.strategies.bundle import Strategy
from edgewise.edge.agent import outside, own
from edgewise.edge.agent.disk import Disk
from edgewise.errors import BadConfiguration, NotFound
from edgewise.exchange.release import PartKind
from edgewise.exchange.release import Strategy as Said
from edgewise.flow import agent_part, build, publish
from edgewise.flow.build import Wishes
from edgewise.flow.edgefile import Project
from edgewise.flow.served import Served
from edgewise.nouns import Budget, MachineChoice, Site
from edgewise.runtimes import served as served_models
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from fakes import offline, plans
from fakes.model_folders import WEIGHTS, model_folder
from fakes.releases import Releases

SITE = Site(name="press-line", node="device", machines=(MachineChoice(name="this"),), budget=Budget())
DEVICE = "d" * 32


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose plan is made up and whose packages come from a folder; what builds and publishes it is real."""

    def served(_: Project, __: Site, store: Store, *, version: str) -> Served:
        weights = WEIGHTS if version == "1" else WEIGHTS[::-1] + b"more"
        plan = plans.feasible_plan()
        model = replace(model_folder(store, version=version, weights=weights).model, design=plan.choice or "")
        return Served(model=model, document=served_models.written(model), plan=plan)

    for module in (build, publish):
        monkeypatch.setattr(module, "served", served)
    offline.install(monkeypatch, offline.shelf(tmp_path / "shelf"))
    path = tmp_path / "edge.yaml"
    return Project(path=path, name="meter", model_paths=(), data="", metric="accuracy", seed=0, sites=(SITE,))


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """Where a device keeps what it has; it trusts the root that ships with it."""
    return tmp_path / "device"


def released(project: Project, folder: Path, made: Releases, version: str, strategy: Strategy) -> str:
    """Build `version`, and publish what was built for every device; the digest of the release."""
    build.build(project, SITE, folder=folder, wishes=Wishes(platforms=(AMD64,), strategy=strategy, version=version))
    wishes = publish.Wishes(version=version, source=f"oci:{folder}", settings={"OMP_NUM_THREADS": "1"})
    release = publish.release_of(project, SITE, wishes, folder=folder)
    assert publish.release_of(project, SITE, wishes, folder=folder) == release, "the same build is the same release"
    return made.publish(release, at_once=True)


def taken(device: Path, made: Releases) -> str:
    """What the device shall run, fetched."""
    (device / "trust").mkdir(parents=True, exist_ok=True)
    (device / "trust/root.json").write_bytes(made.root)
    due: str = outside.follow(str(device), [made.base], DEVICE, "press-line", {}, "")["due"]
    assert fetched(device, made, due) == ""
    return due


def fetched(device: Path, made: Releases, release: str) -> str:
    """Bring the release onto a device that runs servers as processes; why it never can be run there, or ""."""
    where = (str(device), [made.base], "press-line", release)
    return str(outside.fetch(*where, containers="never", there=["process"], bytes_per_s=0)["refuted"])


def test_a_device_serves_the_bytes_that_were_built(project: Project, device: Path, tmp_path: Path) -> None:
    made, folder = Releases.make(tmp_path / "site", "press-line"), tmp_path / "store"
    for version in "12":
        digest = released(project, folder, made, version, Strategy.EXTERNAL)
        assert taken(device, made) == digest
        disk = Disk(device)
        assert digest in disk.whole()
        release = disk.read(digest)
        assert (release.version, release.model_name, release.model_version) == (f"meter {version}", "meter", version)
        assert release.settings == {"OMP_NUM_THREADS": "1"}
        built = Layout(folder).references()
        assert {part.digest for part in release.parts} == {
            built[f"meter/press-line:{version}"].digest,
            built[f"meter/press-line/model:{version}"].digest,
        }
        weights = WEIGHTS if version == "1" else WEIGHTS[::-1] + b"more"
        assert (disk.model(digest) / "model.onnx").read_bytes() == weights
        assert (disk.model(digest) / "deep/weights.bin").read_bytes() == weights[::-1]
    assert len(Disk(device).whole()) == 2, "what it ran before is still there to go back to"


def wheel(folder: Path, name: str, **files: str) -> Path:
    """A wheel whose modules are `files`."""
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for module, text in files.items():
            archive.writestr(f"{module}.py", text)
    return path


def test_a_device_gets_the_agent_that_was_published_with_a_release(
    project: Project, device: Path, tmp_path: Path
) -> None:
    made, folder, away = Releases.make(tmp_path / "site", "press-line"), tmp_path / "store", f"oci:{tmp_path / 'away'}"
    layout = Layout(folder)
    wheels = [wheel(tmp_path, "edgewise-9.1", agent="new = True\n"), wheel(tmp_path, "needed-1", needed="")]
    part = agent_part.made(wheels, away, layout)
    assert agent_part.made(wheels[::-1], away, layout) == part
    build.build(project, SITE, folder=folder, wishes=Wishes(platforms=(AMD64,), strategy=Strategy.EXTERNAL))
    wishes = publish.Wishes(version="1", source=f"oci:{folder}", settings={}, agent=part)
    release = publish.release_of(project, SITE, wishes, folder=folder)
    assert release.part(PartKind.AGENT) == part
    for _ in range(2):
        agent_part.push(part, away, layout)
    made.publish(release, at_once=True)
    taken(device, made)
    agent = part.digest.removeprefix("sha256:")
    outside.lay_out_agent(str(device), agent)
    laid_out = device / own.FOLDER / agent
    assert {path.name: path.read_text() for path in laid_out.iterdir()} == {"agent.py": "new = True\n", "needed.py": ""}


def test_what_is_no_agent_does_not_get_into_a_release(tmp_path: Path) -> None:
    ours, other = wheel(tmp_path, "edgewise-9.1"), wheel(tmp_path, "needed-1")
    (damaged := tmp_path / "edgewise-9.2-py3-none-any.whl").write_bytes(b"no archive")
    for wheels, why in (
        ([other], "none of the wheels is that of edgewise"),
        ([ours, damaged], "is no wheel"),
        ([ours, ours], "one name"),
    ):
        with pytest.raises(BadConfiguration, match=why):
            agent_part.made(wheels, "oci:images", Layout(tmp_path / "store"))


@pytest.mark.parametrize(("strategy", "said"), [(Strategy.EMBEDDED, Said.EMBEDDED), (Strategy.MODELCAR, Said.MODELCAR)])
def test_images_alone_are_refused_by_a_device_without_containers(
    project: Project, device: Path, tmp_path: Path, strategy: Strategy, said: Said
) -> None:
    made = Releases.make(tmp_path / "site", "press-line")
    digest = released(project, tmp_path / "store", made, "1", strategy)
    (device / "trust").mkdir(parents=True)
    (device / "trust/root.json").write_bytes(made.root)
    refuted = fetched(device, made, digest)
    assert "runs no containers" in refuted
    with made.follower(tmp_path / "other") as follower:
        follower.follow()
        assert follower.release(digest)[0].strategy is said


def test_what_was_not_built_is_not_published(project: Project, tmp_path: Path) -> None:
    wishes = publish.Wishes(version="7", source="oci:somewhere", settings={})
    with pytest.raises(NotFound, match="nothing of version 7 was built"):
        publish.release_of(project, SITE, wishes, folder=tmp_path / "store")
