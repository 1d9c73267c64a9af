"""Published and measured rows, with the layers of what was run, as points that a roofline is fitted on.

Rows come from `hardware/calibration`; `Observation` is the seam for rows of one's own: a row measured on the machine
itself, with the layers of the user's model, counts as `MEASURED_WEIGHT` published ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgewise.design.estimate.coverage import fallen_back
from edgewise.design.estimate.hierarchy import Key, Point
from edgewise.design.estimate.terms import MachineKind, amounts, kind_of
from edgewise.errors import UnknownMachine
from edgewise.hardware import calibration, catalogue, operators
from edgewise.hardware.calibration import Row
from edgewise.nouns import Layer

UJ_PER_MJ = 1e3
MEASURED_WEIGHT = 25.0
"""A figure measured on the machine itself scatters by some 3 %, a published one about a roofline by some 15 %: the
squares are 1 to 25."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A row and the layers of the network that it speaks of; `weight` is how many published rows it counts as."""

    row: Row
    layers: tuple[Layer, ...]
    weight: float = 1.0

    @property
    def series(self) -> Key:
        """Machine, accelerator, runtime, precision and threads: what has prices of its own."""
        row = self.row
        return (row.machine, row.accelerator, row.runtime, row.precision, str(row.threads or ""))


def published(folders: Sequence[Path] = ()) -> tuple[Observation, ...]:
    """All rows that are published, and those of the user's `folders`.

    Raises:
        BadDocument, NotFound: as `calibration.rows`.
    """
    known = calibration.networks(folders)
    return tuple(Observation(row=row, layers=known[row.network].layers) for row in calibration.rows(folders))


def measured(row: Row, layers: Sequence[Layer]) -> Observation:
    """A row that was measured on the very machine, with the layers of the model that ran."""
    return Observation(row=row, layers=tuple(layers), weight=MEASURED_WEIGHT)


@cache
def kind_of_row(machine: str, accelerator: str, network: str) -> MachineKind:
    """What sort of machine a row is of; machines that the catalogue lacks are judged by what was run on what.

    MLPerf Tiny is a benchmark of microcontrollers.
    """
    try:
        entry = catalogue.find(machine)
    except UnknownMachine:
        entry = None
    for part in entry.accelerators if entry is not None else ():
        if part.name == accelerator and entry is not None:
            return kind_of(part.kind, entry.architecture)
    if accelerator.startswith("edge-tpu"):
        return MachineKind.EDGE_TPU
    if accelerator.startswith("gpu"):
        return MachineKind.GPU
    if accelerator.startswith("cpu"):
        return MachineKind.MICROCONTROLLER if network.startswith("mlperf-tiny") else MachineKind.CPU
    return MachineKind.NPU


def of_kind(observations: Sequence[Observation], kind: MachineKind) -> list[Observation]:
    """Those on machines of `kind`."""
    return [
        each for each in observations if kind_of_row(each.row.machine, each.row.accelerator, each.row.network) is kind
    ]


def latencies(observations: Sequence[Observation], kind: MachineKind) -> list[Point]:
    """Latencies in ms of one call."""
    return [_point(each, kind, each.row.latency_ms) for each in of_kind(observations, kind) if each.row.latency_ms]


def energies(observations: Sequence[Observation], kind: MachineKind) -> list[Point]:
    """Energies in mJ of one inference."""
    return [
        _point(each, kind, each.row.energy_uj / UJ_PER_MJ, batch=1)
        for each in of_kind(observations, kind)
        if each.row.energy_uj
    ]


def _point(observation: Observation, kind: MachineKind, figure: float, batch: int | None = None) -> Point:
    row, table = observation.row, operators.find(observation.row.accelerator)
    on_host = fallen_back(observation.layers, table) if table is not None and table.format == "tflite" else frozenset()
    return Point(
        series=observation.series,
        family=(row.runtime, row.precision),
        network=row.network,
        amounts=amounts(observation.layers, kind, row.precision, batch=batch or row.batch, fallback=on_host),
        figure=figure,
        weight=observation.weight,
    )
