"""What the verbs of `edgewise agent` share: where the device keeps its files."""

import os
from pathlib import Path
from typing import Annotated

import typer

from edgewise.edge.agent import journal, settings
from edgewise.edge.agent.settings import Identity
from edgewise.edge.agent.state import State
from edgewise.errors import NotEnrolled

VARIABLE, DEFAULT = "EDGEWISE_AGENT_ROOT", "/var/lib/edgewise"
RootFlag = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="FOLDER",
        help=f"Folder of the device's agent (default {DEFAULT}, or {VARIABLE}).",
        file_okay=False,
        show_default=False,
    ),
]


def folder(root: Path | None) -> Path:
    """The agent's folder: the flag, the environment, what is built in."""
    return (root or Path(os.environ.get(VARIABLE) or DEFAULT)).absolute()


def enrolled(root: Path) -> Identity:
    """Who the device is.

    Raises:
        NotEnrolled: nobody yet.
    """
    found = settings.identity(root)
    if found is None:
        raise NotEnrolled(
            f"no device is enrolled in {root}", hint="edgewise agent enrol --hub URL --token TOKEN --trust root.json"
        )
    return found


def state(root: Path) -> State:
    """What the journal says last."""
    entries = journal.entries(root / "journal")
    return entries[-1].state if entries else State()


def short(digest: str) -> str:
    """A digest as people read it."""
    return digest.removeprefix("sha256:")[:12]
