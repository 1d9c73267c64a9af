"""Figures as people read them: with unit, interval, and where they come from."""

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum

from edgewise import units
from edgewise.nouns import Limit, Measurement, ProvenanceKind

MARK = "~"
LEGEND = f"{MARK} not measured but estimated, compiled, published or declared: edgewise explain says which"


def value(number: float, unit: str) -> str:
    """`number` in the base unit `unit`, with the unit that suits it."""
    if not unit or unit not in units.BY_BASE:
        return f"{units.figures(number)} {unit}".rstrip()
    return units.show(number, units.BY_BASE[unit])


def limit(asked: Limit) -> str:
    """What is asked for, as short as a person writes it: "10 ms", "0.01"."""
    text = value(asked.value, asked.unit)
    return re.sub(r"\.?0+(?![\d.])", "", text, count=1) if "." in text else text


def figure(measurement: Measurement | None) -> str:
    """The figure, marked where it was not measured; "-" where there is none."""
    if measurement is None:
        return "-"
    mark = "" if measurement.provenance.kind is ProvenanceKind.MEASURED else MARK
    return mark + value(measurement.value, measurement.unit)


def interval(measurement: Measurement) -> str:
    """The 95 % interval, "exact" where the figure has none."""
    if measurement.low == measurement.high:
        return "exact"
    return f"{value(measurement.low, measurement.unit)} to {value(measurement.high, measurement.unit)}"


def source(measurement: Measurement) -> str:
    """Where the figure comes from: "measured on AMD Ryzen, 2026-03-14"."""
    origin = measurement.provenance
    joint = "on" if origin.kind is ProvenanceKind.MEASURED else "by"
    return f"{origin.kind} {joint} {origin.by}" + (f", {origin.date}" if origin.date else "")


def count(number: int | None) -> str:
    """A count of things with thousands set apart; "unknown" for None."""
    return "unknown" if number is None else f"{number:,}"


def plain(noun: object) -> object:
    """`noun` (dataclasses, enums, tuples, mappings) as JSON and YAML can hold it."""
    if dataclasses.is_dataclass(noun):
        return {field.name: plain(getattr(noun, field.name)) for field in dataclasses.fields(noun)}
    if isinstance(noun, Enum):
        return noun.value
    if isinstance(noun, Mapping):
        return {str(plain(key)): plain(content) for key, content in noun.items()}
    if isinstance(noun, list | tuple):
        return [plain(part) for part in noun]
    return noun
