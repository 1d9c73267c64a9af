"""Energy of an inference where there is no meter. Pure.

Where energies are published for machines of the kind: MACs and bytes times non-negative prices fitted on them
(`hierarchy.ENERGY`), with the interval of networks held out. Else power times latency: declared by the user, or the
catalogue's loaded power, which is a bound from above, for a chip seldom draws all it may.
"""

from edgewise import units
from edgewise.design.estimate.fitted import Fitted
from edgewise.design.estimate.hierarchy import total
from edgewise.design.estimate.intervals import Width
from edgewise.design.estimate.support import Support
from edgewise.design.estimate.terms import amounts
from edgewise.nouns import Layer, Machine, Measurement, Provenance, ProvenanceKind


def of_rows(
    layers: tuple[Layer, ...], fitted: Fitted, support: Support, *, precision: str, by: str, date: str
) -> tuple[Measurement, Width]:
    """Energy in mJ by prices fitted on published energies."""
    own = amounts(layers, fitted.kind, precision)
    value = total(support.prices, own, overlaps=fitted.prices.shape.overlaps)
    width = fitted.width(support.series).widened(support.spread)
    provenance = Provenance(kind=ProvenanceKind.CALIBRATED, by=by, date=date)
    return interval(value, width, units.ENERGY.base, len(fitted.points), provenance), width


def of_power(
    latency: Measurement, machine: Machine, declared_watt: float | None
) -> tuple[Measurement, Measurement, str] | None:
    """Energy (mJ) and power (W) as power times `latency` (ms), and what must be known; None where no power is known."""
    date = latency.provenance.date
    if declared_watt is not None:
        declared = Provenance(kind=ProvenanceKind.DECLARED, by="declared power under load", date=date)
        power = Measurement.exact(declared_watt, units.POWER.base, declared)
        return _times(latency, power), power, "its energy is the declared power times latency"
    if machine.power_loaded is None:
        return None
    loaded = machine.power_loaded
    idle_watt = machine.power_idle.value if machine.power_idle is not None else 0.0
    by = f"at most the catalogue's power under load ({loaded.provenance.by})"
    power = Measurement(
        value=loaded.value,
        low=idle_watt,
        high=loaded.value,
        unit=units.POWER.base,
        n=1,
        provenance=Provenance(kind=ProvenanceKind.CALIBRATED, by=by, date=date),
    )
    words = f"its energy is the catalogue's {loaded.value:g} W under load, seldom reached, times latency"
    return _times(latency, power), power, words


def power_of(energy: Measurement, latency: Measurement) -> Measurement:
    """Power in W while it runs; the interval is the energy's, for latency errs along with it."""
    per_ms = 1 / latency.value
    return Measurement(
        value=energy.value * per_ms,
        low=energy.low * per_ms,
        high=energy.high * per_ms,
        unit=units.POWER.base,
        n=energy.n,
        provenance=energy.provenance,
    )


def interval(value: float, width: Width, unit: str, n: int, provenance: Provenance) -> Measurement:
    """`value` with a factor either way."""
    return Measurement(
        value=value, low=value / width.factor, high=value * width.factor, unit=unit, n=n, provenance=provenance
    )


def _times(latency: Measurement, power: Measurement) -> Measurement:
    by = f"{power.provenance.by}, times latency: {latency.provenance.by}"
    return Measurement(
        value=latency.value * power.value,
        low=latency.low * power.low,
        high=latency.high * power.high,
        unit=units.ENERGY.base,
        n=latency.n,
        provenance=Provenance(kind=power.provenance.kind, by=by, date=latency.provenance.date),
    )
