"""Prices of one kind of machine, with the errors that they make on networks that were held out.

Fitting with all its held-out repetitions takes seconds: that of the published rows is kept as a file, and the last few
answers in memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from edgewise.design.estimate import kept
from edgewise.design.estimate.held_out import Error, by_name, by_network
from edgewise.design.estimate.hierarchy import ENERGY, Key, Point, Prices, Shape, fit, shape_of
from edgewise.design.estimate.intervals import FEWEST, LEAST_SPREAD, Width, width
from edgewise.design.estimate.joined import joined
from edgewise.design.estimate.observations import Observation, energies, latencies, published
from edgewise.design.estimate.terms import MachineKind
from edgewise.nouns import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A kind's prices for one quantity.

    Attributes:
        points: what was fitted, at least one.
        errors: by network, of `points` whose series has another row.
    """

    kind: MachineKind
    points: tuple[Point, ...]
    prices: Prices
    errors: tuple[Error, ...]

    def width(self, series: Key) -> Width:
        """Interval of a new network on `series`: by its own errors where they are enough, else by its kind's."""
        own = by_name([error for error in self.errors if error.series == series])
        return width(own if len(own) >= FEWEST else by_name(self.errors))

    @property
    def scatter(self) -> float:
        """Root mean square of the log errors on networks held out; `LEAST_SPREAD` where there are none."""
        squares = [error.log**2 for error in self.errors]
        return max(math.sqrt(sum(squares) / len(squares)), LEAST_SPREAD) if squares else LEAST_SPREAD

    @property
    def mean_error(self) -> float | None:
        """Mean absolute error on networks held out, as a share; None where none could be."""
        shares = [error.share for error in self.errors]
        return sum(shares) / len(shares) if shares else None


def fitted(observations: Sequence[Observation], kind: MachineKind, quantity: Quantity) -> Fitted | None:
    """What `observations` say about the latency or energy of `kind`; None where nothing is."""
    return _fitted(tuple(observations), kind, quantity)


@lru_cache(maxsize=16)
def _fitted(observations: tuple[Observation, ...], kind: MachineKind, quantity: Quantity) -> Fitted | None:
    """The whole fit of rows that are none of ours; else the kept fit, with whatever is new joined to it.

    Rows of the user's that take the place of a few published ones do not make the kept fit worthless.
    """
    shape: Shape = ENERGY if quantity is Quantity.ENERGY else shape_of(kind)
    built_in = frozenset(each.row for each in published())
    rest = _points([each for each in observations if each.row in built_in], kind, quantity)
    more = _points([each for each in observations if each.row not in built_in], kind, quantity)
    whole = _points(published(), kind, quantity)
    known = kept.recall(whole, shape) if whole and 2 * len(rest) >= len(whole) else None
    points = rest if known else [*rest, *more]
    if not points:
        return None
    prices, errors = known or (fit(points, shape), tuple(by_network(points, shape)))
    if known and more:
        prices = joined(prices, more, points)
    return Fitted(kind=kind, points=(*rest, *more), prices=prices, errors=errors)


def _points(observations: Sequence[Observation], kind: MachineKind, quantity: Quantity) -> list[Point]:
    return energies(observations, kind) if quantity is Quantity.ENERGY else latencies(observations, kind)
