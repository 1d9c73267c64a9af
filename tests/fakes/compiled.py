"""Compiled configurations with the figures that a test wants."""

from edgewise.design.ethosu.compiled import Compiled
from edgewise.design.ethosu.configuration import Configuration, Npu

NPU = Npu(family="ethos-u55", macs=128)
DEFAULT = Configuration.default(NPU)


def compiled(
    cycles: int = 1000,
    sram: int = 1000,
    flash: int = 1000,
    dram: int = 0,
    cpu: int = 0,
    configuration: Configuration = DEFAULT,
) -> Compiled:
    return Compiled(
        configuration=configuration, cycles=cycles, npu_cycles=cycles, sram_bytes=sram, dram_bytes=dram,
        flash_bytes=flash, constant_bytes=flash, traffic=(), npu_operators=3,
        cpu_operators=tuple(f"Softmax {number}" for number in range(cpu)), macs=10, tool="ethos-u-vela 5.2.0",
    )  # fmt: skip
