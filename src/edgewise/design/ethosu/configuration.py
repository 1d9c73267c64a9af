"""What an Ethos-U and its compiler can be set to, and how that is said to the compiler. Pure.

Vela's library and its command line have different defaults: the library takes an arena limit of nothing where
the command line takes all addresses. So every setting is stated here, none is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from edgewise.errors import BadConfiguration

KIB = 1024
DEDICATED_LIMIT_BYTES = 384 * KIB
"""Arena limit of the memory mode that Vela takes for U65 and U85 when none is named: Dedicated_Sram_384KB."""


class MemoryMode(StrEnum):
    """Where constants, feature maps and staged data lie; sections `Memory_Mode.*` of Arm's vela.ini.

    SRAM_ONLY keeps everything in SRAM, constants included. SHARED_SRAM keeps constants in flash or DRAM.
    DEDICATED_SRAM keeps constants and feature maps in DRAM, and SRAM is the NPU's own cache.
    """

    SRAM_ONLY = "Sram_Only"
    SHARED_SRAM = "Shared_Sram"
    DEDICATED_SRAM = "Dedicated_Sram"


class Strategy(StrEnum):
    """What the scheduler prefers."""

    PERFORMANCE = "Performance"
    SIZE = "Size"


class Feature(StrEnum):
    """Parts of the scheduler that can be switched off; without one of them, a design is often smaller."""

    CASCADING = "Cascading"
    WEIGHT_BUFFERING = "WeightBuffering"
    REUSE_IFM = "ReuseIFM"
    GROUPING = "Grouping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A generation of the NPU.

    Attributes:
        title: what the compiler calls it.
        macs: multiply-accumulates per cycle that it is built with.
        modes: memory modes that make sense; the U55 has no second memory that it may write to.
        address_bits: width of an address, which bounds an arena.
        system: section `System_Config.*` of Arm's vela.ini that the command line takes when none is named.
        clock_hz: `core_clock` of that section.
        features: parts of the scheduler that do something for it.
    """

    title: str
    macs: tuple[int, ...]
    modes: tuple[MemoryMode, ...]
    address_bits: int
    system: str
    clock_hz: float
    features: tuple[Feature, ...]


_EACH = (Feature.CASCADING, Feature.WEIGHT_BUFFERING, Feature.REUSE_IFM)
_ALL_MODES = (MemoryMode.DEDICATED_SRAM, MemoryMode.SHARED_SRAM, MemoryMode.SRAM_ONLY)
FAMILIES: Mapping[str, Family] = {
    "ethos-u55": Family(
        title="EthosU55",
        macs=(32, 64, 128, 256),
        modes=(MemoryMode.SHARED_SRAM, MemoryMode.SRAM_ONLY),
        address_bits=32,
        system="Ethos_U55_High_End_Embedded",
        clock_hz=500e6,
        features=_EACH,
    ),
    "ethos-u65": Family(
        title="EthosU65",
        macs=(256, 512),
        modes=_ALL_MODES,
        address_bits=40,
        system="Ethos_U65_Client_Server",
        clock_hz=1e9,
        features=_EACH,
    ),
    "ethos-u85": Family(
        title="EthosU85",
        macs=(128, 256, 512, 1024, 2048),
        modes=_ALL_MODES,
        address_bits=40,
        system="Ethos_U85_SYS_DRAM_Mid",
        clock_hz=1e9,
        features=(*_EACH, Feature.GROUPING),
    ),
}
"""By name; the first of `modes` is the one that Vela takes when none is named."""
_CORES = {("ethos-u65", 512): 2}
"""Built of several cores; `macs` of the compiler are those of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Npu:
    """An Ethos-U of one size.

    Raises:
        BadConfiguration: Arm does not make it.
    """

    family: str
    macs: int

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise BadConfiguration(f"there is no {self.family!r}", hint=f"there are {', '.join(FAMILIES)}")
        if self.macs not in FAMILIES[self.family].macs:
            made = ", ".join(map(str, FAMILIES[self.family].macs))
            raise BadConfiguration(f"no {self.family} has {self.macs} MACs", hint=f"it is made with {made}")

    @classmethod
    def named(cls, name: str) -> Self:
        """The NPU that Arm and Vela call `name`, e.g. "ethos-u55-128"."""
        found = re.fullmatch(r"(ethos-u\d+)-(\d+)", name)
        if found is None:
            raise BadConfiguration(f"{name!r} is no Ethos-U", hint="name it like ethos-u55-128")
        return cls(family=found[1], macs=int(found[2]))

    def __str__(self) -> str:
        return f"{self.family}-{self.macs}"

    @property
    def traits(self) -> Family:
        """What holds for its family."""
        return FAMILIES[self.family]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that decides what the compiler makes, and the clock that turns its cycles into time.

    Attributes:
        arena_limit_bytes: SRAM to stay within: a wish where feature maps lie in SRAM, a bound in DEDICATED_SRAM.
        system: section `System_Config.*` of Arm's vela.ini: which memories there are, and how fast beside the core.
        disabled: parts of the scheduler that are switched off, sorted.
    """

    npu: Npu
    memory_mode: MemoryMode
    strategy: Strategy
    arena_limit_bytes: int
    system: str
    clock_hz: float
    disabled: tuple[Feature, ...] = ()

    @classmethod
    def default(
        cls, npu: Npu, memory_mode: MemoryMode | None = None, *, system: str = "", clock_hz: float | None = None
    ) -> Self:
        """What Vela's command line takes for `npu` when nothing more is said, or nothing but the memory mode."""
        mode = memory_mode or npu.traits.modes[0]
        return cls(
            npu=npu,
            memory_mode=mode,
            strategy=Strategy.PERFORMANCE,
            arena_limit_bytes=DEDICATED_LIMIT_BYTES if mode is MemoryMode.DEDICATED_SRAM else unlimited(npu),
            system=system or npu.traits.system,
            clock_hz=clock_hz or npu.traits.clock_hz,
        )

    def changed(self, **settings: Any) -> Self:
        """This with other settings."""
        return replace(self, **settings)

    def document(self) -> dict[str, Any]:
        """What decides the compiler's result, as JSON: all but the clock."""
        document = asdict(self) | {"disabled": list(self.disabled)}
        del document["clock_hz"]
        return document


def unlimited(npu: Npu) -> int:
    """An arena limit that does not bind: all addresses."""
    return int(1 << npu.traits.address_bits)


def system_text(configuration: Configuration, vela_ini: str) -> str:
    """The compiler's system configuration: this NPU and mode, then Arm's file that describes them."""
    npu = configuration.npu
    cores = _CORES.get((npu.family, npu.macs), 1)
    chosen = _ini({
        "architecture": {"macs": npu.macs // cores, "cores": cores},
        "vela": {"system_config_name": configuration.system, "memory_mode_name": configuration.memory_mode},
    })  # fmt: skip
    return chosen + vela_ini


def options_text(configuration: Configuration) -> str:
    """The compiler's options, those of the command line's defaults where the configuration says nothing."""
    return _ini({
        "compiler": {"enable_db": "true", "output_format": "TFLite", "cop_format": "COP1"},
        "scheduler": {
            "optimize": configuration.strategy,
            "arena_size_limit": configuration.arena_limit_bytes,
            "disable_feature": "|".join(configuration.disabled),
            "cpu_tensor_alignment": 16,
            "tensor_allocator": "HillClimb",
        },
        "graph": {"softmax_int16_neg_exp_range": 10.0},
    })  # fmt: skip


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for name, entries in sections.items():
        lines += [f"[{name}]", *(f"{key}={value}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"
