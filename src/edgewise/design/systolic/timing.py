"""How long a layer takes, memory included. Pure.

While the array works through one column fold, what the next needs is fetched and what the last gave is sent out: a
pass takes the longer of its arithmetic and its transfers (double buffering, at its best: within a pass, transfers
spread evenly). Before the first fold its operands have to come in, after the last its outputs have to go out; layers
do not overlap. All that the layer takes beyond its arithmetic counts as stall.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgewise.design.systolic.folds import Folds
from edgewise.design.systolic.template import Configurations, Floats, Integers
from edgewise.design.systolic.traffic import Traffic
from edgewise.design.systolic.work import Work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timing:
    """Cycles of whole layers, groups included, [configurations, layers]."""

    compute_cycles: Integers
    stall_cycles: Floats

    @classmethod
    def of(cls, work: Work, built: Configurations, folds: Folds, traffic: Traffic) -> Self:
        """The time of `work` on every configuration."""
        later_bits = traffic.later_pass * built.word_bits
        once_bits = traffic.first_pass * built.word_bits
        shared_bits = traffic.dram_bits(built) - once_bits - (folds.column_folds - 1) * later_bits
        each_bits = shared_bits / folds.column_folds
        fill, drain = (words * built.word_bits / built.bits_per_cycle for words in (traffic.fill, traffic.drain))
        first = (once_bits + each_bits) / built.bits_per_cycle
        later = (later_bits + each_bits) / built.bits_per_cycle
        start = np.maximum(folds.pass_cycles, first - fill)
        firsts = (work.groups - 1) * np.maximum(folds.pass_cycles, first)
        laters = work.groups * (folds.column_folds - 1) * np.maximum(folds.pass_cycles, later)
        last = np.where(folds.column_folds > 1, later, np.where(work.groups > 1, first, first - fill))
        in_time = np.maximum(folds.pass_cycles, last) - np.maximum(folds.pass_cycles, last - drain)
        compute = folds.cycles * work.groups
        waited = fill + start + firsts + laters + drain - in_time - compute
        return cls(compute_cycles=compute, stall_cycles=np.maximum(np.ceil(np.round(waited, 6)), 0))

    @property
    def cycles(self) -> Floats:
        """Whole numbers of cycles, as floats."""
        return self.compute_cycles + self.stall_cycles
