"""From points of the model to figures with unit and provenance. Pure."""

from edgewise import __version__, units
from edgewise.design.systolic.search import Point
from edgewise.design.systolic.technology import NM45, Technology
from edgewise.nouns import Measurement, Provenance, ProvenanceKind, Quantity

MS_PER_S = 1e3


def of_point(point: Point, technology: Technology = NM45) -> dict[Quantity, Measurement]:
    """Latency, throughput, energy and memory of `point`; memory is the three buffers.

    Latency is exact for the schedule that the model assumes; how far a machine that is built would be off is not
    known. Energy is what the published tables add up to, a lower bound.
    """
    model = Provenance(kind=ProvenanceKind.MODELLED, by=f"edgewise {__version__}, systolic template")
    table = Provenance(
        kind=ProvenanceKind.MODELLED, by=f"edgewise {__version__}, systolic template, {technology.source}"
    )
    return {
        Quantity.LATENCY_P50: Measurement.exact(point.latency_ms, units.TIME.base, model),
        Quantity.THROUGHPUT: Measurement.exact(MS_PER_S / point.latency_ms, units.RATE.base, model),
        Quantity.ENERGY: Measurement.exact(point.energy_mj, units.ENERGY.base, table),
        Quantity.MEMORY: Measurement.exact(float(point.template.sram_bytes), units.SIZE.base, model),
    }
