"""What the compiler says about one configuration, as frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from edgewise.design.ethosu.configuration import Configuration

MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that one inference moves over one memory, as the compiler names it: "Sram", "Dram", "OffChipFlash"."""

    memory: str
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One model, compiled for one configuration.

    Attributes:
        cycles: of one inference, memory stalls included, operators on the CPU not.
        npu_cycles: of arithmetic alone.
        sram_bytes: most that lies in SRAM at once; constants included in the mode that keeps them there.
        dram_bytes: most that lies in DRAM at once.
        flash_bytes: the compiled file, which the device has to keep.
        constant_bytes: encoded weights, biases and tables.
        npu_operators: how many operators run on the NPU, after the compiler split and fused them.
        cpu_operators: operators that the NPU cannot run, "Operator name" each; their time is unknown.
        macs: multiply-accumulates of one inference on the NPU.
        tool: the compiler with its version.
    """

    configuration: Configuration
    cycles: int
    npu_cycles: int
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    constant_bytes: int
    traffic: tuple[Traffic, ...]
    npu_operators: int
    cpu_operators: tuple[str, ...]
    macs: int
    tool: str

    @property
    def inference_ms(self) -> float:
        """Time of one inference at the configuration's clock, operators on the CPU left out."""
        return MS_PER_S * self.cycles / self.configuration.clock_hz

    def document(self) -> dict[str, Any]:
        """All but the configuration, as JSON."""
        document = asdict(self)
        del document["configuration"]
        return document

    @classmethod
    def of(cls, configuration: Configuration, document: Mapping[str, Any]) -> Self:
        """What `document` was made of."""
        traffic = tuple(Traffic(**entry) for entry in document["traffic"])
        rest = {key: value for key, value in document.items() if key not in ("traffic", "cpu_operators")}
        return cls(configuration=configuration, traffic=traffic, cpu_operators=tuple(document["cpu_operators"]), **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A configuration that cannot be compiled, with the reason in a sentence.

    Attributes:
        lasting: trying again would end the same; False for crashes, timeouts and trouble with memory.
    """

    configuration: Configuration
    reason: str
    lasting: bool
