"""What was measured on a machine, kept so that estimates for it and its like lean on it.

One row for each runtime, network, precision, batch and number of threads: of the designs that share these the fastest,
so that a model with many recipes counts once. Measuring again replaces the row. Only what was measured is kept: an
estimate must never calibrate an estimate.
"""

from dataclasses import dataclass

from pydantic import TypeAdapter

from edgewise.hardware.calibration import Network, Row
from edgewise.nouns import Design, Measurement, Plan, ProvenanceKind, Quantity, Stage
from edgewise.store import steps
from edgewise.store.steps import Store

UJ_PER_MJ = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of one machine: rows, and the networks that they speak of, which are named by digest."""

    rows: tuple[Row, ...] = ()
    networks: tuple[Network, ...] = ()


_MEASURED = TypeAdapter(Measured)


def remember(made: Plan, store: Store, *, machine: str, accelerator: str = "cpu", batch: int = 1) -> Measured:
    """Keep what `made` measured; everything that is now known of the machine.

    Args:
        machine: name in the catalogue of the machine that was measured, or its identity where it has none.
        accelerator: name of the part of it that computed.
        batch: inferences in one call.
    """
    known = recall(store, machine=machine)
    rows = {row.identity[:-1]: row for row in known.rows}
    for row in _rows(made, machine, accelerator, batch):
        rows[row.identity[:-1]] = row
    networks = {network.name: network for network in known.networks}
    networks[made.model.digest] = Network(name=made.model.digest, layers=made.model.layers)
    named = {row.network for row in rows.values()}
    result = Measured(
        rows=tuple(rows.values()), networks=tuple(network for name, network in networks.items() if name in named)
    )
    if result != known:
        store.record(_key(machine), _MEASURED.dump_python(result, mode="json"))
    return result


def recall(store: Store, *, machine: str) -> Measured:
    """What was measured on the machine so far; nothing is an answer too."""
    known = store.recall(_key(machine))
    return Measured() if known is None else _MEASURED.validate_python(known)


def _key(machine: str) -> str:
    return steps.key("measured", machine=machine)


def _rows(made: Plan, machine: str, accelerator: str, batch: int) -> list[Row]:
    """Rows of what `made` measured, the fastest of those that say the same last."""
    found = []
    for design in (verdict.design for verdict in made.verdicts):
        latency = _measured(design, Quantity.LATENCY_P50)
        if design.stage is not Stage.TIMED or latency is None:
            continue
        energy, power = _measured(design, Quantity.ENERGY), _measured(design, Quantity.POWER)
        row = Row(
            machine=machine,
            accelerator=accelerator,
            runtime=design.configuration.runtime.value,
            network=made.model.digest,
            precision=design.recipe.precision,
            batch=batch,
            threads=design.configuration.threads,
            latency_ms=latency.value,
            energy_uj=None if energy is None else energy.value * UJ_PER_MJ,
            power_watt=None if power is None else power.value,
            source=f"measured with edgewise {made.edgewise} on {latency.provenance.by}",
            date=latency.provenance.date[:10],
        )
        found.append((latency.value, row))
    return [row for _, row in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _measured(design: Design, quantity: Quantity) -> Measurement | None:
    figure = design.figures.get(quantity)
    return figure if figure is not None and figure.provenance.kind is ProvenanceKind.MEASURED else None
