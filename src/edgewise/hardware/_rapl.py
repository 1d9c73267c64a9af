"""RAPL through the kernel's powercap: what of its zones holds what.

A zone stands inside another one in the tree: core and uncore are parts of their package's counter, but the memory's
(`dram`) is not, although it lies below it. `psys` holds all of the platform. So the CPU's energy is that of all
packages with their memory, and psys stands alone. The zones of `intel-rapl-mmio` are the packages once more.
Sources: Intel SDM volume 3B (running average power limit), and the kernel's Documentation/power/powercap/powercap.rst.
"""

from collections.abc import Iterator
from pathlib import Path

from edgewise.hardware.counting import COUNTER_64_BIT, Counter, EnergyMeter, Scope, Sum


def find(root: Path) -> Iterator[EnergyMeter]:
    """The CPU's packages with their memory as one meter, then psys."""
    parts: list[Counter] = []
    alone: list[Counter] = []
    for zone in sorted((root / "class/powercap").glob("intel-rapl:*"), key=_order):
        label = _text(zone / "name") or zone.name
        if zone.name.count(":") == 1:
            (alone if label.startswith("psys") else parts).append(_counter(zone, label))
        elif label == "dram":
            parts.append(_counter(zone, f"{label}-{zone.name.split(':')[1]}"))
    if len(parts) == 1:
        yield from parts
    elif parts:
        names = " + ".join(part.name.removeprefix("rapl ") for part in parts)
        yield Sum(name=f"rapl {names}", parts=parts, scope=Scope.CPU)
    for counter in alone:
        counter.scope = Scope.MACHINE
        yield counter


def _counter(zone: Path, label: str) -> Counter:
    try:
        wrap_uj = int(_text(zone / "max_energy_range_uj")) + 1
    except ValueError:
        wrap_uj = COUNTER_64_BIT
    return Counter(name=f"rapl {label}", path=zone / "energy_uj", wrap_uj=wrap_uj)


def _order(zone: Path) -> list[int]:
    return [int(number) for number in zone.name.split(":")[1:] if number.isdigit()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
