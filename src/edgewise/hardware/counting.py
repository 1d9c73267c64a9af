"""What an energy meter is, and the kinds that are read from one place: a counter, a sensor of power, an estimate.

A meter counts joules upwards from wherever it stands; the difference of two readings is the energy in between.
No meter is finer than its interval: what lasts shorter than some of them cannot be told apart by it.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

COUNTER_64_BIT = 1 << 64
RAPL_INTERVAL_S = 1e-3
"""Intel SDM volume 3B, 16.10: the energy counters are updated about once a millisecond."""

FAST_S = 1.5e-3
"""A meter at least as fast as this can be read around each burst of some milliseconds; a slower one cannot."""


class Scope(StrEnum):
    """What a meter's energy is of."""

    MACHINE = "machine"
    CPU = "cpu"
    GPU = "gpu"
    PART = "part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Joules counted up to a moment of the monotonic clock of the machine that reads."""

    at_s: float
    joules: float


class EnergyMeter(Protocol):
    """Something that counts joules."""

    @property
    def name(self) -> str:
        """Says what it meters: "rapl package-0"."""
        ...

    @property
    def measured(self) -> bool:
        """False where it only estimates."""
        ...

    @property
    def scope(self) -> Scope:
        """What the energy is of."""
        ...

    @property
    def interval_s(self) -> float:
        """Time from one new value to the next."""
        ...

    def read_joules(self) -> float:
        """Energy since some moment before; never less than at the reading before.

        Raises:
            OSError: the sensor is gone or may not be read.
            ValueError: it says something that is no number.
        """
        ...

    def read(self) -> Reading:
        """The newest reading, with its moment; raises as `read_joules` does."""
        ...


@dataclass(slots=True, kw_only=True)
class Counter:
    """A counter of microjoules that starts again from zero after `wrap_uj` (RAPL, hwmon energy).

    It must be read at least once per turn: a package at 200 W turns RAPL's 32-bit counter in minutes.
    """

    name: str
    path: Path
    wrap_uj: int = COUNTER_64_BIT
    measured: bool = True
    scope: Scope = Scope.CPU
    interval_s: float = RAPL_INTERVAL_S
    _last_uj: int | None = field(default=None, init=False)
    _total_uj: int = field(default=0, init=False)

    def read_joules(self) -> float:
        """Joules since the first reading."""
        now_uj = int(self.path.read_text(encoding="ascii"))
        if self._last_uj is not None:
            self._total_uj += (now_uj - self._last_uj) % self.wrap_uj
        self._last_uj = now_uj
        return self._total_uj / 1e6

    def read(self) -> Reading:
        """As it stands now."""
        return Reading(at_s=time.monotonic(), joules=self.read_joules())


@dataclass(slots=True, kw_only=True)
class PowerSensor:
    """Watts integrated over time by the trapezoidal rule (hwmon power, INA sensors, NVML without a counter)."""

    name: str
    watts: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    measured: bool = True
    scope: Scope = Scope.MACHINE
    interval_s: float = 0.1
    _last: tuple[float, float] | None = field(default=None, init=False)
    _total_joules: float = field(default=0.0, init=False)

    def read_joules(self) -> float:
        """Joules since the first reading."""
        return self.read().joules

    def read(self) -> Reading:
        """As it stands now."""
        now_s, now_watts = self.clock(), max(0.0, self.watts())
        if self._last is not None:
            then_s, then_watts = self._last
            self._total_joules += max(0.0, now_s - then_s) * (now_watts + then_watts) / 2
        self._last = (now_s, now_watts)
        return Reading(at_s=now_s, joules=self._total_joules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Meters of different things as one; the caller sees to it that none holds another."""

    name: str
    parts: Sequence[EnergyMeter]
    scope: Scope
    measured: bool = True

    @property
    def interval_s(self) -> float:
        """Of the slowest part."""
        return max(part.interval_s for part in self.parts)

    def read_joules(self) -> float:
        """Joules of all parts together."""
        return sum(part.read_joules() for part in self.parts)

    def read(self) -> Reading:
        """As they stand now."""
        return Reading(at_s=time.monotonic(), joules=self.read_joules())


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSeconds:
    """An estimate, not a measurement: declared watts, shared out over the CPU seconds that were used.

    Attributes:
        watts: declared power with all `cores` busy.
        cpu_seconds: CPU time used so far; by default of this process and its finished children.
    """

    watts: float
    cores: int = 1
    name: str = "cpu-seconds"
    measured: bool = False
    scope: Scope = Scope.MACHINE
    interval_s: float = 0.01
    cpu_seconds: Callable[[], float] = _cpu_seconds

    def read_joules(self) -> float:
        """Estimated joules since the process began."""
        return self.watts / self.cores * self.cpu_seconds()

    def read(self) -> Reading:
        """As it stands now."""
        return Reading(at_s=time.monotonic(), joules=self.read_joules())
