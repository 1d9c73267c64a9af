"""What is known of the structures of one search, and the effects that learn more: build, estimate, train, judge.

Each build and each training is a step of the store: done once, kept as soon as it is done, recalled by the next
search whatever engine it uses. What train.py answers is remembered, a failure too; a crash is tried again next time.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import units
from edgewise.design import data as design_data
from edgewise.design import metrics, models
from edgewise.design.data import Data
from edgewise.design.evaluate import predict
from edgewise.design.figures import measurement
from edgewise.design.statistics import Estimate
from edgewise.design.structure import search, training
from edgewise.design.structure.estimate import AS_TRAINED, Estimator, configuration
from edgewise.design.structure.search import Candidate, Standing
from edgewise.design.structure.space import Structure, name_of
from edgewise.design.structure.training import BUILD_TIMEOUT_S, FIT_TIMEOUT_S, Job, Made, Training
from edgewise.errors import BadData, ChildFailed
from edgewise.flow import engines
from edgewise.flow.edgefile import Project
from edgewise.flow.engines import Engine
from edgewise.hardware.probe import NAME, identity, probe
from edgewise.nouns import (
    Budget,
    Machine,
    Measurement,
    Model,
    ModelFile,
    Provenance,
    ProvenanceKind,
    Quantity,
    Site,
    Trial,
    TrialStage,
    Variant,
)
from edgewise.progress import Progress
from edgewise.runtimes import protocol
from edgewise.store import steps
from edgewise.store.blobs import digest_of_file
from edgewise.store.steps import Store


@dataclass(slots=True, kw_only=True)
class Try:
    """What is known of one structure while the search runs.

    Attributes:
        name: from its values; `label` is the short name, by the order in which structures came up.
        missed: `failure` is that it misses the budget for sure.
        outputs: of the trained model on the evaluation split.
    """

    name: str
    label: str
    structure: Structure
    stage: TrialStage = TrialStage.PROPOSED
    model: Model | None = None
    variant: Variant | None = None
    latency: Measurement | None = None
    metric: Measurement | None = None
    drop: Estimate | None = None
    outputs: tuple[Any, ...] = ()
    failure: str = ""
    missed: bool = False
    log: str = ""
    duration_s: float | None = None

    @property
    def candidate(self) -> Candidate:
        """As decisions see it."""
        return Candidate(
            name=self.name,
            structure=self.structure,
            macs=self.model.macs if self.model else None,
            parameters=self.model.parameters if self.model else 0,
            latency=self.latency,
        )

    @property
    def cost(self) -> float:
        """MACs, the same on every run."""
        return self.candidate.cost


@dataclass(slots=True)
class Tries:
    """Structures by name, and what learns more of them."""

    project: Project
    site: Site
    training: Training
    store: Store
    engine: Engine
    progress: Progress
    known: dict[str, Try] = field(default_factory=dict)
    machine: Machine = field(default_factory=lambda: probe(bandwidth=False))
    _first: Model | None = None
    _data: Data | None = None
    _judge: metrics.Judge | None = None

    @property
    def data(self) -> Data:
        """The project's data; known once the first structure was built."""
        assert self._data is not None
        return self._data

    @property
    def judge(self) -> metrics.Judge:
        """What judges the trained; known with the data."""
        assert self._judge is not None
        return self._judge

    def standing(self, each: Try) -> tuple[Standing, str]:
        """How `each` stands against the budget before it is trained."""
        budget = self.site.budget
        if any(choice.name != NAME for choice in self.site.machines):  # what is slow here may be fast elsewhere
            budget = Budget(limits=tuple(limit for limit in budget.limits if limit.quantity not in search.LATENCIES))
        threads = next((choice.threads for choice in self.site.machines if choice.name == NAME), ())
        return search.standing(each.candidate, budget, max(threads or (self.machine.cpu.cores or 1,)))

    def spent(self) -> int:
        """Trainings so far, those that failed included."""
        return sum(each.duration_s is not None for each in self.known.values())

    def build(self, structures: Iterable[Structure]) -> None:
        """Build and estimate what is new among `structures`; what misses the budget for sure goes no further."""
        new: list[Try] = []
        for structure in structures:
            name = name_of(structure)
            if name not in self.known:
                self.known[name] = Try(name=name, label=f"s{len(self.known) + 1}", structure=structure)
                new.append(self.known[name])
        if not self.training.builds or not new:
            return
        self.progress.stage("building structures", len(new))
        for each, known in self._made("build", new, BUILD_TIMEOUT_S):
            if self._accept(each, known):
                each.stage = TrialStage.BUILT
        self._estimate([each for each in new if not each.failure])

    def train(self, names: Sequence[str]) -> None:
        """Train and judge the structures called `names`."""
        chosen = [self.known[name] for name in names]
        self.progress.stage("training structures", len(chosen))
        for each, known in self._made("fit", chosen, FIT_TIMEOUT_S):
            each.duration_s = known.get("duration_s", 0.0)
            self._accept(each, known)
        self._estimate([each for each in chosen if not each.failure and each.latency is None], rule_out=False)
        for each in chosen:
            if not each.failure:
                self._judge_one(each)

    def _made(self, function: str, tries: Sequence[Try], timeout_s: float) -> list[tuple[Try, Mapping[str, Any]]]:
        """The record of `function` for each of `tries`, in their order; from the store where it knows."""
        keys = [self._key(function, each.structure) for each in tries]
        records = [self.store.recall(key) for key in keys]
        new = [index for index, record in enumerate(records) if record is None]
        self.progress.step("from the store", amount=len(tries) - len(new))
        jobs = [
            Job(function=function, structure=tries[index].structure, seed=self.project.seed, timeout_s=timeout_s)
            for index in new
        ]
        for place, made in engines.each_once(self.engine, training.run, self.training, jobs) if jobs else ():
            index = new[place]
            records[index] = self._keep(keys[index], made)
            self.progress.step(tries[index].name)
        return [(each, record or {}) for each, record in zip(tries, records, strict=True)]

    def _key(self, function: str, structure: Structure) -> str:
        trained = {"data": self._data_digest()} if function == "fit" else {}
        return steps.key(
            "structure",
            training=self.training.digest,
            function=function,
            structure=dict(structure),
            seed=self.project.seed,
            **trained,
        )

    def _data_digest(self) -> str:
        file = Path(self.project.data.rpartition(":")[0] or self.project.data)
        return f"{self.project.data.rpartition(':')[2]} {digest_of_file(file)}" if file.is_file() else self.project.data

    def _keep(self, key: str, made: Made) -> dict[str, Any]:
        """The record of a job, in the store unless trying again may end otherwise."""
        log = self.store.blobs.put(made.log.encode()) if made.log else ""
        record: dict[str, Any] = {"log": log, "duration_s": round(made.duration_s, 3)}
        if made.failure:
            record["failure"] = made.failure
            if made.lasting:
                self.store.record(key, record, blobs=(log,) if log else ())
            return record
        files = [
            {"name": name, "digest": self.store.blobs.put(content), "size_bytes": len(content)}
            for name, content in made.files
        ]
        record["files"] = files
        blobs = [str(file["digest"]) for file in files] + ([log] if log else [])
        self.store.record(key, record, blobs=tuple(blobs))
        return record

    def _accept(self, each: Try, known: Mapping[str, Any]) -> bool:
        """Read the model that a record names into `each`; False where there is none or it does not fit the others."""
        each.log = known.get("log", "")
        if "files" not in known:
            each.failure = known.get("failure", "no answer came")
            return False
        each.variant = Variant(recipe=AS_TRAINED, files=tuple(ModelFile(**file) for file in known["files"]))
        with tempfile.TemporaryDirectory(prefix="edgewise-structure-") as folder:
            each.model = models.read(self.lay_out(each.variant, Path(folder)))
        if self._first is None:
            self._prepare(each.model)
        assert self._first is not None
        each.failure = _differs(each.model, self._first)
        return not each.failure

    def _prepare(self, first: Model) -> None:
        """Read the data and find the judge, now that it is known what the models take."""
        folder = self.project.path.resolve().parent
        self._data = design_data.load(self.project.data, first, seed=self.project.seed, folder=folder)
        if self._data.evaluation.y is None:
            raise BadData("the data has no y, and structures are compared by labels", hint="add y to the data")
        self._judge = metrics.find(self.project.metric, labelled=True, folder=folder)
        self._first = first

    def _estimate(self, tries: Sequence[Try], *, rule_out: bool = True) -> None:
        if not tries:
            return
        self.progress.stage("estimating structures", len(tries))
        runs = configuration(protocol.versions())
        with Estimator(
            self.data, self.store, machine=self.machine, identity=identity(self.machine), runs=runs
        ) as estimator:
            for each in tries:
                assert each.variant is not None
                try:
                    each.latency = estimator.latency(each.variant)
                except ChildFailed as error:
                    each.failure = f"cannot be run here: {error.message}"
                found, why = self.standing(each)
                if rule_out and found is Standing.MISSES and not each.failure:
                    each.failure, each.missed = why, True
                self.progress.step(each.name)

    def _judge_one(self, each: Try) -> None:
        assert each.variant is not None
        y = self.data.evaluation.y
        assert y is not None
        try:
            found = predict(
                each.variant,
                configuration(protocol.versions()),
                self.data,
                self.store,
                machine=identity(self.machine),
            )
        except ChildFailed as error:
            each.failure = f"cannot be run here: {error.message}"
            return
        if not all(np.isfinite(output).all() for output in found.outputs):
            each.failure = "it answers NaN or infinity to the evaluation data"
            return
        metrics.check(self.judge, y, found.outputs)
        here = Provenance(kind=ProvenanceKind.MEASURED, by=self.machine.cpu.title, date=found.date)
        each.metric = measurement(self.judge.judge(y, found.outputs), "", here)
        each.outputs = found.outputs
        each.stage = TrialStage.TRAINED

    def lay_out(self, variant: Variant, folder: Path) -> Path:
        """Put the files of `variant` into `folder`; the model's path."""
        for file in variant.files:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.blobs.lay_out(file.digest, target)
        return folder / variant.files[0].name


