"""Which accelerators, precisions and widths are worth having, jointly. Pure.

Every template of a space runs every workload (a model at one width) at every precision that the workload has a
figure for; what another beats in latency, energy, area and metric at once is dropped.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np

from edgewise import units
from edgewise.design.systolic.evaluate import Costs, evaluate
from edgewise.design.systolic.technology import NM45, Technology
from edgewise.design.systolic.template import Dataflow, Floats, Integers, Template
from edgewise.design.systolic.work import Work
from edgewise.errors import BadConfiguration
from edgewise.nouns import Layer

PART = 100_000
"""Pairs of configuration and layer that are computed at once."""
MAX_TEMPLATES = 1_000_000
KIB = 1024


class Goal(StrEnum):
    """What is wanted least of, within the limits; for the metric, what is wanted best."""

    LATENCY = "latency"
    ENERGY = "energy"
    AREA = "area"
    METRIC = "metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Every combination of these.

    Raises:
        BadConfiguration: there are none, or more than a million.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    dataflows: tuple[Dataflow, ...] = tuple(Dataflow)
    ifmap_sram_bytes: tuple[int, ...] = (64 * KIB,)
    filter_sram_bytes: tuple[int, ...] = (64 * KIB,)
    ofmap_sram_bytes: tuple[int, ...] = (64 * KIB,)
    bandwidths_byte_per_s: tuple[float, ...] = (1e9,)
    clocks_hz: tuple[float, ...] = (500e6,)
    word_bits: tuple[int, ...] = (8,)

    def __post_init__(self) -> None:
        if not 1 <= len(self) <= MAX_TEMPLATES:
            raise BadConfiguration(
                f"the space has {len(self):,} templates", hint=f"give it between 1 and {MAX_TEMPLATES:,}"
            )

    def __len__(self) -> int:
        return math.prod(len(getattr(self, axis.name)) for axis in fields(self))

    def templates(self, word_bits: int) -> Iterator[Template]:
        """All of one precision, whether or not it is one of `word_bits`."""
        buffers = (self.ifmap_sram_bytes, self.filter_sram_bytes, self.ofmap_sram_bytes)
        axes = itertools.product(
            self.rows, self.columns, self.dataflows, *buffers, self.bandwidths_byte_per_s, self.clocks_hz
        )
        for rows, columns, dataflow, ifmap, filters, ofmap, bandwidth, clock in axes:
            yield Template(
                rows=rows,
                columns=columns,
                dataflow=dataflow,
                ifmap_sram_bytes=ifmap,
                filter_sram_bytes=filters,
                ofmap_sram_bytes=ofmap,
                bandwidth_byte_per_s=bandwidth,
                clock_hz=clock,
                word_bits=word_bits,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A model at one width.

    Attributes:
        metric: how good its predictions are, by word width; precisions without a figure are not tried. Empty: nothing
            is known, every precision is tried, and the metric plays no part.
    """

    name: str
    layers: tuple[Layer, ...]
    metric: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What must be kept within; None is free. `metric` is at least (at most, for errors)."""

    latency_ms: float | None = None
    energy_mj: float | None = None
    area_mm2: float | None = None
    sram_bytes: int | None = None
    metric: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A template running a workload, once.

    Attributes:
        utilisation: of PEs over the whole inference. metric: None where the workload has none.
    """

    workload: str
    template: Template
    latency_ms: float
    energy_mj: float
    area_mm2: float
    cycles: int
    stall_cycles: int
    utilisation: float
    dram_bytes: float
    metric: float | None


