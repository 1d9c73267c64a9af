"""Intervals and tests behind every figure. Pure; 95 % throughout.

Sources:
    Clopper and Pearson (1934), the exact interval of a binomial share.
    Newcombe (1998), "Improved confidence intervals for the difference between binomial proportions based
        on paired data", Statistics in Medicine 17, method 10.
    McNemar (1947), in its exact form: a sign test on the discordant pairs.
    Efron (1979), the bootstrap; over whole bursts where observations within a burst depend on each other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]

ALPHA = 0.05
RESAMPLES = 1000
MOST_SAMPLES = 10_000_000
_Z = float(stats.norm.ppf(1 - ALPHA / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A point estimate with its 95 % interval; `p` is the two-sided p-value against zero where one exists."""

    value: float
    low: float
    high: float
    n: int
    p: float | None = None


def share(successes: int, n: int) -> Estimate:
    """Share of successes with Clopper and Pearson's exact interval. `n` is at least 1."""
    low = 0.0 if successes == 0 else float(stats.beta.ppf(ALPHA / 2, successes, n - successes + 1))
    high = 1.0 if successes == n else float(stats.beta.ppf(1 - ALPHA / 2, successes + 1, n - successes))
    return Estimate(value=successes / n, low=low, high=high, n=n)


def paired_shares(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> Estimate:
    """How much smaller the share of True is in `after`, judged on the same samples.

    Args:
        before, after: bool [n], sample by sample.

    Returns:
        Newcombe's interval of the drop and McNemar's exact p-value.
    """
    n = len(before)
    both, neither = int(np.sum(before & after)), int(np.sum(~before & ~after))
    lost, won = int(np.sum(before & ~after)), int(np.sum(~before & after))
    first, second = _wilson(both + lost, n), _wilson(both + won, n)
    correlation = _newcombe_correlation(both, lost, won, neither)
    drop = (lost - won) / n

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

    p_value = float(stats.binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    return Estimate(
        value=drop,
        low=drop - reach(first.value - first.low, second.high - second.value),
        high=drop + reach(first.high - first.value, second.value - second.low),
        n=n,
        p=p_value,
    )


def _wilson(successes: int, n: int) -> Estimate:
    interval = stats.binomtest(successes, n).proportion_ci(1 - ALPHA, method="wilson")
    return Estimate(value=successes / n, low=float(interval.low), high=float(interval.high), n=n)


def _newcombe_correlation(both: int, lost: int, won: int, neither: int) -> float:
    margins = math.sqrt((both + lost) * (won + neither) * (both + won) * (lost + neither))
    if margins == 0:
        return 0.0
    n = both + lost + won + neither
    determinant = both * neither - lost * won
    return (max(determinant - n / 2, 0.0) if determinant > 0 else determinant) / margins


def resamples(n: int, *, seed: int = 0, count: int = RESAMPLES) -> npt.NDArray[np.intp]:
    """Bootstrap indices [count, n]; the same for the same `n`, so that comparisons stay paired."""
    return np.random.default_rng(seed).integers(0, n, size=(count, n), dtype=np.intp)


def bootstrap(statistic: Callable[[Indices], float], n: int, *, count: int = RESAMPLES) -> Estimate:
    """Percentile bootstrap of `statistic`, a function of sample indices [n].

    Resamples on which the statistic is not finite (one class only, say) are left out.
    """
    value = statistic(np.arange(n, dtype=np.intp))
    draws = np.array([statistic(indices) for indices in resamples(n, count=count)])
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Estimate(value=value, low=value, high=value, n=n)
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    at_most, at_least = float(np.mean(draws <= 0)), float(np.mean(draws >= 0))
    p_value = min(1.0, max(2 * min(at_most, at_least), 1 / len(draws)))
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n, p=p_value)


def percentile_of_bursts(bursts: Sequence[Floats], percent: float, *, count: int = 200) -> Estimate:
    """Percentile of all observations with a bootstrap interval over whole bursts.

    Args:
        bursts: one array of observations a burst, each burst taken at another moment.
        percent: 0 to 100.
    """
    pooled = np.concatenate(bursts)
    value = float(np.percentile(pooled, percent))
    if len(bursts) < 2:
        return Estimate(value=value, low=float(pooled.min()), high=float(pooled.max()), n=len(pooled))
    draws = [
        np.percentile(np.concatenate([bursts[index] for index in indices]), percent)
        for indices in resamples(len(bursts), count=count)
    ]
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=len(pooled))


def paired_ratio(numerator: Floats, denominator: Floats) -> Estimate:
    """Median over rounds of numerator / denominator, both measured in the same round. Floats [rounds]."""
    ratios = np.asarray(numerator / denominator, dtype=np.float64)
    draws = np.median(ratios[resamples(len(ratios), count=400)], axis=1)
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return Estimate(value=float(np.median(ratios)), low=float(low), high=float(high), n=len(ratios))


def samples_to_prove(limit: float, drop: Estimate) -> int | None:
    """About how many samples like these would prove a drop of at most `limit`; None where no sensible number would.

    The interval shrinks with the square root of n around the same point estimate.
    """
    room = limit - drop.value
    reach = drop.high - drop.value
    if reach <= 0 or room <= reach * math.sqrt(drop.n / MOST_SAMPLES):
        return None
    return math.ceil(drop.n * (reach / room) ** 2)
