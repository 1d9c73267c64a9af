"""`plan` where edge.yaml names a training: structures are searched together with everything else.

look -> build and estimate -> train few -> plan the survivors -> choose over all their designs. The cheap
steps come first. Each build and each training is a step of the store, so that a search that was interrupted
goes on where it stopped, and nothing is trained or counted twice, whatever engine runs it.
"""

import importlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgewise.design import metrics
from edgewise.design.statistics import ALPHA, Estimate
from edgewise.design.structure import search, training
from edgewise.design.structure.search import Candidate, Standing, Trained
from edgewise.design.structure.space import name_of
from edgewise.errors import BadModel, BadTraining, MissingDependency, NoRunnableDesign
from edgewise.flow import joint, metering
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.flow.engines import Engine
from edgewise.flow.tries import Tries, Try, noun
from edgewise.nouns import Plan, Quantity, Site, Trial, TrialStage
from edgewise.progress import SILENT, Progress
from edgewise.runtimes import child
from edgewise.store import atomic, lock
from edgewise.store.steps import Store

TRIALS = 16
"""Structures that are trained unless the user says otherwise."""
MOST_ASKED = 16
"""Batches that are asked for, for one batch to train: the others miss the budget or were trained already."""


def plan(
    project: Project,
    site: Site,
    *,
    engine: Engine,
    folder: Path,
    trials: int = TRIALS,
    machines: Sequence[Path] = (),
    progress: Progress = SILENT,
    wait: bool = False,
    fresh: bool = False,
    meter: str = "",
) -> Plan:
    """The best design for `site` over all structures that train.py declares; the plan lists every trial.

    Args:
        engine: where structures are built and trained; timing never leaves this machine.
        trials: structures to train at most.
        others: as for `flow.plan.plan`.

    Raises:
        BadTraining: train.py cannot be used, or no structure could be trained.
        EngineLost: the engine has gone; what was trained is kept.
        others: as `flow.plan.plan`.
    """
    assert project.train is not None
    planning.check(project, [site], machines=machines)
    store = Store(folder)
    try:
        with lock.alone(folder, "plan", wait=wait):  # nobody else sweeps the store's scratch meanwhile
            store.sweep()
            found = explore(project, site, engine=engine, store=store, trials=trials, progress=progress)
            tries = found.tries
            best, names = found.survivors()

        def planned(survivor: Project) -> Plan:
            return planning.plan(
                survivor, site, folder=folder, machines=machines, progress=progress, wait=wait, fresh=fresh, meter=meter
            )

        plans = _plans([tries.known[name] for name in names], tries, planned)
        with lock.alone(folder, "plan", wait=wait):
            ground = joint.Ground(
                project=project,
                site=site,
                store=tries.store,
                data=tries.data,
                judge=tries.judge,
                machine=tries.machine,
                expected=tries.known[best].outputs,
                best=tries.known[best].label,
                trials=found.trials(plans),
            )
            with metering.opened(meter) as metered:
                return joint.choose_over(plans, ground, metered, progress=progress, fresh=fresh)
    except OSError as error:
        raise atomic.explain(error, folder / "plan") from error
    finally:
        child.kill_all()


def explore(
    project: Project, site: Site, *, engine: Engine, store: Store, trials: int = TRIALS, progress: Progress = SILENT
) -> "Search":
    """Build and estimate structures and train the promising ones, at most `trials`; nothing is planned yet.

    Raises:
        BadTraining: train.py cannot be used, or no structure could be trained.
        EngineLost: the engine has gone; what was trained is kept.
    """
    assert project.train is not None
    found = Search(Tries(project, site, training.look(project.train), store, engine, progress))
    found.run(trials)
    return found


def _plans(survivors: Sequence[Try], tries: Tries, planned: Callable[[Project], Plan]) -> dict[str, Plan]:
    """A plan for each of `survivors` by its label: at most `MOST_PLANNED`, more where none of these has a choice.

    Raises:
        NoRunnableDesign: none can be planned.
    """
    plans: dict[str, Plan] = {}
    with tempfile.TemporaryDirectory(prefix="edgewise-structures-") as scratch:
        for each in survivors:
            if len(plans) >= search.MOST_PLANNED and any(made.choice for made in plans.values()):
                break
            assert each.variant is not None
            path = tries.lay_out(each.variant, Path(tempfile.mkdtemp(dir=scratch)))
            try:
                plans[each.label] = planned(replace(tries.project, model_paths=(path,), train=None))
            except (NoRunnableDesign, BadModel) as refusal:
                each.failure = refusal.message
    if not plans:
        raise NoRunnableDesign(f"no trained structure can be planned: {survivors[0].failure}", hint="see its log")
    return plans


