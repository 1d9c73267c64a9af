"""The steps themselves, by the same functions that the verbs call.

Slow to import, for it brings compilers: `run.work_of` does it when a step is due, and nothing else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.build import platforms, sign
from edgewise.core.releases import publish as releasing
from edgewise.design import models
from edgewise.errors import NoFeasibleDesign
from edgewise.exchange import release as releases
from edgewise.flow import build, engines, naming, publish, record, structures
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.flow.life.outside import RELEASE, Outside
from edgewise.flow.life.steps import Digests, Step
from edgewise.flow.life.wishes import Wishes
from edgewise.nouns import Plan, Site
from edgewise.progress import Progress
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import How
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import InLayout, parse
from edgewise.store.steps import Store

SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Does steps of `project`.

    Attributes:
        folder: the store's.
    """

    project: Project
    wishes: Wishes
    outside: Outside
    folder: Path
    progress: Progress

    def check(self, step: Step, sites: Sequence[Site]) -> None:
        """See that `step` of `sites` can be begun, as far as this machine knows.

        Raises:
            UnknownMachine, BadModel, BadDocument, NotFound: it cannot be planned.
            BadImage, BadKey: it cannot be built: a platform, or the key that signs images.
        """
        match step:
            case Step.PLAN:
                planning.check(self.project, sites, machines=self.wishes.machines)
            case Step.BUILD:
                for site in sites:
                    build.intended(self.project, site, self._built())
                if self.wishes.key is not None:
                    sign.read_key(self.wishes.key, password=self.wishes.password)
            case _:
                self.outside.check(step, self.project, sites)

    def further(self) -> tuple[str, ...]:
        """Files that the model files name, as paths from edge.yaml's folder."""
        folder = self.project.path.resolve().parent
        found = [
            (path.parent / file.name).relative_to(folder)
            for path in self.project.model_paths
            for file in models.read(path).files[1:]
        ]
        return tuple(str(one) for one in found)

    def do(self, step: Step, site: Site, made: Mapping[Step, Digests]) -> dict[str, str]:
        """Do `step` of `site`; what it made.

        Args:
            made: what the steps before made.

        Raises:
            NoFeasibleDesign: nothing fits the budget.
            others: as the verb of that name.
        """
        match step:
            case Step.PLAN:
                return self._plan(site)
            case Step.BUILD:
                return self._build(site)
            case Step.PUSH:
                return self._push(site, made[Step.BUILD])
            case Step.PUBLISH:
                return self._publish(site)

    def _plan(self, site: Site) -> dict[str, str]:
        plan = self._planned(site)
        if plan.choice is None:
            raise NoFeasibleDesign(
                f"no design fits the budget of {site.name}",
                plan=plan,
                hint=f"which limit to relax, and to what: edgewise plan {self.project.path} --site {site.name}",
            )
        digest = record.digest(self.project, site.name, Store(self.folder))
        assert digest is not None
        return {"plan": digest}

    def _planned(self, site: Site) -> Plan:
        wishes = self.wishes
        if self.project.train is None:
            return planning.plan(
                self.project,
                site,
                folder=self.folder,
                machines=wishes.machines,
                progress=self.progress,
                wait=wishes.wait,
                meter=wishes.meter,
            )
        with engines.opened(engines.LOCAL) as engine:
            return structures.plan(
                self.project,
                site,
                engine=engine,
                folder=self.folder,
                machines=wishes.machines,
                progress=self.progress,
                wait=wishes.wait,
                meter=wishes.meter,
            )

    def _build(self, site: Site) -> dict[str, str]:
        outcome = build.build(self.project, site, folder=self.folder, wishes=self._built(), progress=self.progress)
        return {part: root.digest for part, root in outcome.made.roots.items()}

    def _built(self) -> build.Wishes:
        wishes = self.wishes
        return build.Wishes(
            platforms=tuple(platforms.platform(name) for name in wishes.platforms),
            base=wishes.base,
            version=wishes.version,
            grpc=wishes.grpc,
            created=wishes.created,
            key=wishes.key,
            password=wishes.password,
        )

    def _push(self, site: Site, built: Digests) -> dict[str, str]:
        names = naming.names_of(self.project, site, self.wishes.version)
        places = {part: naming.pushed_as(names[part], self.wishes.registry) for part in built}
        near = [one for one in map(parse, places.values()) if not isinstance(one, InLayout)]
        layout, found = Layout(self.folder), {}
        for part, place in places.items():
            target = parse(place)
            with opened(target, plain_http=self.wishes.plain_http, near=near) as there:
                copied = copy(layout, there, built[part], to=target.tag, transfers=_Blobs(self.progress, part))
            found[part] = f"{place}@{copied.document.digest}"
        return found

    def _publish(self, site: Site) -> dict[str, str]:
        wishes = self.wishes
        self.progress.stage("signing", None)
        asked = publish.Wishes(
            version=wishes.version, source=wishes.registry, soak_s=wishes.soak_s, settings=wishes.settings
        )
        document = releases.written(publish.release_of(self.project, site, asked, folder=self.folder))
        with self.outside.desk() as desk:
            digest = releasing.offer_release(desk, document, at_once=wishes.at_once)
        if self.outside.hub is not None:  # where it is away now, the step is due again, and changes nothing but this
            self.outside.hub.tell(document)
        return {RELEASE: digest}


class _Blobs:
    """Draws a copy as a stage whose steps are blobs. See `store.oci.copy.Transfers`."""

    def __init__(self, progress: Progress, part: str) -> None:
        self._progress, self._part = progress, part

    def found(self, blobs: Sequence[Descriptor]) -> None:
        self._progress.stage(self._part, len(blobs))

    def moved(self, blob: Descriptor, amount: int) -> None:
        pass

    def ended(self, blob: Descriptor, how: How) -> None:
        self._progress.step(f"{blob.digest.removeprefix('sha256:')[:SHOWN_DIGITS]} {how}")