def search(
    workloads: Sequence[Workload],
    space: Space,
    limits: Limits | None = None,
    *,
    technology: Technology = NM45,
    higher_is_better: bool = True,
) -> tuple[Point, ...]:
    """The points of `space` within `limits` that no other dominates, fastest first.

    Args:
        higher_is_better: of the workloads' metric; False for errors.

    Raises:
        BadConfiguration: some workloads have a metric and others do not, none has one at a width of the space, or one
            has no layer that is understood.
    """
    if len({bool(workload.metric) for workload in workloads}) > 1:
        raise BadConfiguration("some models have a metric and others have none", hint="give it for all, or for none")
    judged = {bits for workload in workloads for bits in workload.metric}
    if judged and not judged & set(space.word_bits):
        raise BadConfiguration("no model has a metric at any word width of the space", hint="name the width it is for")
    allowed, sign = limits or Limits(), -1.0 if higher_is_better else 1.0
    found: list[Point] = []
    for workload in workloads:
        work = _work(workload)
        for word_bits in space.word_bits:
            if workload.metric and word_bits not in workload.metric:
                continue
            templates, size = space.templates(word_bits), max(1, PART // len(work.names))
            while part := list(itertools.islice(templates, size)):
                costs = evaluate(work, part, technology)
                found += _admitted(costs, workload, word_bits, allowed, sign)
    kept = non_dominated(np.array([_costs(point, sign) for point in found], np.float64).reshape(len(found), 4))
    return tuple(found[index] for index in kept)


def ranked(points: Sequence[Point], goal: Goal, *, higher_is_better: bool = True) -> tuple[Point, ...]:
    """`points` with the best in `goal` first."""
    index, sign = list(Goal).index(goal), -1.0 if higher_is_better else 1.0
    return tuple(sorted(points, key=lambda point: (_costs(point, sign)[index], *_costs(point, sign))))


def best(
    points: Sequence[Point], limits: Limits | None = None, *, goal: Goal = Goal.LATENCY, higher_is_better: bool = True
) -> Point | None:
    """The one of `points` with least of `goal` within `limits`; None where nothing fits.

    A limit on SRAM belongs into `search`: a frontier made without it lacks what only a larger buffer beats.
    """
    allowed, sign = limits or Limits(), -1.0 if higher_is_better else 1.0
    fitting = [point for point in points if _admits(allowed, point, sign)]
    return next(iter(ranked(fitting, goal, higher_is_better=higher_is_better)), None)


def non_dominated(costs: Floats) -> list[int]:
    """Rows of `costs` [n, figures], lower is better, that no other row dominates; of equal rows the first."""
    order: Integers = np.lexsort((np.arange(len(costs)), *costs.T[::-1])).astype(np.int64)
    kept: list[int] = []
    while len(order):  # the least of those left, by first figure, then second ..., cannot be dominated by the others
        first = order[0]
        kept.append(int(first))
        order = order[(costs[order] < costs[first]).any(axis=1)]
    return kept


def _work(workload: Workload) -> Work:
    work = Work.of(workload.layers)
    if not work.names:
        raise BadConfiguration(
            f"no layer of {units.quoted(workload.name)} is a convolution or a matrix product of known shape",
            hint="a systolic array has nothing to do; for dynamic axes, export the model with fixed shapes",
        )
    return work


def _admitted(costs: Costs, workload: Workload, word_bits: int, limits: Limits, sign: float) -> list[Point]:
    """Points within the limits that no other of this part dominates: the metric is the same for all of them."""
    latency, energy, area, metric = costs.latency_ms, costs.energy_mj, costs.area_mm2, workload.metric.get(word_bits)
    if limits.metric is not None and (metric is None or sign * metric > sign * limits.metric):
        return []
    srams = np.array([template.sram_bytes for template in costs.templates], np.float64)
    asked = (limits.latency_ms, limits.energy_mj, limits.area_mm2, limits.sram_bytes)
    figures = np.stack([latency, energy, area, srams], axis=1)
    within = np.flatnonzero((figures <= [np.inf if limit is None else limit for limit in asked]).all(axis=1))
    points = []
    for index in within[non_dominated(figures[within, :3])]:
        template, cycles = costs.templates[index], costs.timing.cycles[index].sum()
        points.append(
            Point(
                workload=workload.name,
                template=template,
                latency_ms=float(latency[index]),
                energy_mj=float(energy[index]),
                area_mm2=float(area[index]),
                cycles=int(cycles),
                stall_cycles=int(costs.timing.stall_cycles[index].sum()),
                utilisation=float(costs.work.macs.sum() / (template.pes * cycles)),
                dram_bytes=float(costs.dram_bytes[index].sum()),
                metric=metric,
            )
        )
    return points


def _admits(limits: Limits, point: Point, sign: float) -> bool:
    pairs = (
        (point.latency_ms, limits.latency_ms),
        (point.energy_mj, limits.energy_mj),
        (point.area_mm2, limits.area_mm2),
        (point.template.sram_bytes, limits.sram_bytes),
    )
    good = limits.metric is None or (point.metric is not None and sign * point.metric <= sign * limits.metric)
    return good and all(limit is None or value <= limit for value, limit in pairs)


def _costs(point: Point, sign: float) -> tuple[float, float, float, float]:
    """Lower is better, in the order of `Goal`."""
    return point.latency_ms, point.energy_mj, point.area_mm2, sign * (point.metric or 0.0)
