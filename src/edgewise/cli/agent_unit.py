"""`edgewise agent unit`."""

import shutil
import sys
from typing import Annotated

import typer

from edgewise.cli._agent import RootFlag, folder
from edgewise.edge.agent import unit


def run(
    root: RootFlag = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Most memory of the agent and its servers.")] = "512M",
    containers: Annotated[
        bool,
        typer.Option("--containers", help="For releases in containers: without the sandbox that Podman cannot use."),
    ] = False,
) -> None:
    """Print the agent's systemd unit, with watchdog, sandbox and limits."""
    program = shutil.which("edgewise") or sys.argv[0]
    sys.stdout.write(unit.written(unit.unit(program, folder(root), memory=memory, containers=containers)))
