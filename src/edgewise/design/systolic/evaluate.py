"""What each layer costs on each configuration: the whole model in one call. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from edgewise.design.systolic.energy import Energy, area_mm2
from edgewise.design.systolic.folds import Folds
from edgewise.design.systolic.technology import NM45, Technology
from edgewise.design.systolic.template import Configurations, Floats, Template, Truths
from edgewise.design.systolic.timing import Timing
from edgewise.design.systolic.traffic import Traffic
from edgewise.design.systolic.work import Work

Arrays = TypeVar("Arrays", Folds, Traffic, Timing)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """The costs of `work` on `templates`; arrays are [configurations, layers], sums over layers [configurations].

    Where `folds.pieces` is more than one the stream is cut. `folds` and `traffic` are of one group, `timing` and
    `energy` of whole layers.
    """

    templates: tuple[Template, ...]
    work: Work
    built: Configurations
    folds: Folds
    traffic: Traffic
    timing: Timing
    energy: Energy
    area_mm2: Floats

    @property
    def utilisation(self) -> Floats:
        """Share of all PEs and cycles that multiplies something that is asked for, stalls included."""
        return self.work.macs / (self.built.rows * self.built.columns * self.timing.cycles)

    @property
    def dram_bytes(self) -> Floats:
        """To and from the memory outside, [configurations, layers]."""
        return self.work.groups * self.traffic.dram_bits(self.built) / 8

    @property
    def latency_ms(self) -> Floats:
        """Of one inference, [configurations]."""
        clocks_hz = np.array([template.clock_hz for template in self.templates], np.float64)
        return np.asarray(1e3 * self.timing.cycles.sum(axis=1) / clocks_hz, np.float64)

    @property
    def energy_mj(self) -> Floats:
        """Of one inference, [configurations]."""
        return np.asarray(self.energy.total_pj.sum(axis=1) * 1e-9, np.float64)


def evaluate(work: Work, templates: Sequence[Template], technology: Technology = NM45) -> Costs:
    """Costs of `work` on every one of `templates`; of the two schedules (see `folds`), the faster for each layer.

    Memory: about 500 bytes for each pair of configuration and layer; `search` takes thousands in parts.
    """
    built = Configurations.of(templates)
    whole, cut = (_scheduled(work, built, cut=cut) for cut in (False, True))
    better = cut[2].cycles < whole[2].cycles
    folds, traffic = _chosen(better, cut[0], whole[0]), _chosen(better, cut[1], whole[1])
    return Costs(
        templates=tuple(templates),
        work=work,
        built=built,
        folds=folds,
        traffic=traffic,
        timing=_chosen(better, cut[2], whole[2]),
        energy=Energy.of(work, templates, built, traffic, technology),
        area_mm2=area_mm2(templates),
    )


def _scheduled(work: Work, built: Configurations, *, cut: bool) -> tuple[Folds, Traffic, Timing]:
    folds = Folds.of(work, built, cut=cut)
    traffic = Traffic.of(work, built, folds)
    return folds, traffic, Timing.of(work, built, folds, traffic)


def _chosen(when: Truths, one: Arrays, other: Arrays) -> Arrays:
    """`one` where `when`, else `other`, array by array."""
    pairs = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)}
    return type(one)(**{name: np.where(when, *pair) for name, pair in pairs.items()})
