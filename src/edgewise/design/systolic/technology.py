"""What an operation or an access costs: published tables, and the law that carries them to other widths and sizes.

Between and beyond the published points a quantity follows the power law through the two nearest (a straight line on
double logarithmic paper): multipliers then grow with about the square of their width, adders about linearly, an access
to an SRAM with about the square root of its size. Only what is published counts: no registers in the PEs, no clock
tree, no control, no leakage, no wires between array and buffers. So energy and area are lower bounds, good for
comparing templates with each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.design.systolic.template import Floats

HOROWITZ = (
    "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, pp. 10-14, figure 1.1.9: "
    "45 nm, 0.9 V"
)
TPUV4I = "N. P. Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2: 7 nm"
SYNTHESIS = (
    "area of arithmetic beside Horowitz's energies, synthesised for TSMC 45 nm, as printed in V. Sze et al., Efficient "
    "processing of deep neural networks, Proc. IEEE 105 (12), 2017, and in S. Han's lectures"
)
CELL = "K. Mistry et al., A 45nm logic technology, IEDM 2007: 6T SRAM cell of 0.346 square micrometres"
ACCESS_BITS = 64
"""Width of the accesses that the tables speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """Energies of a process.

    Attributes:
        multiply_pj, add_pj: of integers, by width in bits.
        sram_pj: of an access of 64 bits, by size of the SRAM in bytes.
        dram_pj: of 64 bits from or to the memory outside.
        source: where the figures are published.
    """

    name: str
    multiply_pj: Mapping[int, float]
    add_pj: Mapping[int, float]
    sram_pj: Mapping[int, float]
    dram_pj: float
    source: str

    def mac_pj(self, word_bits: NDArray[Any], sum_bits: NDArray[Any]) -> Floats:
        """Of a multiplication of words and an addition to a sum."""
        return power_law(self.multiply_pj, word_bits) + power_law(self.add_pj, sum_bits)

    def sram_pj_per_bit(self, size_bytes: NDArray[Any]) -> Floats:
        """Of reading or writing, by the size of the buffer."""
        return power_law(self.sram_pj, size_bytes) / ACCESS_BITS

    @property
    def dram_pj_per_bit(self) -> float:
        """Of the memory outside."""
        return self.dram_pj / ACCESS_BITS


KIB = 1024
NM45 = Technology(
    name="45nm",
    multiply_pj={8: 0.2, 32: 3.1},
    add_pj={8: 0.03, 16: 0.05, 32: 0.1},
    sram_pj={8 * KIB: 10.0, 32 * KIB: 20.0, 1024 * KIB: 100.0},
    dram_pj=1300.0,  # the lower end of the 1.3 to 2.6 nJ that are given
    source=HOROWITZ,
)
NM7 = Technology(
    name="7nm",
    multiply_pj={8: 0.07, 32: 1.48},
    add_pj={8: 0.007, 32: 0.03},
    sram_pj={8 * KIB: 7.5, 32 * KIB: 8.5, 1024 * KIB: 14.0},
    dram_pj=1300.0,  # DDR3 and DDR4: the interface does not shrink with the process
    source=TPUV4I,
)
TECHNOLOGIES = {technology.name: technology for technology in (NM45, NM7)}

MULTIPLIER_UM2 = {8: 282.0, 32: 3495.0}
ADDER_UM2 = {8: 36.0, 16: 67.0, 32: 137.0}
SRAM_CELL_UM2 = 0.346
"""Areas are of 45 nm whatever the energies are of: nothing comparable is published for 7 nm.

MULTIPLIER_UM2 and ADDER_UM2 by width in bits (SYNTHESIS); the cell alone, without decoders and amplifiers (CELL)."""


def pe_um2(word_bits: NDArray[Any], sum_bits: NDArray[Any]) -> Floats:
    """Area of a PE's multiplier and adder (SYNTHESIS)."""
    return power_law(MULTIPLIER_UM2, word_bits) + power_law(ADDER_UM2, sum_bits)


def power_law(points: Mapping[int, float], at: NDArray[Any]) -> Floats:
    """Value at `at`: the power law through the two points around it, or through the two nearest."""
    xs, ys = np.log(list(points)), np.log(list(points.values()))
    wanted = np.log(np.asarray(at, np.float64))
    left = np.clip(np.searchsorted(xs, wanted) - 1, 0, len(xs) - 2)
    slope = (ys[left + 1] - ys[left]) / (xs[left + 1] - xs[left])
    return np.asarray(np.exp(ys[left] + slope * (wanted - xs[left])), np.float64)