@dataclass(slots=True)
class Search:
    """Which structures are tried, trained and planned, by the decisions of `design/structure`."""

    tries: Tries

    def run(self, trials: int) -> None:
        """Build, estimate and train, at most `trials` structures.

        Raises:
            BadTraining: none could be trained.
        """
        size = self.tries.training.space.size
        batch = search.batch(trials)
        if size is not None and size <= max(search.ENUMERABLE, trials):
            self.tries.build(self.tries.training.space.structures())
            waiting = self._waiting()
            self.tries.train(search.spread(waiting, trials if len(waiting) <= trials else min(trials, 2 * batch)))
        if self.tries.spent() < trials and (size is None or size > self.tries.spent()):
            self._ask(trials, batch)
        if not any(each.stage is TrialStage.TRAINED for each in self.tries.known.values()):
            first = next(each for each in self.tries.known.values() if each.failure)
            raise BadTraining(
                f"none of {len(self.tries.known)} structures could be trained: {first.failure}",
                log=self.tries.store.blobs.get(first.log).decode(errors="replace") if first.log else "",
                hint="try one by hand: import train.py and call fit with a structure",
            )

    def survivors(self) -> tuple[str, list[str]]:
        """The best trained structure, and those that are worth a plan; drops are known afterwards."""
        done = [each for each in self.tries.known.values() if each.stage is TrialStage.TRAINED]
        y = self.tries.data.evaluation.y
        assert y is not None
        metric = self.tries.judge.metric
        trained = [self._trained(each) for each in done]
        best = search.best_of(trained, higher_is_better=metric.higher_is_better).candidate.name
        for each in done:
            each.drop = self.tries.judge.drop(y, each.outputs, self.tries.known[best].outputs)
            if each.name == best:  # nothing is worse than itself, however few the samples
                each.drop = Estimate(value=0.0, low=0.0, high=0.0, n=each.drop.n, p=1.0)
        limit = self.tries.site.budget.limit(Quantity.DROP)
        names = search.survivors([self._trained(each) for each in done], best, None if limit is None else limit.value)
        return best, names

    def trials(self, planned: Iterable[str]) -> tuple[Trial, ...]:
        """Every try as a noun: the farthest first, then the best, then the fastest; `planned` are labels."""
        names = set(planned)
        order = list(TrialStage)
        sign = -1 if self.tries.judge.metric.higher_is_better else 1
        found = [noun(each, planned=each.label in names) for each in self.tries.known.values()]

        def place(trial: Trial) -> tuple[int, bool, float, float, str]:
            metric, latency = trial.figures.get(Quantity.METRIC), trial.figures.get(Quantity.LATENCY_P50)
            return (
                -order.index(trial.stage),
                bool(trial.failure),
                sign * metric.value if metric else 0.0,
                latency.value if latency else 0.0,
                trial.name,
            )

        return tuple(sorted(found, key=place))

    # --- choosing what to train -------------------------------------------------------------------

    def _ask(self, trials: int, batch: int) -> None:
        """Let Optuna choose what is trained next, batch by batch, until `trials` are spent."""
        asker = _ask_module().Asker(
            self.tries.training.space, higher_is_better=self._higher(), seed=self.tries.project.seed
        )
        for each in self.tries.known.values():
            if each.metric is not None:
                asker.learn(each.structure, each.metric.value, each.cost)
        while (room := min(batch, trials - self.tries.spent())) > 0:
            chosen = self._chosen(asker, room, batch)
            if not chosen and not (chosen := dict.fromkeys(search.spread(self._waiting(), room))):
                return
            self.tries.train(list(chosen))
            for name, asked in chosen.items():
                each = self.tries.known[name]
                if asked is None:
                    if each.metric is not None:
                        asker.learn(each.structure, each.metric.value, each.cost)
                elif each.metric is not None:
                    asker.tell(asked, each.metric.value, each.cost)
                else:
                    asker.tell_failed(asked)

    def _chosen(self, asker: Any, room: int, batch: int) -> dict[str, Any]:
        """The next structures to train with Optuna's trial of each; all that is asked for on the way is told."""
        chosen: dict[str, Any] = {}
        for _ in range(MOST_ASKED):
            asked = asker.ask(batch)
            self.tries.build(structure for _, structure in asked)
            for trial, structure in asked:
                each = self.tries.known[name_of(structure)]
                if each.name in chosen or len(chosen) == room:
                    asker.tell_failed(trial)
                elif each.metric is not None:
                    asker.tell(trial, each.metric.value, each.cost)
                elif each.missed:
                    asker.tell_infeasible(trial, each.cost)
                elif each.failure:
                    asker.tell_failed(trial)
                else:
                    chosen[each.name] = trial
            if len(chosen) == room:
                break
        return chosen

    def _waiting(self) -> list[tuple[Candidate, Standing]]:
        """What could be trained; the least that misses the budget where all do, so that a plan can say by how much."""
        pending = [each for each in self.tries.known.values() if each.stage is not TrialStage.TRAINED]
        alive = [each for each in pending if not each.failure]
        if not alive and not any(each.stage is TrialStage.TRAINED for each in self.tries.known.values()):
            missed = sorted((each for each in pending if each.missed), key=lambda each: (each.cost, each.name))
            for each in missed[:1]:
                each.failure, each.missed = "", False
                alive = [each]
        return [(each.candidate, min(self.tries.standing(each)[0], Standing.MAY_FIT)) for each in alive]

    def _higher(self) -> bool:
        return metrics.find(
            self.tries.project.metric, labelled=True, folder=self.tries.project.path.resolve().parent
        ).metric.higher_is_better

    def _trained(self, each: Try) -> Trained:
        assert each.metric is not None
        drop = each.drop or Estimate(value=0.0, low=0.0, high=0.0, n=1)
        significant = drop.value > 0 and drop.p is not None and drop.p < ALPHA
        return Trained(candidate=each.candidate, metric=each.metric.value, drop=drop.value, significant=significant)


def _ask_module() -> Any:
    """Optuna's door, opened where a space is too large to train it all.

    Raises:
        MissingDependency: Optuna is not installed.
    """
    try:
        return importlib.import_module("edgewise.design.structure.ask")
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "a space of so many structures is searched by the package optuna", hint="pip install 'edgewise[design]'"
        ) from error
