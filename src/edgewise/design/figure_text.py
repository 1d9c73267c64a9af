"""Figures in words: a number never shows more digits than its interval supports.

All ends of one interval share a unit and a number of decimals, so that they can be compared by eye.
Pure.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgewise import units
from edgewise.nouns import Measurement, Metric, Provenance, ProvenanceKind, Quantity

MINUS, DASH = "\u2212", "\u2013"
_DIGITS_EXACT = 3
_DIGITS_MOST = 4
_DIGITS_FACTOR = 2
_FACTOR, _LOPSIDED = 5.0, 3.0
"""An interval is a factor if its upper end is more than 5 times its lower one, and 3 times as far from the value."""
FIRST_DIGIT = 0.2
"""A value of this share of its half interval, or more, shows its first digit; a smaller one may read as 0."""
_NAME = 18

TITLES = {
    Quantity.DROP: "Accuracy drop",
    Quantity.LATENCY_MIN: "Latency, fastest",
    Quantity.LATENCY_P50: "Latency p50",
    Quantity.LATENCY_P90: "Latency p90",
    Quantity.LATENCY_P99: "Latency p99",
    Quantity.THROUGHPUT: "Throughput",
    Quantity.MEMORY: "Memory, peak",
    Quantity.FLASH: "Flash",
    Quantity.LOAD_TIME: "Load time",
    Quantity.POWER: "Power",
    Quantity.ENERGY: "Energy per inference",
    Quantity.PRICE: "Price",
}
_PROVENANCE = {
    ProvenanceKind.MEASURED: "measured on",
    ProvenanceKind.COMPILER: "reported by the compiler",
    ProvenanceKind.CALIBRATED: "estimated, calibrated on",
    ProvenanceKind.MODELLED: "computed by the model of",
    ProvenanceKind.PUBLISHED: "published by",
    ProvenanceKind.DECLARED: "declared in",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One measurement as text. `low`, `high` and `spread` have the unit of `value`, unwritten."""

    value: str
    number: str
    unit: str
    low: str
    high: str
    spread: str
    exact: bool
    measured: bool

    @property
    def interval(self) -> str:
        """The 95 % interval without its unit, "" for an exact figure."""
        if self.exact:
            return ""
        between = " to " if MINUS in self.low + self.high else DASH
        return f"{self.low}{between}{self.high}"


def title(quantity: Quantity, metric: Metric) -> str:
    """What a quantity is called; the metric goes by its own name."""
    return short_name(metric) if quantity is Quantity.METRIC else TITLES[quantity]


def short_name(metric: Metric, most: int = _NAME) -> str:
    """The metric's name where there is little room: of `package.module:function` the function."""
    name = metric.name.rpartition(":")[2].strip() or metric.name
    return name if len(name) <= most else name[: most - 1] + "…"


def show(figure: Measurement, unit: str | None = None) -> Shown:
    """`figure` with as many digits as its interval supports, three where it is exact.

    Where the interval is a factor rather than a plus or minus, value and ends have two digits each: with the decimals
    of a wide upper end, the value and the lower end would read as 0.

    `unit` is one that `common_unit` gave; without it the figure picks its own.
    """
    half = (figure.high - figure.low) / 2
    exact = not half > 0 or not math.isfinite(half)
    unit = common_unit([figure.value, 0.0 if exact else half], figure.unit) if unit is None else unit
    factor = factor_of(unit, figure.unit)
    scaled = figure.value / factor
    places = _places(scaled, _DIGITS_EXACT) if exact else _places(half / factor, _digits_of_half(half))
    if not exact and scaled:
        places = min(places, _places(scaled, _DIGITS_MOST))
        if abs(scaled) >= FIRST_DIGIT * half / factor:
            places = max(places, _places(scaled, 1))
    low, high = figure.low / factor, figure.high / factor
    if not exact and 0 < low * _FACTOR < high and high - scaled > _LOPSIDED * (scaled - low):
        number, least, most = (_fixed(end, _places(end, _DIGITS_FACTOR)) for end in (scaled, low, high))
    else:
        number, least, most = (_fixed(end, places) for end in (scaled, low, high))
    return Shown(
        value=_join(number, unit), number=number, unit=unit, low=least, high=most,
        spread="" if figure.spread is None else _signed(units.figures(figure.spread / factor, 2)),
        exact=exact, measured=figure.provenance.kind is ProvenanceKind.MEASURED,
    )  # fmt: skip


def common_unit(values: Sequence[float], unit: str) -> str:
    """The unit in which figures of base unit `unit` that belong together are shown: the median's own."""
    finite = sorted(abs(value) for value in values if math.isfinite(value) and value)
    if not finite or not unit:
        return unit
    text = units.show(finite[len(finite) // 2], _dimension(unit))
    return _written(text.lstrip("0123456789. "))


def factor_of(unit: str, base: str) -> float:
    """How much of the base unit one `unit` is."""
    return _dimension(base).units[unit]


def outward(value: float, unit: str, *, up: bool) -> float:
    """`value` (base unit `unit`) with the three digits that are shown of it, rounded up or down, still in `unit`."""
    if value == 0 or not math.isfinite(value):
        return value
    factor = factor_of(common_unit([value], unit), unit) if unit else 1.0
    scaled = value / factor
    step = 10.0 ** (math.floor(math.log10(abs(scaled))) - 2)
    rounded = math.ceil(scaled / step - 1e-6) if up else math.floor(scaled / step + 1e-6)
    bound = rounded * step * factor
    return max(bound, value) if up else min(bound, value)


def plain(value: float, unit: str, *, digits: int = _DIGITS_EXACT) -> str:
    """A value without an interval, such as a limit or a tick: no trailing zeros."""
    text = _written(_signed(units.show(value, _dimension(unit), digits=digits)))
    return re.sub(r"(\.\d*?)0+(?!\d)", r"\1", text).replace(". ", "\u00a0").replace(" ", "\u00a0").removesuffix(".")


def count(value: int, noun: str) -> str:
    """A large number of things: "26,122 parameters", "1.18 M MACs"."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= factor:
            return f"{units.figures(value / factor)} {prefix} {noun}"
    return f"{value:,} {noun}"


def provenance(source: Provenance) -> str:
    """Where figures come from, in words: "measured on this, 2026-03-14, load 0.21"."""
    parts = [f"{_PROVENANCE[source.kind]} {source.by}"]
    if source.date:
        parts.append(source.date)
    if source.load is not None:
        parts.append(f"load {source.load:.2f}")
    return ", ".join(parts)


def _dimension(unit: str) -> units.Dimension:
    return units.BY_BASE.get(unit) or units.Dimension(name=unit, base=unit, units={unit: 1.0}, shown=(unit,))


def _digits_of_half(half: float) -> int:
    """Digits of the half width worth showing: two up to 3.54, then one (Particle Data Group's rule)."""
    leading = half / 10 ** math.floor(math.log10(half))
    return 2 if leading < 3.545 else 1


def _written(text: str) -> str:
    """Units as they are printed: the micro sign instead of its stand-in."""
    return re.sub(r"\bu(?=[sJ]\b)", "µ", text)


def _places(value: float, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, digits - 1 - math.floor(math.log10(abs(value)) + 1e-9))


def _fixed(value: float, places: int) -> str:
    if not math.isfinite(value):
        return _signed(str(value))
    text = f"{round(value, places):,.{max(0, places)}f}"
    return _signed(text.lstrip("-") if not text.strip("-0.") else text)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def _join(number: str, unit: str) -> str:
    return f"{number}\u00a0{unit}" if unit else number
