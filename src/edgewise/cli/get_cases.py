"""`edgewise get cases`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._hub_lists import ago, column, everything, show
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.hub.reviews import State


def run(
    state: Annotated[State, typer.Option(help="Which cases.")] = State.OPEN,
    site: Annotated[str, typer.Option(metavar="SITE", help="Of this site alone.")] = "",
    model: Annotated[str, typer.Option(metavar="MODEL", help="Of this model alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """List predictions that wait for a person, oldest first.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    wanted = {"state": state.value} | {name: value for name, value in (("site", site), ("model", model)) if value}
    show(found, everything(found, "/api/v1/cases", "cases", wanted, most=limit), COLUMNS, "id")


COLUMNS = [
    column("CASE", "id"),
    column("MODEL", "model"),
    column("SITE", "site", drop=3),
    column("CONFIDENCE", "confidence", right=True, drop=2),
    ago("CAME", "heard_s", right=True),
    column("WHY", "why", drop=1),
    column("ANSWER", "answer", wide=True),
    column("DEVICE", "device", wide=True),
]
