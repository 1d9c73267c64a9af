"""Energy meters that the machine has, and an estimate for those that have none.

A meter counts joules upwards from wherever it stands; the difference of two readings is the energy in
between. RAPL counts all by itself; power sensors are integrated here, from reading to reading, so they
want reading often (ten times a second) while work goes on.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SYS = Path("/sys")
_COUNTER_64_BIT = 1 << 64


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

    def read_joules(self) -> float:
        """Energy since some moment before; never less than at the reading before.

        Raises:
            OSError: the sensor is gone or may not be read.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Counter:
    """A counter of microjoules that starts again from zero after `wrap_uj` (RAPL, hwmon energy).

    It must be read at least once per turn: a package at 200 W turns RAPL's 32-bit counter in minutes.
    """

    name: str
    path: Path
    wrap_uj: int = _COUNTER_64_BIT
    measured: bool = True
    _last_uj: int | None = field(default=None, init=False)
    _total_uj: int = field(default=0, init=False)

    def read_joules(self) -> float:
        """Joules since the first reading."""
        now_uj = _integer(self.path)
        if self._last_uj is not None:
            self._total_uj += (now_uj - self._last_uj) % self.wrap_uj
        self._last_uj = now_uj
        return self._total_uj / 1e6


@dataclass(slots=True, kw_only=True)
class PowerSensor:
    """Watts integrated over time by the trapezoid rule (hwmon power, INA sensors)."""

    name: str
    watts: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    measured: bool = True
    _last: tuple[float, float] | None = field(default=None, init=False)
    _total_joules: float = field(default=0.0, init=False)

    def read_joules(self) -> float:
        """Joules since the first reading."""
        now_s, now_watts = self.clock(), max(0.0, self.watts())
        if self._last is not None:
            then_s, then_watts = self._last
            self._total_joules += max(0.0, now_s - then_s) * (now_watts + then_watts) / 2
        self._last = (now_s, now_watts)
        return self._total_joules


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
    cpu_seconds: Callable[[], float] = _cpu_seconds

    def read_joules(self) -> float:
        """Estimated joules since the process began."""
        return self.watts / self.cores * self.cpu_seconds()


def available(root: Path = SYS) -> tuple[EnergyMeter, ...]:
    """Meters of this machine that may be read now, RAPL first.

    Meters overlap ("psys" holds the packages, a board's input holds its GPU): add none of them up.
    """
    return tuple(meter for meter in (*_rapl(root), *_hwmon(root)) if _readable(meter))


def _rapl(root: Path) -> Iterator[EnergyMeter]:
    """Top zones of RAPL only: what is below them is part of them."""
    for zone in sorted((root / "class/powercap").glob("intel-rapl:*")):
        if zone.name.count(":") == 1:
            wrap_uj = _integer_or(zone / "max_energy_range_uj", _COUNTER_64_BIT - 1) + 1
            label = _label(zone / "name", zone.name)
            yield Counter(name=f"rapl {label}", path=zone / "energy_uj", wrap_uj=wrap_uj)


def _hwmon(root: Path) -> Iterator[EnergyMeter]:
    for chip in sorted((root / "class/hwmon").glob("hwmon*")):
        label = _label(chip / "name", chip.name)
        watts = next((chip / name for name in ("power1_average", "power1_input") if (chip / name).exists()), None)
        if (chip / "energy1_input").exists():
            yield Counter(name=f"hwmon {label}", path=chip / "energy1_input")
        elif watts is not None:
            yield PowerSensor(name=f"hwmon {label}", watts=_Microwatts(watts))
        elif (chip / "in1_input").exists() and (chip / "curr1_input").exists():
            # INA3221, as on Jetson, gives volts and amperes; its first channel is the board's input.
            rail = _label(chip / "in1_label", label)
            yield PowerSensor(name=f"hwmon {rail}", watts=_VoltsTimesAmperes(chip))


@dataclass(frozen=True, slots=True)
class _Microwatts:
    path: Path

    def __call__(self) -> float:
        return _integer(self.path) / 1e6


@dataclass(frozen=True, slots=True)
class _VoltsTimesAmperes:
    chip: Path

    def __call__(self) -> float:
        return _integer(self.chip / "in1_input") / 1e3 * _integer(self.chip / "curr1_input") / 1e3


def _readable(meter: EnergyMeter) -> bool:
    try:
        meter.read_joules()
    except (OSError, ValueError):
        return False
    return True


def _integer(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _integer_or(path: Path, fallback: int) -> int:
    try:
        return _integer(path)
    except (OSError, ValueError):
        return fallback


def _label(path: Path, fallback: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or fallback
    except OSError:
        return fallback
