"""Latency of a model on an accelerator: a roofline per layer, priced by rows. Pure."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from edgewise.design.estimate.estimated import Bound, LayerEstimate
from edgewise.design.estimate.hierarchy import parts
from edgewise.design.estimate.terms import COMPUTE, MEMORY, Floats, MachineKind, Term, amounts
from edgewise.nouns import Layer

MEMORY_AND_BUS = (*MEMORY, Term.STREAMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where layers run: a kind of machine, the precision, and prices of its terms, float64 [terms]."""

    kind: MachineKind
    precision: str
    prices: Floats


def of_layers(
    layers: Sequence[Layer], place: Place, *, host: Place | None = None, on_host: Set[int] = frozenset()
) -> tuple[tuple[LayerEstimate, ...], float]:
    """Every layer's time, and what the call costs on top, in ms at batch 1.

    Args:
        host: where the layers with the indices `on_host` run.
    """
    own = amounts(layers, place.kind, place.precision, fallback=on_host)
    counted = parts(place.prices, own, overlaps=place.kind.overlaps)
    found = [
        _layer(layer, _costs(place, own[index]), float(counted[index].sum()), on_accelerator=True)
        for index, layer in enumerate(layers)
    ]
    if host is not None and on_host:
        there = amounts(layers, host.kind, host.precision)
        costs = parts(host.prices, there, overlaps=host.kind.overlaps)
        for index in on_host:
            found[index] = _layer(
                layers[index], _costs(host, there[index]), float(costs[index].sum()), on_accelerator=False
            )
    return tuple(found), float(counted[-1].sum())


def _costs(place: Place, row: Floats) -> tuple[float, float, float]:
    """Arithmetic, memory and overhead of one layer as if each were alone, in ms."""
    costs = np.exp(place.prices) * row
    return float(costs[list(COMPUTE)].sum()), float(costs[list(MEMORY_AND_BUS)].sum()), float(costs[Term.LAYERS])


def _layer(layer: Layer, costs: tuple[float, float, float], time_ms: float, *, on_accelerator: bool) -> LayerEstimate:
    compute, memory, overhead = costs
    largest: Bound = "compute" if compute >= max(memory, overhead) else "memory" if memory >= overhead else "overhead"
    return LayerEstimate(
        name=layer.name,
        operator=layer.operator,
        time_ms=time_ms,
        compute_ms=compute,
        memory_ms=memory,
        overhead_ms=overhead,
        on_accelerator=on_accelerator,
        bound=largest if on_accelerator else "fallback",
    )
