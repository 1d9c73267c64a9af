"""Intervals from the errors on rows that were held out. Pure.

An error is log(observed / predicted), so that twice too slow and twice too fast count the same and an interval never
reaches zero. Split-conformal quantiles (Vovk, Gammerman and Shafer (2005); Barber et al. (2021), "Predictive
inference with the jackknife+") hold without a law of the errors, where they are exchangeable: a new model is like
those in the rows. Of fewer than nine networks no 90 % quantile can be told: then Student's t
serves, and is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.90
FEWEST = 9
"""ceil((n + 1) 0.9) <= n holds from nine errors on."""
LEAST_SPREAD = 0.15
"""Standard deviation of log errors that is assumed where fewer than two are at hand to show one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """How far off a prediction may be: a factor either way with a probability of `LEVEL`.

    Attributes:
        factor: at least 1.
        n: networks whose errors are behind it.
        told: False where they are too few for a quantile.
    """

    factor: float
    n: int
    told: bool

    def widened(self, spread: float) -> "Width":
        """With one more independent source of error, whose log has the standard deviation `spread`."""
        more = float(stats.norm.ppf((1 + LEVEL) / 2)) * spread
        return Width(factor=math.exp(math.hypot(math.log(self.factor), more)), n=self.n, told=self.told)


def width(errors: Mapping[str, Sequence[float]]) -> Width:
    """The `LEVEL` interval that log `errors` of held-out rows support, by the network they are of.

    Rows of one network err together, so that networks are counted, not rows.
    """
    n = len(errors)
    sizes = sorted(abs(error) for group in errors.values() for error in group)
    if n >= FEWEST:
        rank = min(len(sizes), math.ceil((len(sizes) + 1) * LEVEL))
        return Width(factor=math.exp(sizes[rank - 1]), n=n, told=True)
    square = np.mean([np.mean(np.square(group)) for group in errors.values()]) if n else 0.0
    spread = max(math.sqrt(float(square)), LEAST_SPREAD)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, max(n, 2) - 1)) * spread * math.sqrt(1 + 1 / max(n, 1))
    return Width(factor=math.exp(reach), n=n, told=False)
