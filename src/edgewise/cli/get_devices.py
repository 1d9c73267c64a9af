"""`edgewise get devices`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._hub_lists import ago, column, everything, short, show
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag


def run(
    site: Annotated[str, typer.Option(metavar="SITE", help="Of this site alone.")] = "",
    status: Annotated[str, typer.Option(metavar="STATUS", help="Of this status alone, such as Failed.")] = "",
    label: Annotated[str, typer.Option(metavar="NAME=VALUE", help="With this label alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """List devices, and how they are.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    wanted = {"site": site, "status": status, "label": label}
    wanted = {name: value for name, value in wanted.items() if value}
    rows = everything(found, "/api/v1/devices", "devices", wanted, most=limit)
    first = column("DEVICE", "id") if found.output is Output.WIDE else short("DEVICE", "id")
    show(found, rows, [first, *COLUMNS], "id")


COLUMNS = [
    column("STATUS", "status"),
    column("SITE", "site"),
    column("RUNS", "release", drop=2),
    ago("HEARD", "heard_s", right=True),
    column("REASON", "reason", drop=1),
    column("LABELS", "labels", wide=True),
    column("BOOTED", "booted", wide=True),
    column("AGENT", "agent_version", wide=True),
]
