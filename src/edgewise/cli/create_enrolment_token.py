"""`edgewise create enrolment-token`."""

import sys
from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask, seconds
from edgewise.cli._say import note
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import data


def run(
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="Site that the device will belong to.")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", metavar="NAME=VALUE", help="Label of the device, such as ring=canary; may be repeated."
        ),
    ] = None,
    life: Annotated[str, typer.Option(metavar="TIME", help="How long it may be used: at most 90d.")] = "24h",
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    output: OutputFlag = None,
) -> None:
    """Make a token with which one device may enrol.

    Printed once, on stdout; the hub keeps a hash. The device that shows it first is the only one that ever may.

    Example: edgewise create enrolment-token --site press-line --label ring=canary
    """
    found = settings(hub=hub, database=database, output=output)
    labels = dict(_pair(one) for one in label or ())
    body = {"site": site, "labels": labels, "life_s": seconds(life, "--life")}
    made = ask(found, "POST", "/api/v1/enrolment-tokens", body=body)
    if found.output in (Output.JSON, Output.YAML):
        data(made, found.output)
    else:
        sys.stdout.write(f"{made['token']}\n")
    note(f"good for one device of {site}, for {life}; this token is not shown again")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise typer.BadParameter(f"--label: {text!r} is not NAME=VALUE")
    return name, value
