"""Energy by counted operations and accesses, and the area that is built. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from edgewise.design.systolic.technology import SRAM_CELL_UM2, Technology, pe_um2
from edgewise.design.systolic.template import Configurations, Floats, Template
from edgewise.design.systolic.traffic import Traffic
from edgewise.design.systolic.work import Work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Energy:
    """Of whole layers, groups included, [configurations, layers], in pJ. Idle PEs cost nothing."""

    mac_pj: Floats
    sram_pj: Floats
    dram_pj: Floats

    @classmethod
    def of(
        cls, work: Work, templates: Sequence[Template], built: Configurations, traffic: Traffic, technology: Technology
    ) -> Self:
        """What `work` takes on every configuration.

        Whatever is fetched is written into its buffer once and whatever is sent out is read from it once, beside what
        the array reads and writes.
        """
        ifmap_bits = (traffic.ifmap_sram_reads + traffic.ifmap_dram_reads) * built.word_bits
        filter_bits = (traffic.filter_sram_reads + traffic.filter_dram_reads) * built.word_bits
        sum_bits = 2 * (traffic.sums_sram + traffic.sums_dram) * built.accumulator_bits
        ofmap_bits = sum_bits + 2 * traffic.outputs * built.word_bits
        moved = zip(("ifmap", "filter", "ofmap"), (ifmap_bits, filter_bits, ofmap_bits), strict=True)
        sram_pj = sum(
            bits * technology.sram_pj_per_bit(_sizes(templates, f"{buffer}_sram_bytes")) for buffer, bits in moved
        )
        return cls(
            mac_pj=work.macs * technology.mac_pj(built.word_bits, built.accumulator_bits),
            sram_pj=np.asarray(work.groups * sram_pj, np.float64),
            dram_pj=np.asarray(work.groups * traffic.dram_bits(built) * technology.dram_pj_per_bit, np.float64),
        )

    @property
    def total_pj(self) -> Floats:
        """All together."""
        return self.mac_pj + self.sram_pj + self.dram_pj


def area_mm2(templates: Sequence[Template]) -> Floats:
    """Proxy of the area of each template in 45 nm: multipliers, adders and SRAM cells, [configurations]."""
    pes, words, sums = (_sizes(templates, name)[:, 0] for name in ("pes", "word_bits", "accumulator_bits"))
    cells_um2 = _sizes(templates, "sram_bytes")[:, 0] * 8 * SRAM_CELL_UM2
    return np.asarray((pes * pe_um2(words, sums) + cells_um2) / 1e6, np.float64)


def _sizes(templates: Sequence[Template], name: str) -> Floats:
    return np.array([getattr(template, name) for template in templates], np.float64).reshape(-1, 1)
