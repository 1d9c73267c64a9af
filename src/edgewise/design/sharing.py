"""What is left of a machine that other work keeps busy: estimates from figures taken on a free one.

Pure. A machine has c cores, and other work takes the share rho = 1 - idle of their time. Its scheduler shares
the cores evenly among what is ready to run, which is processor sharing. With Poisson arrivals the mean time of a
request that needs x of a core is

    c = 1:  x / (1 - rho) = x / idle                 Kleinrock, Queueing Systems II, 1976, section 4.4
    c > 1:  x (1 + C(c, c rho) / (c (1 - rho)))      Cohen, The multiple phase service network with generalized
                                                     processor sharing, Acta Informatica 12, 1979

where C is Erlang's delay formula: a request is slowed down only while no core is free. Both hold whatever the
distribution of the work. A design with t threads needs t cores at a time, so that c / t (rounded down, at least 1)
takes the place of c.

An estimate is an interval: its low end met no other work, its value is stretched by the mean above, its high end by
1 / idle, as if the request could not leave a core that is busy. A limit is kept only where the high end keeps it.

What this cannot tell: a scheduler gives out slices of some milliseconds, so that a request which is much shorter
than a slice may wait for a whole one; high percentiles of such requests can be above the interval.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from edgewise.nouns import Budget, Limit, MachineChoice, Measurement, Provenance, ProvenanceKind, Quantity

STRETCHED = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99, Quantity.LOAD_TIME)
"""Figures that grow with other work. The fastest call has met none."""
SOURCE = "processor sharing (Kleinrock 1976, Cohen 1979)"


def left_over(
    figures: Mapping[Quantity, Measurement], *, idle: float, cores: int, threads: int
) -> dict[Quantity, Measurement]:
    """`figures` of a free machine as they are expected beside other work.

    What other work does not change (accuracy, memory, size, energy, price) stays as it is. The others become
    `calibrated`, whatever they were.

    Args:
        idle: share of the cores' time that is left, above 0 and up to 1; 1 changes nothing.
        cores: of the machine.
        threads: that the design runs with.
    """
    found = dict(figures)
    if idle >= 1:
        return found
    slower = stretch(idle, cores=cores, threads=threads)
    for quantity in STRETCHED:
        if quantity in found:
            figure = found[quantity]
            found[quantity] = _estimate(figure, idle, figure.low, figure.value * slower, figure.high / idle)
    if Quantity.THROUGHPUT in found:
        figure = found[Quantity.THROUGHPUT]
        most = min(1.0, idle * cores / min(threads, cores))
        found[Quantity.THROUGHPUT] = _estimate(
            figure, idle, figure.low * idle, figure.value * min(1 / slower, most), figure.high * most
        )
    return found


def stretch(idle: float, *, cores: int, threads: int) -> float:
    """Mean time of a request beside other work, over its time on a free machine; at least 1, at most 1 / idle."""
    servers = max(1, cores // max(1, threads))
    return 1 + _erlang_c(servers, servers * (1 - idle)) / (servers * idle)


def busiest(figures: Mapping[Quantity, Measurement], budget: Budget) -> float:
    """The largest busy share of the cores (0 to 1) at which `budget` is still kept; below 0 where it never is.

    The inverse of `left_over` for the limits that other work can break: at `idle = 1 - busiest` their intervals
    still lie within. A limit on a figure that is not known counts as never kept.
    """
    most = 1.0
    for limit in budget.limits:
        if limit.quantity in STRETCHED:
            most = min(most, _busiest_for(limit, figures.get(limit.quantity)))
        elif limit.quantity is Quantity.THROUGHPUT:
            figure = figures.get(limit.quantity)
            most = min(most, -math.inf if figure is None or figure.low <= 0 else 1 - limit.value / figure.low)
    return most


def within(budget: Budget, choice: MachineChoice) -> Budget:
    """`budget` with no more memory than `choice` has free."""
    free = choice.memory_free_bytes
    limit = budget.limit(Quantity.MEMORY)
    if free is None or (limit is not None and limit.value <= free):
        return budget
    tighter = Limit(quantity=Quantity.MEMORY, value=free, unit="B")
    others = tuple(each for each in budget.limits if each.quantity is not Quantity.MEMORY)
    return replace(budget, limits=(*others, tighter))


def _busiest_for(limit: Limit, figure: Measurement | None) -> float:
    if figure is None or limit.value <= 0:
        return -math.inf
    return 1 - figure.high / limit.value


def _estimate(figure: Measurement, idle: float, low: float, value: float, high: float) -> Measurement:
    origin = figure.provenance
    by = f"{origin.by} ({origin.kind}) with {idle:.0%} of its cores' time left, by {SOURCE}"
    provenance = Provenance(kind=ProvenanceKind.CALIBRATED, by=by, date=origin.date, load=origin.load)
    return replace(figure, value=value, low=low, high=max(high, value), provenance=provenance, spread=None)


def _erlang_c(servers: int, offered: float) -> float:
    """Share of requests that find all `servers` busy, by Erlang's recursion for loss, which does not overflow."""
    loss = 1.0
    for n in range(1, servers + 1):
        loss = offered * loss / (n + offered * loss)
    busy = offered / servers
    return loss / (1 - busy * (1 - loss))
