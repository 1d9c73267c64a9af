"""Optuna's door: which structure to try next where there are too many to train them all.

Ask and tell, with a seed and no storage: what was tried is remembered by our own store, and a search that
goes on asks the same questions in the same order. Two aims at once, metric and MACs (Ozaki et al.,
"Multiobjective tree-structured Parzen estimator", JAIR 2022); what misses the budget for sure counts as
infeasible and is learnt from without being trained.
"""

import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, TrialState

from edgewise.design.structure.space import Choices, Dimension, Integers, Reals, Space, Structure

FIRST = 8
"""Structures that are drawn at random before the model of the space decides."""
_EXCESS = "excess"
"""Optuna's constraint: above 0 is infeasible, and the more, the farther off."""


class Asker:
    """Asks for structures and is told what came of them.

    Args:
        higher_is_better: direction of the metric.
        seed: decides every question, together with the answers.
    """

    def __init__(self, space: Space, *, higher_is_better: bool, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {dimension.name: _distribution(dimension) for dimension in space.dimensions}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST, multivariate=True)
        self._study = optuna.create_study(
            directions=["maximize" if higher_is_better else "minimize", "minimize"], sampler=sampler
        )
        self._worst = -1e30 if higher_is_better else 1e30

    def learn(self, structure: Structure, metric: float, cost: float) -> None:
        """A structure was trained that was not asked for."""
        known = optuna.trial.create_trial(
            params=dict(structure),
            distributions=self._distributions,
            values=[metric, cost],
            constraints={_EXCESS: 0.0},
        )
        self._study.add_trial(known)

    def ask(self, count: int) -> list[tuple[Trial, Structure]]:
        """The next `count` structures; some may have been asked before."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [(trial, {name: trial.params[name] for name in self._distributions}) for trial in asked]

    def tell(self, trial: Trial, metric: float, cost: float) -> None:
        """`trial` was trained."""
        trial.set_constraint(_EXCESS, 0.0)
        self._study.tell(trial, [metric, cost])

    def tell_infeasible(self, trial: Trial, cost: float) -> None:
        """`trial` misses the budget for sure and was not trained; the dearer the farther off."""
        trial.set_constraint(_EXCESS, max(cost, 1.0))
        self._study.tell(trial, [self._worst, cost])

    def tell_failed(self, trial: Trial) -> None:
        """`trial` could not be built or trained; nothing is learnt from it."""
        self._study.tell(trial, state=TrialState.FAIL)


def _distribution(dimension: Dimension) -> BaseDistribution:
    match dimension:
        case Choices():
            return CategoricalDistribution(dimension.values)
        case Integers():
            return IntDistribution(dimension.low, dimension.high)
        case Reals():
            return FloatDistribution(dimension.low, dimension.high)
