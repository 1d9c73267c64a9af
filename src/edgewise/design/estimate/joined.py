"""More rows beside a fit that is there: a user's own, or measured on a device. Pure.

What machines of a kind have in common is learnt on the published rows, and a few more do not change it; a full fit
with its held-out repetitions would take minutes for nothing. So only the prices of the series that the new rows
belong to are found, with the fit's families as the prior and its spreads as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize

from edgewise.design.estimate.hierarchy import Point, Prices, total
from edgewise.design.estimate.terms import Floats, Term


def joined(prices: Prices, points: Sequence[Point], known: Sequence[Point]) -> Prices:
    """`prices` with those of every series of `points`.

    Args:
        known: what `prices` were fitted on; rows of the same series count too.
    """
    series = dict(prices.series)
    for key in dict.fromkeys(point.series for point in points):
        rows = [point for point in (*known, *points) if point.series == key]
        series[key] = _priced(prices, rows)
    return replace(prices, series=series)


def _priced(prices: Prices, rows: Sequence[Point]) -> Floats:
    """Prices of one series, float64 [terms]: the maximum a posteriori, by least squares."""
    ratios = prices.families.get(rows[0].family, prices.ratios)
    overlaps, spread = prices.shape.overlaps, prices.spread
    logs = np.log([row.figure for row in rows])
    weights = np.sqrt([row.weight for row in rows]) / spread.sigma
    others = [term for term in Term if term is not Term.DENSE]

    def told(theta: Floats) -> Iterable[float]:
        return (float(np.log(total(theta, row.amounts, overlaps=overlaps))) for row in rows)

    def residuals(theta: Floats) -> Floats:
        bent = (theta - theta[Term.DENSE] - ratios + ratios[Term.DENSE])[others] / spread.tau
        return np.concatenate([(np.array(list(told(theta))) - logs) * weights, bent])

    start = ratios + np.mean(logs - np.array(list(told(ratios))))
    found: Floats = optimize.least_squares(residuals, start).x
    return found