def _differs(model: Model, first: Model) -> str:
    """How the inputs and outputs of `model` differ from those of the first structure, "" where they do not."""
    for side in ("inputs", "outputs"):
        ours, theirs = (
            [
                (tensor.dtype, [axis if isinstance(axis, int) else None for axis in tensor.shape])
                for tensor in getattr(each.signature, side)
            ]
            for each in (model, first)
        )
        if ours != theirs:
            shown = [" and ".join(str([a or "n" for a in shape]) for _, shape in found) for found in (ours, theirs)]
            return (
                f"its {side} are {shown[0]}, and the first structure's {shown[1]}: every structure must take and give"
                " the same, with a change of resolution inside the graph"
            )
    return ""


def noun(each: Try, *, planned: bool) -> Trial:
    """`each` as people see it."""
    figures: dict[Quantity, Measurement] = {}
    if each.metric is not None:
        figures[Quantity.METRIC] = each.metric
        if each.drop is not None:
            figures[Quantity.DROP] = measurement(each.drop, "", each.metric.provenance)
    if each.latency is not None:
        figures[Quantity.LATENCY_P50] = each.latency
    if each.variant is not None:
        counted = Provenance(kind=ProvenanceKind.MEASURED, by="its files")
        figures[Quantity.FLASH] = Measurement.exact(float(each.variant.size_bytes), units.SIZE.base, counted)
    return Trial(
        name=each.label,
        structure=dict(each.structure),
        stage=TrialStage.PLANNED if planned else each.stage,
        figures=figures,
        macs=each.model.macs if each.model else None,
        parameters=each.model.parameters if each.model else None,
        model=each.variant.files[0].digest if each.variant and each.stage is TrialStage.TRAINED else "",
        failure=each.failure,
        log=each.log,
        duration_s=each.duration_s,
    )
