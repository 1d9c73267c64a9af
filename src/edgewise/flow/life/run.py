"""A run: looks which steps are due, sees that nothing is missing for them, and does them, site by site, step by step.

What a step made is remembered the moment it is done. Whoever is killed, at any instant, goes on with the step that was
under way, and that one's own work is kept by the store. All sites are planned before the first is built, so that a
budget that nothing fits is known before anything is published.
"""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgewise.errors import NotFound
from edgewise.flow import naming, record
from edgewise.flow.edgefile import Project
from edgewise.flow.life import inputs, kept
from edgewise.flow.life.outside import Outside
from edgewise.flow.life.steps import STEPS, Asked, Decision, Digests, Done, Step, Way, before, decide
from edgewise.flow.life.wishes import Wishes
from edgewise.nouns import Site
from edgewise.progress import SILENT, Progress
from edgewise.store import lock
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store

LOCK = "run"


class Worker(Protocol):
    """Does steps: `work.Work`."""

    def check(self, step: Step, sites: Sequence[Site]) -> None:
        """Raises what stands in the way of `step`, before the first long step begins."""

    def further(self) -> tuple[str, ...]:
        """Files that the model files name, as paths from edge.yaml's folder."""

    def do(self, step: Step, site: Site, made: Mapping[Step, Digests]) -> dict[str, str]:
        """Do `step` of `site`; what it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """An edge.yaml, and where it goes.

    Attributes:
        folder: the store's.
        worker: opens who does the steps; called when the first of them is due.
    """

    project: Project
    sites: tuple[Site, ...]
    wishes: Wishes
    outside: Outside
    folder: Path
    worker: "Callable[[Life, Progress], Worker]"

    def survey(self, asked: Asked) -> list[Decision]:
        """How it is with every step; nothing is done.

        Raises:
            NotFound: a step that is left out is stood upon, and was never done.
            others: the registry or the tree cannot say how things stand there.
        """
        return [decision for site in self.sites for decision in self._survey(site, asked)]

    def run(self, asked: Asked, *, progress: Progress = SILENT) -> list[Decision]:
        """Do what is due; how it is with every step afterwards, site by site.

        Raises:
            Busy: another run is under way here.
            others: as the verbs `plan`, `build`, `push` and `publish`; what was done before stays done.
        """
        why = "two would do the same work"
        with lock.alone(self.folder, LOCK, wait=self.wishes.wait, why=why):
            found = {(one.site, one.step): one for one in self.survey(asked)}
            waiting = {key for key, one in found.items() if one.way in (Way.DUE, Way.PENDING)}
            if not waiting:
                return list(found.values())
            shown = _Named(progress)
            worker = self.worker(self, shown)
            for step in STEPS:
                if sites := [site for site in self.sites if (site.name, step) in waiting]:
                    worker.check(step, sites)
            for step in STEPS:
                for site in self.sites:
                    if (site.name, step) in waiting:
                        shown.name = f"{site.name} {step}"
                        found[site.name, step] = self._turn(found, step, site, worker, asked)
            return list(found.values())

    def _survey(self, site: Site, asked: Asked) -> list[Decision]:
        made: dict[Step, Digests] = {}
        found: list[Decision] = []
        for step in STEPS:
            waits = any(one.way in (Way.DUE, Way.PENDING) for one in found)
            if step not in asked:
                decision = self._left_out(step, site, needed=STEPS.index(step) < STEPS.index(asked.first))
            elif waits:
                first = next(one.step for one in found if one.way is Way.DUE)
                decision = Decision(step=step, site=site.name, way=Way.PENDING, why=f"after {first}", outputs={})
            else:
                decision = self._decided(step, site, made, asked)
            made[step] = decision.outputs
            found.append(decision)
        return found

    def _left_out(self, step: Step, site: Site, *, needed: bool) -> Decision:
        known = kept.recall(self.project, site.name, step, Store(self.folder))
        outputs = self._current(step, site, known) if needed else {}
        if outputs is None:
            raise NotFound(f"there is no {step} of {site.name} to go on from", hint=f"begin with it: --from {step}")
        return Decision(step=step, site=site.name, way=Way.LEFT_OUT, why="", outputs=outputs)

    def _decided(self, step: Step, site: Site, made: Mapping[Step, Digests], asked: Asked) -> Decision:
        known = kept.recall(self.project, site.name, step, Store(self.folder))
        further = () if known is None else known.further
        try:
            now = inputs.of(step, self.project, site, self.wishes, made, further)
        except NotFound:
            if not further:
                raise
            now = inputs.of(step, self.project, site, self.wishes, made)  # another model may do without
        current = None if known is None or now != known.inputs else self._current(step, site, known)
        way, why = decide(now, known, current, anew=asked.anew and step is asked.first)
        outputs = known.outputs if known is not None and way is Way.UNCHANGED else {}
        return Decision(step=step, site=site.name, way=way, why=why, outputs=outputs)

    def _current(self, step: Step, site: Site, known: Done | None) -> Digests | None:
        """What stands now of what `step` makes; None where nothing does."""
        match step:
            case Step.PLAN:
                digest = record.digest(self.project, site.name, Store(self.folder))
                return None if digest is None else {"plan": digest}
            case Step.BUILD:
                named = naming.names_of(self.project, site, self.wishes.version)
                there = Layout(self.folder).references()
                found = {part: there[name].digest for part, name in named.items() if name in there}
                return found if naming.INFERENCE in found else None
            case Step.PUSH if known is not None and not self._asked_so(known):
                return None
            case _:
                return None if known is None else self.outside.standing(step, site, known)

    def _asked_so(self, pushed: Done) -> bool:
        """Whether what was pushed is of the version that is wanted, and to where it is wanted."""
        wanted = {"registry": self.wishes.registry, "version": self.wishes.version}
        return all(pushed.inputs[name] == value for name, value in wanted.items())

    def _turn(
        self, found: Mapping[tuple[str, Step], Decision], step: Step, site: Site, worker: Worker, asked: Asked
    ) -> Decision:
        """Do `step` of `site`, unless what was done before it came to the same."""
        made = {one: found[site.name, one].outputs for one in before(step)}
        decision = found[site.name, step]
        if decision.way is Way.PENDING:
            decision = self._decided(step, site, made, asked)
            if decision.way is Way.UNCHANGED:
                return decision
        started = time.monotonic()
        further = worker.further() if step is Step.PLAN else ()
        stands_on = inputs.of(step, self.project, site, self.wishes, made, further)
        outputs = worker.do(step, site, made)
        taken_s = round(time.monotonic() - started, 1)
        done = Done(inputs=stands_on, outputs=outputs, further=further, duration_s=taken_s)
        kept.remember(self.project, site.name, step, done, Store(self.folder))
        return Decision(step=step, site=site.name, way=Way.DONE, why=decision.why, outputs=outputs, duration_s=taken_s)


class _Named:
    """Says before every stage whose it is: `press-line build: bases`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.name = ""

    def stage(self, name: str, total: int | None) -> None:
        self._progress.stage(f"{self.name}: {name}", total)

    def step(self, note: str = "", *, amount: int = 1) -> None:
        self._progress.step(note, amount=amount)


def work_of(life: Life, progress: Progress) -> Worker:
    """Who does the steps of `life`: the door to what is slow to import, opened when a step is due."""
    module = importlib.import_module("edgewise.flow.life.work")
    worker: Worker = module.Work(
        project=life.project, wishes=life.wishes, outside=life.outside, folder=life.folder, progress=progress
    )
    return worker
