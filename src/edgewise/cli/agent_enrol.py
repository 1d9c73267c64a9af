"""`edgewise agent enrol`."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._agent import RootFlag, folder
from edgewise.cli._say import note
from edgewise.edge.agent import enrolling
from edgewise.errors import NotFound


def run(
    hub: Annotated[str, typer.Option(metavar="URL", help="Address of the hub.")],
    token: Annotated[
        str, typer.Option(metavar="TOKEN", envvar="EDGEWISE_TOKEN", help="The enrolment token, good for one device.")
    ],
    tree: Annotated[
        list[str], typer.Option(metavar="URL", help="Address of the release tree; again for mirrors, in their order.")
    ],
    trust: Annotated[
        Path, typer.Option(metavar="FILE", help="The root that is trusted: root.json of `edgewise keys init`.")
    ],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where clients ask.")] = "127.0.0.1:8080",
    root: RootFlag = None,
) -> None:
    """Make this device known to the hub, once, with a key that is made here and never leaves it."""
    where = folder(root)
    try:
        trusted = trust.read_bytes()
    except OSError as error:
        raise NotFound(f"{trust} cannot be read: {error.strerror}", hint="it ships with the device") from error
    who = enrolling.enrol(where, hub=hub, token=token, tree=tree, trust=trusted, listen=listen)
    note(f"device {who.device} is enrolled at {who.site}; now: edgewise agent run --root {where}")
