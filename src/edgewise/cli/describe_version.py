"""`edgewise describe version`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._hub_lists import describe
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Name of the version, or an alias.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show a version of a model: how good, from what, and where it runs.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    values = {"model": model, "version": version}
    describe(found, ask(found, "GET", "/api/v1/models/{model}/versions/{version}", values), version)
