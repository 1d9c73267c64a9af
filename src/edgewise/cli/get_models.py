"""`edgewise get models`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._hub_lists import column, everything, show
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(
    search: Annotated[str, typer.Option(metavar="TEXT", help="Whose name holds this.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """List the models of the registry.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    wanted = {"search": search} if search else {}
    show(found, everything(found, "/api/v1/models", "models", wanted, most=limit), COLUMNS, "name")


COLUMNS = [
    column("MODEL", "name"),
    column("VERSIONS", "versions", right=True),
    column("NEWEST", "newest"),
    column("OWNER", "owner", drop=2),
    column("DESCRIPTION", "description", drop=1),
]
