"""Axes: from values to places, with ticks that a person would choose. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_FEW, _MANY = 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high`; places run from 0 to 1."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`; beyond the ends it stays at the end."""
        low, high, here = self._inner(self.low), self._inner(self.high), self._inner(value)
        return min(1.0, max(0.0, (here - low) / (high - low)))

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high

    def _inner(self, value: float) -> float:
        return math.log10(max(value, self.low * 1e-3)) if self.log else value


def fit(values: Sequence[float], *, log: bool, pad: float = 0.06) -> Scale:
    """The scale that holds all finite `values` with some room at both ends; log only for positive ones."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if log and low > 0:
        room = max((math.log10(high) - math.log10(low)) * pad, 0.03)
        return Scale(low=low / 10**room, high=high * 10**room, log=True)
    room = max((high - low) * pad, abs(high) * 1e-6) if high > low else abs(high) * 0.1 or 1.0
    return Scale(low=low - room, high=high + room, log=False)


def reaching(values: Sequence[float], limit: float | None, *, log: bool) -> list[float]:
    """`values` and, where it is near enough to be worth the room, `limit`."""
    finite = [value for value in values if math.isfinite(value)]
    if limit is None or not finite:
        return finite
    low, high = min(finite), max(finite)
    if log:
        near = low > 0 and limit > 0 and low / 4 <= limit <= high * 4
    else:
        span = (high - low) or abs(high) * 0.1
        near = low - 1.5 * span <= limit <= high + 1.5 * span
    return [*finite, limit] if near else finite


def ticks(scale: Scale) -> list[float]:
    """Between four and about eight round values inside `scale`, ascending."""
    if scale.log:
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
            found = _decades(scale, steps)
            if _FEW <= len(found) <= _MANY:
                return found
    return _linear(scale)


def _decades(scale: Scale, steps: Sequence[float]) -> list[float]:
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    values = [float(f"{step}e{decade}") for decade in range(first, last + 1) for step in steps]
    return [value for value in values if scale.contains(value)]


def _linear(scale: Scale) -> list[float]:
    rough = (scale.high - scale.low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    places = 3 - math.floor(math.log10(step))
    return [round(number * step, places) for number in range(first, last + 1)]


def aligned(values: Sequence[float]) -> list[str]:
    """Round values as text, all with the decimals that the finest of them needs."""
    places = max((len(f"{value:.9f}".rstrip("0").partition(".")[2]) for value in values), default=0)
    return [f"{value:,.{places}f}".replace("-", "\u2212") for value in values]


def number(value: float) -> str:
    """A length in SVG, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def percent(share: float) -> str:
    """A share of the width in SVG."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"
