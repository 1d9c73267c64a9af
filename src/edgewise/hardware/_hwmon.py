"""Sensors of the kernel's hwmon: energy counters, power, and the volts and amperes of INA chips, as on Jetson.

A Jetson's INA3221 has a label for each of up to three rails, and one of two layouts. On the smaller modules VDD_IN
(POM_5V_IN on the first Nano) feeds all others, and is the module. The AGX modules have no such rail: those that are
listed here are fed side by side, and their sum is taken; of a further chip's rails (VDDQ_VDD2_1V8AO of AGX Orin) it is
not published what feeds them, and they are never added. Any other rail is a part of the machine, by itself.
Sources: NVIDIA's answers in its developer forum and energymon's summary of the Jetson guides, whose tables themselves
were not at hand; kernel documentation hwmon/ina3221 (mV, mA), hwmon/sysfs-interface (uW, uJ).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewise.hardware.counting import Counter, EnergyMeter, PowerSensor, Scope, Sum

WHOLE = ("VDD_IN", "POM_5V_IN", "5V_IN", "VIN")
"""Rails that feed the whole module; where there is one, no other counts."""

SIDE_BY_SIDE = (
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),  # AGX Xavier
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),  # AGX Orin
)
"""Rails of modules without a common input; all of a group must be there."""

SCOPES: Mapping[str, Scope] = {
    "amd_energy": Scope.CPU,
    "power_meter": Scope.MACHINE,
    "amdgpu": Scope.GPU,
    "i915": Scope.GPU,
    "xe": Scope.GPU,
    "nouveau": Scope.GPU,
}
"""What chips meter, by their name; one that is not known meters a part."""

DEFAULT_INTERVAL_S = 0.1


def find(root: Path) -> Iterator[EnergyMeter]:
    """Whole machine first, then parts."""
    found: list[EnergyMeter] = []
    rails: dict[str, PowerSensor] = {}
    for chip in sorted((root / "class/hwmon").glob("hwmon*"), key=lambda path: (len(path.name), path.name)):
        label = _label(chip / "name", chip.name)
        watts = next((chip / name for name in ("power1_average", "power1_input") if (chip / name).exists()), None)
        if (chip / "energy1_input").exists():
            scope = SCOPES.get(label, Scope.PART)
            found.append(Counter(name=f"hwmon {label}", path=chip / "energy1_input", scope=scope))
        elif label.startswith("ina"):
            rails |= _rails(chip, label, watts)
        elif watts is not None:
            found.append(_sensor(f"hwmon {label}", _Microwatts(watts), chip, SCOPES.get(label, Scope.PART)))
    yield from _boards(rails)
    yield from found


def _rails(chip: Path, label: str, watts: Path | None) -> dict[str, PowerSensor]:
    """A sensor for each channel of an INA chip, by its rail's name. Channels 4 and up are sums that overlap."""
    found: dict[str, PowerSensor] = {}
    if watts is not None:
        name = _label(chip / "power1_label", _label(chip / "in1_label", label))
        return {name: _sensor(f"hwmon {name}", _Microwatts(watts), chip, Scope.PART)}
    for channel in (1, 2, 3):
        volts, amperes = chip / f"in{channel}_input", chip / f"curr{channel}_input"
        name = _label(chip / f"in{channel}_label", f"{label} channel {channel}")
        if volts.exists() and amperes.exists() and name != "NC":
            found[name] = _sensor(f"hwmon {name}", _VoltsTimesAmperes(volts, amperes), chip, Scope.PART)
    return found


def _boards(rails: Mapping[str, PowerSensor]) -> Iterator[EnergyMeter]:
    left = dict(rails)
    whole = next((left.pop(name) for name in WHOLE if name in left), None)
    group = next((group for group in SIDE_BY_SIDE if all(name in left for name in group)), None)
    if whole is not None:
        whole.scope = Scope.MACHINE
        yield whole
    elif group is not None:
        parts = [left.pop(name) for name in group]
        yield Sum(name=f"hwmon {' + '.join(group)}", parts=parts, scope=Scope.MACHINE)
    yield from left.values()


def _sensor(name: str, watts: Callable[[], float], chip: Path, scope: Scope) -> PowerSensor:
    try:
        interval_s = max(1e-3, int((chip / "update_interval").read_text(encoding="ascii")) / 1e3)
    except (OSError, ValueError):
        interval_s = DEFAULT_INTERVAL_S
    return PowerSensor(name=name, watts=watts, scope=scope, interval_s=max(interval_s, 0.01))


@dataclass(frozen=True, slots=True)
class _Microwatts:
    path: Path

    def __call__(self) -> float:
        return int(self.path.read_text(encoding="ascii")) / 1e6


@dataclass(frozen=True, slots=True)
class _VoltsTimesAmperes:
    volts: Path
    amperes: Path

    def __call__(self) -> float:
        millivolts, milliamperes = (int(path.read_text(encoding="ascii")) for path in (self.volts, self.amperes))
        return millivolts * milliamperes / 1e6


def _label(path: Path, fallback: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or fallback
    except OSError:
        return fallback
