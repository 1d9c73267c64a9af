"""The declared ranges of `train.py` as a space: what a structure may be. Pure.

`STRUCTURE` maps each dimension to a list of choices, to a range of integers (`range(1, 5)`, or the tuple
`(1, 4)` with both ends), or to a real interval (a tuple with a float in it). A structure is one value a
dimension, in the order in which they are declared.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgewise.errors import BadTraining

Value = str | int | float | bool
Structure = Mapping[str, Value]

MAX_DIMENSIONS = 16
MAX_CHOICES = 256
MAX_TEXT = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_ALLOWED = (
    "allowed are a list of choices, a range of integers such as range(1, 5) or (1, 4), or a real interval (0.1, 0.9)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """One of some values, each once, in the order declared."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """Every integer from `low` to `high`, both included."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reals:
    """Every number from `low` to `high`."""

    name: str
    low: float
    high: float


Dimension = Choices | Integers | Reals


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All structures that may be built."""

    dimensions: tuple[Dimension, ...]

    @property
    def size(self) -> int | None:
        """How many structures there are; None where a dimension is a real interval."""
        counts = [_count(dimension) for dimension in self.dimensions]
        known = [count for count in counts if count is not None]
        return math.prod(known) if len(known) == len(counts) else None

    def structures(self) -> Iterator[Structure]:
        """Every structure, the last dimension changing fastest; only for a space that has a `size`."""
        names = [dimension.name for dimension in self.dimensions]
        for values in itertools.product(*(_values(dimension) for dimension in self.dimensions)):
            yield dict(zip(names, values, strict=True))


def declared(ranges: object) -> Space:
    """The space that `STRUCTURE` declares, as `_worker.declared` hands it over: JSON, with tuples told from lists.

    Raises:
        BadTraining: no mapping, or a range that is none; the first one found is named.
    """
    if not isinstance(ranges, Mapping) or not ranges:
        raise BadTraining("STRUCTURE declares no dimension", hint='such as STRUCTURE = {"width": [0.25, 0.5, 1.0]}')
    if len(ranges) > MAX_DIMENSIONS:
        raise BadTraining(f"STRUCTURE has {len(ranges)} dimensions", hint=f"at most {MAX_DIMENSIONS} are searched")
    return Space(dimensions=tuple(_dimension(name, given) for name, given in ranges.items()))


def name_of(structure: Structure) -> str:
    """How a structure is called: "width=0.5,depth=3"."""
    return ",".join(f"{name}={_shown(value)}" for name, value in structure.items())


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(dimension: Dimension) -> int | None:
    match dimension:
        case Choices():
            return len(dimension.values)
        case Integers():
            return dimension.high - dimension.low + 1
        case Reals():
            return None


def _values(dimension: Dimension) -> Sequence[Value]:
    match dimension:
        case Choices():
            return dimension.values
        case Integers():
            return range(dimension.low, dimension.high + 1)
        case Reals():
            raise ValueError(f"{dimension.name} is a real interval and cannot be enumerated")


def _dimension(name: object, given: object) -> Dimension:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadTraining(f"STRUCTURE names a dimension {name!r}", hint="a plain name of up to 32 letters and digits")
    if not isinstance(given, Mapping) or len(given) != 1:
        raise _bad(name, given)
    (kind, content), *_ = given.items()
    if kind == "choices" and isinstance(content, list):
        return _choices(name, content)
    if kind == "range" and isinstance(content, list) and len(content) == 2 and all(map(_number, content)):
        low, high = content
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise BadTraining(f"{name} ranges from {low} to {high}", hint="the lower end comes first, both are finite")
        if isinstance(low, int) and isinstance(high, int):
            return Integers(name=name, low=low, high=high)
        return Reals(name=name, low=float(low), high=float(high))
    raise _bad(name, content)


def _choices(name: str, content: Sequence[object]) -> Choices:
    values: list[Value] = []
    for value in content:
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise BadTraining(f"{name} lists {value!r}", hint="choices are numbers, texts, True or False")
        if isinstance(value, str) and not (0 < len(value) <= MAX_TEXT and value.isprintable()):
            raise BadTraining(f"{name} lists {value[:MAX_TEXT]!r}", hint=f"a text of 1 to {MAX_TEXT} printable signs")
        values.append(value)
    if not 0 < len(values) <= MAX_CHOICES or len({_shown(value) for value in values}) < len(values):
        raise BadTraining(
            f"{name} lists {len(values)} choices, some of them twice" if values else f"{name} lists no choice",
            hint=f"1 to {MAX_CHOICES} choices, each once",
        )
    return Choices(name=name, values=tuple(values))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(name: str, given: object) -> BadTraining:
    return BadTraining(f"the range of {name} is {str(given)[:60]!r}", hint=_ALLOWED)
