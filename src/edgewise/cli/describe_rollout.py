"""`edgewise describe rollout`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._hub_lists import describe
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(
    rollout: Annotated[str, typer.Argument(metavar="ROLLOUT", help="Its name.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show a rollout.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    describe(found, ask(found, "GET", "/api/v1/rollouts/{rollout}", {"rollout": rollout}), rollout)
