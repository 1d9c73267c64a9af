"""What `edgewise study systolic` takes: lists with commas, quantities with units. A fault names its option."""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import typer

from edgewise import units
from edgewise.design.systolic import technology
from edgewise.design.systolic.template import Dataflow

T = TypeVar("T")


class Node(StrEnum):
    """Processes with published energies."""

    NM45 = technology.NM45.name
    NM7 = technology.NM7.name


def integers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers, each once."""
    return _each(text, option, int, "a whole number")


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Numbers, each once."""
    return _each(text, option, _finite, "a number")


def dataflows(text: str) -> tuple[Dataflow, ...]:
    """Dataflows, each once."""
    return _each(text, "--dataflow", Dataflow, f"one of {', '.join(Dataflow)}")


def quantities(text: str, dimension: units.Dimension, option: str) -> tuple[float, ...]:
    """Quantities in the base unit of `dimension`, each once."""
    return tuple(dict.fromkeys(_parsed(part, dimension, option) for part in text.split(",")))


def sizes(text: str, option: str) -> tuple[int, ...]:
    """Sizes in bytes, each once."""
    return tuple(math.floor(size) for size in quantities(text, units.SIZE, option))


def quantity(text: str | None, dimension: units.Dimension, option: str) -> float | None:
    """One quantity in the base unit of `dimension`; None where nothing was said."""
    return None if text is None else _parsed(text, dimension, option)


def size(text: str | None, option: str) -> int | None:
    """One size in bytes; None where nothing was said."""
    return None if text is None else math.floor(_parsed(text, units.SIZE, option))


def metrics(texts: Sequence[str], models: Sequence[str]) -> Mapping[str, Mapping[int, float]]:
    """Metric of each model by word width, from `[MODEL:]BITS=VALUE`; without a model it is of all."""
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for text in texts:
        left, equals, value = text.rpartition("=")
        model, _, bits = left.rpartition(":")
        if model and model not in found:
            raise _bad(
                f"found {units.quoted(text)}; there is no model {model!r}, there is {', '.join(models)}", "--metric"
            )
        try:
            entry = {int(bits): _finite(value)}
        except ValueError:
            equals = ""
        if not equals:
            raise _bad(
                f"found {units.quoted(text)}; allowed is BITS=VALUE or MODEL:BITS=VALUE, such as 8=0.87", "--metric"
            )
        for name in [model] if model else models:
            found[name] |= entry
    return found


def _each(text: str, option: str, read: Callable[[str], T], allowed: str) -> tuple[T, ...]:
    found = []
    for part in text.split(","):
        try:
            found.append(read(part.strip()))
        except ValueError as error:
            raise _bad(f"found {units.quoted(part)}; allowed is {allowed}, or several with commas", option) from error
    return tuple(dict.fromkeys(found))


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _parsed(text: str, dimension: units.Dimension, option: str) -> float:
    try:
        return units.parse(text, dimension)
    except ValueError as error:
        raise _bad(str(error), option) from error


def _bad(message: str, option: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
