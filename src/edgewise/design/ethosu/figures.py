"""From what the compiler says to figures with interval, unit and provenance. Pure."""

from edgewise import units
from edgewise.design.ethosu.compiled import MS_PER_S, Compiled
from edgewise.nouns import Measurement, Provenance, ProvenanceKind, Quantity

CYCLE_ERROR = 0.10
"""How far cycles may be off, as a share: Vela gave MobileNetV2 on an Ethos-U55-128 7.40 to 7.86 million, by version
and settings, where Arm's own table from its cycle-approximate simulator has 7.35 million: up to 7 % over. One model
against one simulator is little evidence, so 10 % either way."""


LATENCIES = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99)
STEADY = (
    "a command stream does not branch, so all percentiles of its latency are one figure; what other users of the"
    " memories add is not in it"
)


def of_compiled(compiled: Compiled, *, date: str = "") -> dict[Quantity, Measurement]:
    """Latency, throughput, memory and flash of `compiled`.

    Memory is SRAM as the compiler allocated it, without the code and the runtime's own; flash is the compiled file.
    A command stream does not branch, so that all calls are alike and every percentile of latency is the same figure;
    what other users of the memories add is not in it (`STEADY` says so). Where operators fall back to the CPU, their
    time is unknown and so are latency and throughput.
    """
    provenance = Provenance(kind=ProvenanceKind.COMPILER, by=compiled.tool, date=date)
    found = {
        Quantity.MEMORY: Measurement.exact(float(compiled.sram_bytes), units.SIZE.base, provenance),
        Quantity.FLASH: Measurement.exact(float(compiled.flash_bytes), units.SIZE.base, provenance),
    }
    if compiled.cpu_operators:
        return found
    low_ms, high_ms = (compiled.inference_ms * (1 + sign * CYCLE_ERROR) for sign in (-1, 1))
    latency = (compiled.inference_ms, low_ms, high_ms)
    rate = (MS_PER_S / compiled.inference_ms, MS_PER_S / high_ms, MS_PER_S / low_ms)
    return found | {
        **{quantity: _estimate(latency, units.TIME.base, provenance) for quantity in LATENCIES},
        Quantity.THROUGHPUT: _estimate(rate, units.RATE.base, provenance),
    }


def _estimate(figure: tuple[float, float, float], unit: str, provenance: Provenance) -> Measurement:
    value, low, high = figure
    return Measurement(value=value, low=low, high=high, unit=unit, n=1, provenance=provenance)
