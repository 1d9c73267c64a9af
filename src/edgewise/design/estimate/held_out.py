"""How good estimates are on rows that had no part in them. Pure.

Three questions, three ways to hold out:

- by network: the network is taken from *every* machine, as a user's own model is in nobody's table;
- by row: one machine's row of a network that other machines have run;
- by machine: all rows of a machine, which is then known by its peak rate alone.

Coverage of the intervals is counted the same way: the interval of a held-out row is made from the errors of the
others.
"""

import math
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from edgewise.design.estimate.hierarchy import Key, Point, Shape, fit
from edgewise.design.estimate.intervals import width


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """A held-out row and what was predicted for it."""

    series: Key
    network: str
    observed: float
    predicted: float

    @property
    def log(self) -> float:
        """Log of observed over predicted."""
        return math.log(self.observed / self.predicted)

    @property
    def share(self) -> float:
        """Absolute error as a share of what was observed."""
        return abs(self.predicted - self.observed) / self.observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of one kind in a few figures; all shares. `worst` is the largest factor either way."""

    n: int
    mean: float
    median: float
    worst: float
    coverage: float


def by_network(points: Sequence[Point], shape: Shape) -> list[Error]:
    """Each network predicted from the other networks; machines with no other row are left out."""
    return _held(points, shape, lambda point: point.network)


def by_row(points: Sequence[Point], shape: Shape) -> list[Error]:
    """Each row predicted from all others; machines with no other row are left out."""
    return _held(points, shape, lambda point: (point.series, point.network))


def _held(points: Sequence[Point], shape: Shape, group: Callable[[Point], Hashable]) -> list[Error]:
    start, found = fit(points, shape), []
    for left_out in dict.fromkeys(map(group, points)):
        rest = [point for point in points if group(point) != left_out]
        known = {point.series for point in rest}
        asked = [point for point in points if group(point) == left_out and point.series in known]
        if not asked:
            continue
        prices = fit(rest, shape, start=start)
        found += [
            Error(
                series=point.series,
                network=point.network,
                observed=point.figure,
                predicted=prices.predict(point.series, point.amounts),
            )
            for point in asked
        ]
    return found


def by_name(errors: Sequence[Error], *, without: str = "") -> dict[str, list[float]]:
    """Log errors by network, as intervals want them, but for one network's."""
    found: dict[str, list[float]] = {}
    for error in errors:
        if error.network != without:
            found.setdefault(error.network, []).append(error.log)
    return found


def score(errors: Sequence[Error]) -> Score:
    """Error and coverage of `errors`, at least two. The interval of each is made from errors on other networks."""
    widths = {name: width(by_name(errors, without=name)) for name in by_name(errors)}
    shares = [error.share for error in errors]
    return Score(
        n=len(errors),
        mean=statistics.fmean(shares),
        median=statistics.median(shares),
        worst=max(math.exp(abs(error.log)) for error in errors),
        coverage=statistics.fmean(abs(error.log) <= math.log(widths[error.network].factor) for error in errors),
    )
