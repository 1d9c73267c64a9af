"""What `build` and `publish` write is what a real agent takes, proves and serves: no test writes a document here."""

from pathlib import Path

import pytest

from edgewise.build.platforms import AMD64
from edgewise.edge.agent import outside
from edgewise.edge.agent.state import Phase
from edgewise.flow import build, publish
from edgewise.flow.edgefile import Project
from edgewise.flow.served import Served
from edgewise.nouns import Budget, MachineChoice
from edgewise.nouns import Site as Place
from edgewise.runtimes import served
from edgewise.store.steps import Store
from fakes import offline, plans
from fakes import served as models
from fakes.sites import Device, Site, ask

SITE = Place(name="press-line", node="device", machines=(MachineChoice(name="this"),), budget=Budget())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose last plan chose a model that runs; packages come from a folder."""
    offline.install(monkeypatch, offline.shelf(tmp_path / "shelf"))

    def made(_: Project, __: Place, store: Store, *, version: str = "1") -> Served:
        plan = plans.feasible_plan()
        folder = models.linear_folder(tmp_path / f"model-{version}", version=version, design=plan.choice)
        for path in folder.iterdir():
            store.blobs.put(path.read_bytes())
        document = (folder / served.NAME).read_bytes()
        return Served(model=served.read(document), document=document, plan=plan)

    for module in (build, publish):
        monkeypatch.setattr(module, "served", made)
    path = tmp_path / "edge.yaml"
    return Project(path=path, name="line", model_paths=(), data="", metric="accuracy", seed=0, sites=(SITE,))


def release(project: Project, store: Path, version: str):
    wishes = publish.Wishes(version=version, source=f"oci:{store}", soak_s=0.5, settings={})
    return publish.release_of(project, SITE, wishes, folder=store)


@pytest.mark.parametrize("strategy", ["embedded", "modelcar"])
def test_a_release_that_needs_containers_is_refused_by_a_device_without_them(tmp_path, project, strategy):
    site, store = Site(tmp_path / "site"), tmp_path / "store"
    build.build(project, SITE, folder=store, wishes=build.Wishes(strategy=strategy, platforms=(AMD64,)))
    digest = site.tree.publish(release(project, store, "1"), at_once=True)
    device = Device(tmp_path / "device", site)
    told = outside.fetch(str(device.root), [site.tree.base], "press-line", digest, "never", ["process"], 0)
    assert "runs no containers" in told["refuted"]


def test_files_that_were_built_are_served_by_an_agent_that_was_never_here(tmp_path, project):
    site, store = Site(tmp_path / "site"), tmp_path / "store"
    build.build(project, SITE, folder=store, wishes=build.Wishes(strategy="external", platforms=(AMD64,)))
    first = site.tree.publish(release(project, store, "1"), at_once=True)
    with Device(tmp_path / "device", site) as device:
        device.start()
        device.until(lambda: device.state and device.state.booted == first, "took what was built")
        device.until(lambda: device.answers() == "1", "served it")  # `ask` holds its answer against the model's own
        laid_out = device.disk.model(first)
        assert {path.name for path in laid_out.iterdir()} == {path.name for path in (tmp_path / "model-1").iterdir()}
        device.until(lambda: device.state.phase is Phase.SERVING, "kept it")
        model = publish.served(project, SITE, Store(store), version="2")
        build.build_model(model, "line/press-line/model:2", folder=store)
        second = site.tree.publish(release(project, store, "2"), at_once=True)
        device.until(lambda: device.state.booted == second and ask(device.port) == "2", "took the model alone")
