"""Quantities with their units: `10ms`, `64MiB`, `2Mbit/s`, `3W`, `150USD`, `0.01`.

Each dimension has one base unit, the one that names in code carry (`latency_ms`, `peak_rss_bytes`,
`link_bit_per_s`). A number without its unit is refused wherever the dimension has one: a budget that
means milliseconds must say so.
"""

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A kind of quantity.

    Attributes:
        name: as used in messages ("a time").
        base: the unit that values are kept in.
        units: factor from each accepted unit to the base unit.
        shown: the units that `show` may pick from, small to large.
    """

    name: str
    base: str
    units: Mapping[str, float]
    shown: tuple[str, ...]


_BINARY = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
_DECIMAL = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

TIME = Dimension(
    name="time",
    base="ms",
    units={
        "ns": 1e-6,
        "us": 1e-3,
        "µs": 1e-3,
        "\u03bcs": 1e-3,
        "ms": 1.0,
        "s": 1e3,
        "min": 6e4,
        "h": 3.6e6,
        "d": 8.64e7,
    },
    shown=("us", "ms", "s"),
)
SIZE = Dimension(
    name="size",
    base="B",
    units={"B": 1.0} | _DECIMAL | _BINARY,
    shown=("B", "KiB", "MiB", "GiB", "TiB"),
)
LINK = Dimension(
    name="link speed",
    base="bit/s",
    units={"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9},
    shown=("bit/s", "kbit/s", "Mbit/s", "Gbit/s"),
)
BANDWIDTH = Dimension(
    name="memory bandwidth",
    base="B/s",
    units={"B/s": 1.0, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12},
    shown=("MB/s", "GB/s", "TB/s"),
)
POWER = Dimension(name="power", base="W", units={"uW": 1e-6, "mW": 1e-3, "W": 1.0, "kW": 1e3}, shown=("mW", "W", "kW"))
ENERGY = Dimension(
    name="energy",
    base="mJ",
    units={"nJ": 1e-6, "uJ": 1e-3, "µJ": 1e-3, "\u03bcJ": 1e-3, "mJ": 1.0, "J": 1e3, "kJ": 1e6},
    shown=("uJ", "mJ", "J"),
)
PRICE = Dimension(name="price", base="USD", units={"USD": 1.0, "EUR": math.nan}, shown=("USD",))
RATE = Dimension(name="rate", base="/s", units={"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}, shown=("/s",))
COMPUTE = Dimension(
    name="compute rate",
    base="op/s",
    units={"GOPS": 1e9, "TOPS": 1e12, "GFLOPS": 1e9, "TFLOPS": 1e12, "PFLOPS": 1e15},
    shown=("GOPS", "TOPS"),
)
FREQUENCY = Dimension(
    name="clock", base="Hz", units={"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}, shown=("kHz", "MHz", "GHz")
)
RATIO = Dimension(name="number", base="", units={"": 1.0, "%": 0.01}, shown=("",))

BY_BASE = {
    dimension.base: dimension
    for dimension in (TIME, SIZE, LINK, BANDWIDTH, POWER, ENERGY, PRICE, RATE, COMPUTE, FREQUENCY, RATIO)
}
"""The dimension of each base unit, which is what measurements and limits carry."""

MAX_CHARACTERS = 100
MAX_QUOTED = 60
_DOUBLE_BITS = 1024
_QUANTITY = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*?)\s*")


def parse(text: object, dimension: Dimension) -> float:
    """Value of `text` in the base unit of `dimension`.

    Raises:
        ValueError: one sentence with what was found, what is allowed and the nearest unit.
    """
    examples = ", ".join(f"10{unit}" for unit in dimension.shown)
    allowed = f"a {dimension.name} such as {examples}" if dimension.base else "a number such as 0.01 or 1%"
    refused = f"found {quoted(text)}; allowed is {allowed}"
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        raise ValueError(refused)  # noqa: TRY004 - pydantic reads ValueError
    if isinstance(text, int) and text.bit_length() > _DOUBLE_BITS:
        raise ValueError(refused)
    match = _QUANTITY.fullmatch(str(text)) if len(str(text)) <= MAX_CHARACTERS or isinstance(text, int) else None
    if match is None:
        raise ValueError(refused)
    number, unit = float(match[1]), match[2]
    if unit not in dimension.units:
        if not unit:
            raise ValueError(f"found {quoted(text)} without a unit; allowed is {allowed}")
        raise ValueError(f"found the unit {unit!r}; allowed is {allowed}{_nearest(unit, dimension)}")
    value = number * dimension.units[unit]
    if math.isnan(value):
        raise ValueError(f"found {quoted(text)}; prices are kept in USD, convert it first")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{refused}, not negative and finite")
    return value


def quoted(value: object) -> str:
    """`value` from a document as messages quote it: in the document's words, and short."""
    match value:
        case dict() | list():
            return f"{'a' if value else 'an empty'} {'mapping' if isinstance(value, dict) else 'list'}"
        case None:
            return "nothing"
        case datetime.date():
            return f"the date {value}"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _DOUBLE_BITS:
            return "a number too large to keep"
        case _:
            text = repr(value)
            return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."


def _nearest(unit: str, dimension: Dimension) -> str:
    by_case = [known for known in dimension.units if known.lower() == unit.lower()]
    close = by_case or get_close_matches(unit, dimension.units, n=1, cutoff=0.4)
    return f"; did you mean {close[0]}?" if close else ""


def show(value: float, dimension: Dimension, *, digits: int = 3) -> str:
    """`value` (in the base unit) with the unit that keeps it between 1 and 1000, at least `digits` figures."""
    if not math.isfinite(value):
        return str(value)
    unit = dimension.shown[0]
    for candidate in dimension.shown:
        if abs(value) >= dimension.units[candidate] * 0.9995:
            unit = candidate
    scaled = value / dimension.units[unit]
    return f"{figures(scaled, digits)}{' ' if unit and unit[0].isalpha() else ''}{unit}"


def figures(value: float, digits: int = 3) -> str:
    """`value` with at least `digits` significant figures, never in exponent form."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)) + 1e-9))
    text = f"{value:.{min(places, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text and abs(value) < 1e-3 else text
