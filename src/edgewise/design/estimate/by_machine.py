"""How good estimates are for CPUs of which no row is known: each machine is held out with all its rows. Pure.

Its interval is the one that a plan would show: the errors of networks held out on the *other* machines, widened by how
far those are apart. That errors come from one fit of all rows, and not from one more fit without the machine, leaks
next to nothing: a network's errors on other machines hardly depend on this one.
"""

import math
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from edgewise.design.estimate import cores, support
from edgewise.design.estimate.fitted import Fitted
from edgewise.design.estimate.held_out import Error, Score
from edgewise.design.estimate.hierarchy import Key, fit, total
from edgewise.design.estimate.support import Support
from edgewise.hardware import catalogue
from edgewise.nouns import Accelerator, AcceleratorKind, Machine

Route = Callable[..., Support | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A row of a machine that was held out: its error, and the factor of the interval around the prediction."""

    error: Error
    factor: float

    @property
    def inside(self) -> bool:
        """True where what was observed is in the interval."""
        return abs(self.error.log) <= math.log(self.factor)


def by_machine(fitted: Fitted, route: Route = support.find, *, only: Collection[str] | None = None) -> list[Held]:
    """Every row of every CPU whose cores are known, predicted without any row of its machine.

    Args:
        route: how support is found, called as `support.find` is.
        only: machines to hold out; each in its turn, all of them where None.
    """
    found: list[Held] = []
    names = {key[0] for key in fitted.prices.series}
    for name in sorted(names if only is None else names.intersection(only)):
        own = {key: part for key in fitted.prices.series if key[0] == name and (part := _part(key)) is not None}
        others = [point for point in fitted.points if point.series[0] != name]
        if not own or not others:
            continue
        rest = replace(
            fitted,
            points=tuple(others),
            prices=fit(others, fitted.prices.shape, start=fitted.prices),
            errors=tuple(error for error in fitted.errors if error.series[0] != name),
        )
        for key, part in own.items():
            found += _held(rest, fitted, key, part, route)
    return found


def _held(rest: Fitted, fitted: Fitted, key: Key, part: Accelerator, route: Route) -> list[Held]:
    machine = Machine(name=key[0], title=key[0], vendor="", architecture="", accelerators=(part,))
    threads = int(key[4]) if key[4] else None
    backing = route(rest, machine, part, precision=key[3], runtime=key[2], threads=threads)
    if backing is None:
        return []
    width = rest.width(backing.series).widened(backing.spread)
    return [
        Held(
            error=Error(
                series=key,
                network=point.network,
                observed=point.figure,
                predicted=total(backing.prices, point.amounts, overlaps=fitted.prices.shape.overlaps),
            ),
            factor=width.factor,
        )
        for point in fitted.points
        if point.series == key
    ]


def _part(key: Key) -> Accelerator | None:
    """The CPU of a series whose cores and threads are known."""
    clusters = cores.clusters_of(key)
    if cores.threads_of(key, clusters) is None:
        return None
    machine = catalogue.machines().get(key[0])
    if machine is not None:
        return next((part for part in machine.accelerators if part.name == key[1]), None)
    return Accelerator(name=key[1], kind=AcceleratorKind.CPU, title=key[0], dtypes=(), clusters=clusters)


def score(held: Sequence[Held]) -> Score:
    """Errors and coverage of `held`, at least one."""
    shares = [one.error.share for one in held]
    return Score(
        n=len(held),
        mean=statistics.fmean(shares),
        median=statistics.median(shares),
        worst=max(math.exp(abs(one.error.log)) for one in held),
        coverage=statistics.fmean(one.inside for one in held),
    )
