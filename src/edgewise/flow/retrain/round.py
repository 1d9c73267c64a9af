"""A round: judged cases -> the user's training -> no worse than before -> registered -> plan, build, push, publish.

Every stage is remembered when it is done. Who is killed while the command trains trains again; after that, a round goes
on where it was: a model that was trained of the same cases is not trained again, a version that was registered is not
registered twice, and the steps are those of `edgewise run`. A round that is done is not done again until a person has
judged another case.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from edgewise.errors import BadTraining, TrainingFailed, WorseModel
from edgewise.flow.edgefile import Project, Retraining
from edgewise.flow.life.inputs import file_digest
from edgewise.flow.life.run import Life
from edgewise.flow.life.steps import Asked, Decision
from edgewise.flow.naming import FIRST_VERSION
from edgewise.flow.retrain import cases, command
from edgewise.flow.retrain.cases import CaseSet
from edgewise.flow.retrain.hub import Hub, NewVersion, next_version
from edgewise.flow.retrain.judge import Judgement, judge
from edgewise.progress import SILENT, Progress
from edgewise.store import atomic, lock, steps
from edgewise.store.steps import Store

LOCK = "retrain"


class State(StrEnum):
    """How a round stands."""

    NOTHING_NEW = "nothing new"
    WAITING = "waiting"
    """There are judged cases that nothing was learnt from yet."""
    UNDER_WAY = "under way"
    """The new model is in its place; not everything is published."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round, as far as it has come.

    Attributes:
        cases: how many there are; `fresh` of them came since the last round.
        data_digest: of their manifest.
        dataset: the folder that was written; None where none was.
        learnt: ids of the cases that the new model has learnt from.
        judgement: None where the model was in its place already.
        steps: what was done after that.
    """

    state: State
    cases: int
    fresh: int
    data_digest: str
    version: str = ""
    parent: str = ""
    model_digest: str = ""
    learnt: tuple[str, ...] = ()
    dataset: Path | None = None
    judgement: Judgement | None = None
    steps: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """What rounds of an edge.yaml need.

    Attributes:
        folder: the store's.
        life: what takes a version on from the new model.
    """

    project: Project
    hub: Hub
    folder: Path
    life: Callable[[str], Life]

    def look(self) -> Round:
        """How things stand; nothing is done.

        Raises:
            BadTraining: edge.yaml does not say how to train, or its model is not one file.
        """
        return self._standing(self._asked(), self._found())

    def run(self, asked: Asked, *, progress: Progress = SILENT, wait: bool = False) -> Round:
        """Do a round, or go on with the one that is under way.

        Raises:
            BadTraining: see `look`.
            TrainingFailed: the command failed, or wrote no model.
            WorseModel: the new model is worse; the old one stays.
            BadModel, BadData: the new model cannot be judged.
            Busy: another round is under way here.
            others: as `Life.run`.
        """
        told = self._asked()
        with lock.alone(self.folder, LOCK, wait=wait, why="two would train from the same cases"):
            found = self._found()
            standing = self._standing(told, found)
            if standing.state is State.NOTHING_NEW:
                return standing
            if standing.state is State.WAITING:
                standing = self._trained(told, found, standing, progress)
            self._put_in_place(standing)
            done = self.life(standing.version).run(asked, progress=progress)
            finished = replace(standing, state=State.DONE, steps=tuple(done))
            self._remember(finished)
            return finished

    def _asked(self) -> Retraining:
        if self.project.retraining is None:
            raise BadTraining(
                f"{self.project.path} does not say how to train again", hint="retrain: {command: [python, train.py]}"
            )
        if len(self.project.model_paths) != 1:
            raise BadTraining(
                "retrain.command writes one model file, and model names another number of them",
                hint="name one model.file; model.train is trained by plan",
            )
        return self.project.retraining

    def _found(self) -> CaseSet:
        return cases.case_set(self.project.name, self.hub.reviewed(self.project.name))

    def _standing(self, told: Retraining, found: CaseSet) -> Round:
        known = Store(self.folder).recall(self._key())
        before = set(known["ids"]) if known else set()
        fresh = sum(one.id not in before for one in found.cases)
        bare = Round(state=State.NOTHING_NEW, cases=len(found.cases), fresh=fresh, data_digest=found.digest)
        if known and known["state"] == State.UNDER_WAY.value:
            names = ("data_digest", "version", "parent", "model_digest")
            told_before = {name: known[name] for name in names}
            return replace(bare, state=State.UNDER_WAY, learnt=tuple(known["ids"]), **told_before)
        return replace(bare, state=State.WAITING) if fresh >= told.at_least else bare

    def _trained(self, told: Retraining, found: CaseSet, standing: Round, progress: Progress) -> Round:
        """The round with a new model that is registered and no worse."""
        store, folder = Store(self.folder), self.project.path.resolve().parent
        progress.stage("fetching judged cases", None)
        dataset = cases.write(found, folder / told.cases, self.hub.content)
        run = self._run_key(told, found)
        known = store.recall(run)
        if known is None:
            progress.stage("training", None)
            known = self._train(told, dataset, run, progress)
        progress.stage("judging the new model", None)
        with store.scratch() as scratch:
            new = Path(scratch) / self.project.model_paths[0].name
            store.blobs.lay_out(known["model"], new)
            judgement = judge(self.project, new, store)
        if judgement.worse:
            raise WorseModel(
                f"the new model is worse: {judgement.metric} {judgement.new.value:.4g} after"
                f" {judgement.old.value:.4g}, p = {judgement.drop.p:.2g}",
                hint=f"the old one stays; the cases are in {dataset}",
            )
        version, parent = self._registered(run, known["model"], found, judgement)
        made = replace(
            standing,
            state=State.UNDER_WAY,
            version=version,
            parent=parent,
            model_digest=known["model"],
            learnt=tuple(one.id for one in found.cases),
            dataset=dataset,
            judgement=judgement,
        )
        self._remember(made)
        return made

    def _train(self, told: Retraining, dataset: Path, run: str, progress: Progress) -> dict[str, Any]:
        """Record of the command's run: the new model and what was printed, both in the store."""
        store, model = Store(self.folder), self.project.model_paths[0]
        with tempfile.TemporaryDirectory(prefix="edgewise-retrain-") as scratch:
            out = Path(scratch) / model.name
            said = command.run(
                told.command,
                {"EDGEWISE_CASES": dataset, "EDGEWISE_MODEL": model, "EDGEWISE_OUT": out},
                folder=self.project.path.resolve().parent,
                timeout_s=told.timeout_s,
                progress=progress,
            )
            if not out.is_file():
                raise TrainingFailed(
                    "the training command ended well and wrote no model",
                    log=said,
                    hint="write it to the path in the variable EDGEWISE_OUT",
                )
            record = {"model": store.blobs.put_file(out), "log": store.blobs.put(said.encode())}
        store.record(run, record, blobs=(record["model"], record["log"]))
        return record

    def _registered(self, run: str, model: str, found: CaseSet, judgement: Judgement) -> tuple[str, str]:
        """The names of the new version and of its parent, both in the registry."""
        name, known = self.project.name, self.hub.versions(self.project.name)
        mine = next((one for one in known if one["training_run"] == run), None)
        if mine is not None:
            return mine["name"], mine["parent"]
        if known:
            parent = known[0]["name"]
        else:
            parent = FIRST_VERSION
            old = file_digest(self.project.model_paths[0])
            metrics = {judgement.metric: judgement.old.value}
            self.hub.register(name, NewVersion(name=parent, model_digest=old, metrics=metrics))
        version = next_version(known, FIRST_VERSION)
        self.hub.register(
            name,
            NewVersion(
                name=version,
                model_digest=model,
                metrics={judgement.metric: judgement.new.value},
                parent=parent,
                data_digest=found.digest,
                training_run=run,
            ),
        )
        return version, parent

    def _put_in_place(self, standing: Round) -> None:
        """Let model.file be the new model. The old one is in the store, under its digest."""
        path = self.project.model_paths[0]
        if not path.is_file() or file_digest(path) != standing.model_digest:
            atomic.write(path, Store(self.folder).blobs.get(standing.model_digest))

    def _remember(self, made: Round) -> None:
        record = {
            "state": made.state.value,
            "ids": list(made.learnt),
            "data_digest": made.data_digest,
            "version": made.version,
            "parent": made.parent,
            "model_digest": made.model_digest,
        }
        Store(self.folder).record(self._key(), record, blobs=(made.model_digest,))

    def _key(self) -> str:
        return steps.key("round", path=str(self.project.path.resolve()))

    def _run_key(self, told: Retraining, found: CaseSet) -> str:
        """What names a run of the command: the cases, the model that it begins from, its words and its files."""
        folder = self.project.path.resolve().parent
        files = {word: file_digest(folder / word) for word in told.command if (folder / word).is_file()}
        return steps.key(
            "retraining",
            cases=found.digest,
            model=file_digest(self.project.model_paths[0]),
            command=list(told.command),
            files=json.dumps(files, sort_keys=True),
        )
