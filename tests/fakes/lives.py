"""A project whose whole life runs in a moment: plans are made up, packages lie in a folder, the rest is real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.publish import Desk
from edgewise.core.releases.web import Folder
from edgewise.flow import build, edgefile, publish, record
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.flow.life.outside import Outside
from edgewise.flow.life.run import Life, Worker, work_of
from edgewise.flow.life.steps import Asked, Decision, Step, Way
from edgewise.flow.life.wishes import Wishes
from edgewise.flow.served import Served
from edgewise.nouns import Plan, Site
from edgewise.progress import Progress
from edgewise.runtimes import served as served_models
from edgewise.store.steps import Store
from fakes import models, offline, plans
from fakes.model_folders import model_folder
from fakes.releases import Releases

EDGE_YAML = """\
apiVersion: edgewise/v1
model: {{name: meter, file: model.onnx, data: eval.npz}}
sites:
  press-line: {{machines: [this], budget: {{latency_p99: {p99}}}}}
  gate: {{machines: [this], strategy: external}}
"""
SITES = ("press-line", "gate")


class Living:
    """An edge.yaml in `folder` with a store, a tree and its keys; images go to the folder `registry`.

    Made anew where the folder is empty; else taken as it is.

    Attributes:
        done: the steps that were begun, in their order.
        chosen: whether plans have a choice.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.store = folder, folder / "store"
        self.edge_yaml = folder / "edge.yaml"
        self.done: list[tuple[str, str]] = []
        self.chosen = True
        self.wishes = Wishes(
            platforms=("linux/amd64",), registry=f"oci:{folder / 'registry'}", tree=str(folder / "tree")
        )
        if not self.edge_yaml.exists():
            self.write()
            onnx.save(models.mlp(), folder / "model.onnx")
            np.savez(folder / "eval.npz", x=np.zeros((8, 16), np.float32), y=np.zeros(8, np.int64))
            Releases.make(folder, *SITES)
            offline.shelf(folder / "shelf")
        self.releases = Releases(
            Folder(folder / "tree"), folder / "keys", Keyring(folder / "keys", lambda _: ""), SITES[0]
        )
        monkeypatch.setattr(planning, "plan", self._plan)
        for room in (build, publish):
            monkeypatch.setattr(room, "served", self._served)
        self.packages = offline.install(monkeypatch, folder / "shelf")

    def write(self, *, p99: str = "5ms") -> None:
        """edge.yaml, with the budget of press-line."""
        self.edge_yaml.write_text(EDGE_YAML.format(p99=p99))

    def desk(self) -> Desk:
        return self.releases.desk()

    def life(self, **wishes: object) -> Life:
        project = edgefile.load(self.edge_yaml)
        wanted = replace(self.wishes, **wishes)  # type: ignore[arg-type]
        return Life(
            project=project,
            sites=project.sites,
            wishes=wanted,
            outside=Outside(wanted, lambda: _Open(self.desk())),
            folder=self.store,
            worker=self.worker,
        )

    def run(self, asked: Asked | None = None, **wishes: object) -> list[Decision]:
        """Run; what was begun is in `done` anew."""
        self.done = []
        return self.life(**wishes).run(asked or Asked())

    def due(self, asked: Asked | None = None, **wishes: object) -> dict[tuple[str, str], str]:
        """What a dry run says is due, and why."""
        found = self.life(**wishes).survey(asked or Asked())
        return {(one.site, one.step.value): one.why for one in found if one.way in (Way.DUE, Way.PENDING)}

    def worker(self, life: Life, progress: Progress) -> Worker:
        """Who does the steps, and writes down which."""
        return _Counted(work_of(life, progress), self.done)

    def _plan(self, project: Project, site: Site, *, folder: Path, **_: object) -> Plan:
        made = plans.feasible_plan()
        verdicts = tuple(replace(one, design=replace(one.design, log="", variant=None)) for one in made.verdicts)
        made = replace(made, verdicts=verdicts, site=site, choice=made.choice if self.chosen else None)
        record.remember(project, made, Store(folder))
        return made

    def _served(self, project: Project, _: Site, store: Store, *, version: str) -> Served:
        folder = model_folder(store, version=version, weights=project.model_paths[0].read_bytes())
        made = plans.feasible_plan()
        design = replace(folder.model, design=made.choice or "")
        return Served(model=design, document=served_models.written(design), plan=made)


class _Counted:
    """Writes down what is begun."""

    def __init__(self, inner: Worker, done: list[tuple[str, str]]) -> None:
        self._inner, self._done = inner, done
        self.check, self.further = inner.check, inner.further

    def do(self, step: Step, site: Site, made: object) -> dict[str, str]:
        self._done.append((site.name, step.value))
        return self._inner.do(step, site, made)  # type: ignore[arg-type]


class _Open:
    """A desk that is open for the length of a block."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __enter__(self) -> Desk:
        return self._desk

    def __exit__(self, *_: object) -> None:
        pass
