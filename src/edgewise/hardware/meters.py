"""Energy meters that the machine has: RAPL, hwmon, NVML; which of them to use, and why others cannot be.

Meters overlap: "psys" holds the packages, a board's input holds its rails. Those that are added up here are fed side
by side; whatever may hold another one stands alone and is never added. One that meters only a part of the machine, or a
GPU, is listed and not chosen by itself: its energy would be taken for that of an inference on the CPU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.hardware import _hwmon, _rapl, nvml
from edgewise.hardware.counting import Counter, CpuSeconds, EnergyMeter, PowerSensor, Reading, Scope, Sum

__all__ = [
    "Counter", "CpuSeconds", "EnergyMeter", "PowerSensor", "Reading", "Scope", "Sum", "Survey",
    "available", "choose", "survey",
]  # fmt: skip

SYS = Path("/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What meters there are.

    Attributes:
        usable: those that may be read now, in the order in which they are preferred.
        unusable: a sentence for each that is there and cannot be read.
    """

    usable: tuple[EnergyMeter, ...]
    unusable: tuple[str, ...]


def available(root: Path = SYS) -> tuple[EnergyMeter, ...]:
    """Meters of this machine that may be read now, RAPL first; add none of them up."""
    return survey(root).usable


def survey(root: Path = SYS) -> Survey:
    """Meters of the machine whose /sys is at `root`; NVML only where that is this machine's."""
    usable, unusable = [], []
    for meter in (*_rapl.find(root), *_hwmon.find(root), *_gpus(root)):
        trouble = _trouble(meter)
        if trouble:
            unusable.append(f"{meter.name}: {trouble}")
        else:
            usable.append(meter)
    why_not = nvml.why_not() if root == SYS else ""
    return Survey(usable=tuple(usable), unusable=(*unusable, *([why_not] if why_not else [])))


def choose(meters: Sequence[EnergyMeter]) -> EnergyMeter | None:
    """The meter to use for what runs on the CPU: the CPU's own, else the whole machine's; None where there is none."""
    for scope in (Scope.CPU, Scope.MACHINE):
        for meter in meters:
            if meter.measured and meter.scope is scope:
                return meter
    return None


def _gpus(root: Path) -> Iterator[EnergyMeter]:
    if root == SYS:
        meter = nvml.find()
        if meter is not None:
            yield meter


def _trouble(meter: EnergyMeter) -> str:
    """Why `meter` cannot be read, "" where it can."""
    try:
        meter.read_joules()
    except PermissionError as error:
        return f"{error.filename} may not be read by this user; root may, or a udev rule that lets you"
    except OSError as error:
        return f"{error.filename or 'it'} cannot be read: {error.strerror or error}"
    except ValueError:
        return "it gives no number"
    return ""
