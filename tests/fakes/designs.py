"""Single designs with the figures that a test asks for, and budgets that judge them."""

from collections.abc import Mapping

from edgewise import units
from edgewise.nouns import (
    Budget,
    Design,
    Limit,
    Measurement,
    Metric,
    ModelFormat,
    Provenance,
    ProvenanceKind,
    Quantity,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
)

ACCURACY = Metric(name="accuracy", higher_is_better=True, against="labels")
HERE = Provenance(kind=ProvenanceKind.MEASURED, by="a CPU", date="2026-03-14")

UNITS: Mapping[Quantity, str] = {
    Quantity.LATENCY_P50: units.TIME.base,
    Quantity.LATENCY_P90: units.TIME.base,
    Quantity.LATENCY_P99: units.TIME.base,
    Quantity.THROUGHPUT: units.RATE.base,
    Quantity.MEMORY: units.SIZE.base,
    Quantity.FLASH: units.SIZE.base,
    Quantity.ENERGY: units.ENERGY.base,
    Quantity.PRICE: units.PRICE.base,
}

Span = float | tuple[float, float, float]
"""An exact figure, or its low end, value and high end."""


def figure(quantity: Quantity, span: Span, *, n: int = 300) -> Measurement:
    """A measured figure of `quantity`."""
    low, value, high = span if isinstance(span, tuple) else (span, span, span)
    return Measurement(value=value, low=low, high=high, unit=UNITS.get(quantity, ""), n=n, provenance=HERE)


def timed(name: str, figures: Mapping[Quantity, Span], *, threads: int = 1, recipe: str = "") -> Design:
    """A design that was timed; what every timed design has is filled in where `figures` leaves it out."""
    plain: Mapping[Quantity, Span] = {
        Quantity.METRIC: 0.9,
        Quantity.DROP: (-0.01, 0.0, 0.0),
        Quantity.LATENCY_P50: (0.9, 1.0, 1.1),
        Quantity.MEMORY: 2.0**20,
        Quantity.FLASH: 2.0**17,
    }
    return Design(
        name=name,
        machine="this",
        recipe=Recipe(name=recipe or name, method="given", format=ModelFormat.ONNX, precision="fp32"),
        configuration=RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1", threads=threads),
        stage=Stage.TIMED,
        figures={quantity: figure(quantity, span) for quantity, span in (plain | dict(figures)).items()},
    )


def budget(limits: Mapping[Quantity, float]) -> Budget:
    """A budget of `limits`, in base units."""
    return Budget(
        limits=tuple(
            Limit(quantity=quantity, value=value, unit=UNITS.get(quantity, "")) for quantity, value in limits.items()
        )
    )
