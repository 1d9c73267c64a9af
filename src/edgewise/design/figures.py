"""From raw timings to figures with interval, unit, n and provenance."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgewise import units
from edgewise.design import statistics
from edgewise.design.measure import MIN_CALLS_FOR_P99, PERCENTILES, Timing
from edgewise.design.statistics import Estimate
from edgewise.design.windows import Window
from edgewise.nouns import Machine, MachineChoice, Measurement, Provenance, ProvenanceKind, Quantity

MS_PER_S = 1e3
NS_PER_S = 1e9
MJ_PER_J = 1e3


def measurement(estimate: Estimate, unit: str, provenance: Provenance, *, spread: float | None = None) -> Measurement:
    """`estimate` as a figure."""
    return Measurement(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unit=unit,
        n=estimate.n,
        provenance=provenance,
        spread=spread,
    )


def of_timing(
    timing: Timing, provenance: Provenance, *, meter: str = "", declared_watt: float | None = None
) -> dict[Quantity, Measurement]:
    """Latency percentiles, throughput, load time, memory, and energy and power where they can be told.

    Args:
        meter: name of the meter that `timing.joules` or `timing.windows` were read from.
        declared_watt: power under load as declared by the user, for an estimate where there is no meter.
    """
    bursts = timing.milliseconds()
    pooled = np.concatenate(bursts)
    quartiles = np.percentile(pooled, [25, 75])
    spread = float(quartiles[1] - quartiles[0])
    found = {
        Quantity.LATENCY_MIN: Measurement.exact(float(pooled.min()), units.TIME.base, provenance),
        Quantity.THROUGHPUT: _throughput(bursts, provenance),
        Quantity.LOAD_TIME: Measurement.exact(timing.load_ms, units.TIME.base, provenance),
        Quantity.MEMORY: Measurement.exact(float(timing.peak_rss_bytes), units.SIZE.base, provenance),
    }
    for quantity, percent in PERCENTILES.items():
        if quantity is Quantity.LATENCY_P99 and timing.calls < MIN_CALLS_FOR_P99:
            continue
        estimate = statistics.percentile_of_bursts(bursts, percent)
        found[quantity] = measurement(estimate, units.TIME.base, provenance, spread=spread)
    return found | _energy(timing, provenance, meter, declared_watt)


def of_machine(machine: Machine, choice: MachineChoice | None) -> dict[Quantity, Measurement]:
    """Price and power under load of `machine`: as declared in edge.yaml, else as published in the catalogue."""
    declared = Provenance(kind=ProvenanceKind.DECLARED, by="edge.yaml")
    price, power = machine.price, machine.power_loaded
    if choice is not None and choice.price_usd is not None:
        price = Measurement.exact(choice.price_usd, units.PRICE.base, declared)
    if choice is not None and choice.power_watt is not None:
        power = Measurement.exact(choice.power_watt, units.POWER.base, declared)
    found = {Quantity.PRICE: price, Quantity.POWER: power}
    return {quantity: figure for quantity, figure in found.items() if figure is not None}


def of_power(known: Mapping[Quantity, Measurement]) -> dict[Quantity, Measurement]:
    """Energy of one inference as power under load times median latency, where both are in `known`.

    More than the model's own share where the power is the whole machine's; the provenance is that of the power.
    """
    power, latency = known.get(Quantity.POWER), known.get(Quantity.LATENCY_P50)
    if power is None or latency is None:
        return {}
    source = replace(power.provenance, by=f"power ({power.provenance.by}) times latency ({latency.provenance.kind})")
    return {
        Quantity.ENERGY: Measurement(
            value=power.value * latency.value,
            low=power.low * latency.low,
            high=power.high * latency.high,
            unit=units.ENERGY.base,
            n=latency.n,
            provenance=source,
        )
    }


def _throughput(bursts: list[statistics.Floats], provenance: Provenance) -> Measurement:
    """Inferences a second, one at a time, from the mean time of each burst."""
    rates = np.array([MS_PER_S / burst.mean() for burst in bursts])
    return _median_of_bursts(rates, units.RATE.base, provenance)


def _energy(
    timing: Timing, provenance: Provenance, meter: str, declared_watt: float | None
) -> dict[Quantity, Measurement]:
    calls = np.array([len(burst) for burst in timing.bursts_ns])
    seconds = np.array([sum(burst) for burst in timing.bursts_ns]) / NS_PER_S
    source = Provenance(kind=ProvenanceKind.MEASURED, by=meter, date=provenance.date, load=provenance.load)
    if timing.windows:
        windows = [Window.of(record) for record in timing.windows]
        watts = np.array([window.joules / window.seconds for window in windows])
        each_s = np.array([window.inference_s for window in windows])
        return {
            Quantity.ENERGY: _median_of_bursts(MJ_PER_J * watts * each_s, units.ENERGY.base, source),
            Quantity.POWER: _median_of_bursts(watts, units.POWER.base, source),
        }
    if any(timing.joules):  # a counter that stands still, as in many virtual machines, tells nothing
        joules = np.array(timing.joules)
        power = _median_of_bursts(joules / seconds, units.POWER.base, source)
    elif declared_watt is not None:
        source = Provenance(
            kind=ProvenanceKind.DECLARED,
            by=f"CPU time of one inference at {units.show(declared_watt, units.POWER)} as declared",
            date=provenance.date,
        )
        joules = declared_watt * np.array(timing.cpu_ns) / NS_PER_S
        power = Measurement.exact(declared_watt, units.POWER.base, source)
    else:
        return {}
    energy = _median_of_bursts(MJ_PER_J * joules / calls, units.ENERGY.base, source)
    return {Quantity.ENERGY: energy, Quantity.POWER: power}


def _median_of_bursts(values: statistics.Floats, unit: str, provenance: Provenance) -> Measurement:
    """Median of one value a burst, [bursts], with its interval."""
    bursts = [values[index : index + 1] for index in range(len(values))]
    return measurement(statistics.percentile_of_bursts(bursts, 50), unit, provenance)
