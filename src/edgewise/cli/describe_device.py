"""`edgewise describe device`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._hub_lists import describe
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id: 32 hexadecimal digits.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show a device with its history.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    describe(found, ask(found, "GET", "/api/v1/devices/{device}", {"device": device}), device)
