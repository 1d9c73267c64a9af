"""`edgewise get machines`."""

from typing import cast

from edgewise.cli._figures import plain
from edgewise.cli._machines import known_value, machines
from edgewise.cli.config import Output, settings
from edgewise.cli.options import MachinesFlag, OutputFlag
from edgewise.cli.output import Column, Json, listing
from edgewise.nouns import Machine


def run(machines_folder: MachinesFlag = None, output: OutputFlag = None) -> None:
    """List the machines that a site can name.

    The first one is the machine at hand. A figure that nobody publishes is a dash.
    """
    found = settings(machines=machines_folder, output=output)
    bandwidth = found.output not in (Output.TABLE, Output.NAME)
    listing(
        list(machines(found, bandwidth=bandwidth).values()),
        found.output,
        columns=COLUMNS,
        document=lambda machine: cast(Json, plain(machine)),
        name=lambda machine: machine.name,
    )


def _accelerators(machine: Machine) -> str:
    kinds = [part.kind.value for part in machine.accelerators]
    return ", ".join(kind if kinds.count(kind) == 1 else f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


COLUMNS: list[Column[Machine]] = [
    Column(title="NAME", text=lambda machine: machine.name),
    Column(title="TITLE", text=lambda machine: machine.title, drop=1),
    Column(title="COMPUTES", text=_accelerators),
    Column(title="MEMORY", text=lambda machine: known_value(machine.memory), right=True),
    Column(title="BANDWIDTH", text=lambda machine: known_value(machine.memory_bandwidth), right=True, wide=True),
    Column(title="POWER", text=lambda machine: known_value(machine.power_loaded), right=True, drop=2),
    Column(title="PRICE", text=lambda machine: known_value(machine.price), right=True),
    Column(title="ARCHITECTURE", text=lambda machine: machine.architecture, wide=True),
    Column(title="VENDOR", text=lambda machine: machine.vendor, wide=True),
]
