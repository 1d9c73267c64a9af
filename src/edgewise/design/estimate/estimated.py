"""What an estimate says: figures, layer by layer, and what it stands on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgewise.design.estimate.coverage import Coverage
from edgewise.nouns import Measurement, Quantity

Bound = Literal["compute", "memory", "overhead", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """One layer's part of the latency, in ms.

    Attributes:
        time_ms: what it adds; where memory overlaps with arithmetic, less than the sum of both.
        memory_ms: of weights and activations, those included that are streamed onto the chip.
        bound: what most of the time is.
    """

    name: str
    operator: str
    time_ms: float
    compute_ms: float
    memory_ms: float
    overhead_ms: float
    on_accelerator: bool
    bound: Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """Figures for a machine that is not here.

    Attributes:
        figures: LATENCY_P50, and ENERGY and POWER where there is a basis; the intervals are of 90 %.
        call_ms: of the latency, what a call costs whatever the model.
        fallback_ms: of the latency, what the host's CPU computes because the accelerator cannot.
        coverage: None where the vendor's table is not known, or the accelerator is a CPU.
        caveats: what must be known before a figure is used, one clause each.
    """

    figures: Mapping[Quantity, Measurement]
    layers: tuple[LayerEstimate, ...]
    call_ms: float
    fallback_ms: float
    coverage: Coverage | None
    caveats: tuple[str, ...]
