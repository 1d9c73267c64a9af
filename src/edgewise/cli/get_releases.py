"""`edgewise get releases`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._hub_lists import ago, column, short, show
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column


def run(
    site: Annotated[str, typer.Option(metavar="SITE", help="Of this site alone.")] = "",
    model: Annotated[str, typer.Option(metavar="MODEL", help="Of this model alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """List releases that the hub was told of, newest first.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    given = {"site": site, "model": model, "limit": str(limit)}
    wanted = {name: value for name, value in given.items() if value}
    rows = ask(found, "GET", "/api/v1/releases", wanted)["releases"]
    first = column("RELEASE", "digest") if found.output is Output.WIDE else short("RELEASE", "digest")
    show(found, rows, [first, *COLUMNS], "digest")


COLUMNS = [
    column("NAME", "version"),
    column("SITE", "site"),
    Column(title="MODEL", text=lambda row: f"{row['model_name']} {row['model_version']}".strip() or "-"),
    ago("PUBLISHED", "published_s", right=True),
    column("BY", "published_by", drop=1),
    column("MODEL DIGEST", "model_digest", wide=True),
]
