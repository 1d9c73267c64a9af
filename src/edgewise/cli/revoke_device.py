"""`edgewise revoke device`."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._say import note
from edgewise.cli.config import settings


def run(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id: 32 hexadecimal digits.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
) -> None:
    """Refuse what a device signs.

    From now on nothing that it signs is taken. What it has reported stays; it needs a new key to enrol again.
    """
    ask(settings(hub=hub, database=database), "DELETE", "/api/v1/devices/{device}", {"device": device})
    note(f"device {device} is revoked")
