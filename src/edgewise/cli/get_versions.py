"""`edgewise get versions`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._hub_lists import column, everything, show
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Of this model alone.")] = "",
    tag: Annotated[str, typer.Option(metavar="NAME=VALUE", help="With this tag.")] = "",
    metric: Annotated[str, typer.Option(metavar="NAME>=VALUE", help="With such a metric; also <=, <, > and =.")] = "",
    site: Annotated[str, typer.Option(metavar="SITE", help="That devices of this site run now.")] = "",
    digest: Annotated[str, typer.Option(metavar="DIGEST", help="With this artifact, data or design report.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """List versions of models, newest first.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.

    Example: edgewise get versions meter-reader --metric 'accuracy>=0.95'
    """
    found = settings(hub=hub, database=database, output=output)
    given = {"model": model, "tag": tag, "metric": metric, "site": site, "digest": digest}
    wanted = {name: value for name, value in given.items() if value}
    show(found, everything(found, "/api/v1/versions", "versions", wanted, most=limit), COLUMNS, "name")


COLUMNS = [
    column("MODEL", "model"),
    column("VERSION", "name"),
    column("ALIASES", "aliases", drop=2),
    column("METRICS", "metrics", drop=1),
    column("SITES", "sites"),
    column("TAGS", "tags", wide=True),
    column("PARENT", "parent", wide=True),
]
