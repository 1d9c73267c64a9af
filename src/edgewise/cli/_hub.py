"""What verbs about the hub share: where it is, and how it is asked.

Where a hub is named, it is asked with the token in `EDGEWISE_HUB_TOKEN`; else the database itself.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from edgewise.cli.config import Settings
from edgewise.cli.options import PANEL
from edgewise.core.database import migrate
from edgewise.core.hub import local, remote
from edgewise.core.hub.calls import CALLS
from edgewise.units import TIME, parse

TOKEN = "EDGEWISE_HUB_TOKEN"  # noqa: S105 - the variable's name
HubFlag = Annotated[
    str | None,
    typer.Option(
        "--hub", metavar="URL", help="Ask the hub at this address.", show_default=False, rich_help_panel=PANEL
    ),
]
DatabaseFlag = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="The hub's database: sqlite:///PATH or postgresql://USER@HOST/NAME.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]


def ask(
    found: Settings,
    method: str,
    path: str,
    values: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | bytes | None = None,
) -> Any:
    """What the hub, or the database, answers to a call of the API, as JSON. `body` in bytes is sent as it is."""
    if found.hub:
        return remote.ask(found.hub, os.environ.get(TOKEN, ""), method, path, values or {}, body)
    database = migrate.opened(found.database)
    try:
        return local.ask(CALLS, database, method, path, values or {}, body)
    finally:
        database.close()


@dataclass(frozen=True, slots=True)
class Listener:
    """The hub that is told of releases. See `flow.life.outside.Hub`."""

    settings: Settings

    def knock(self) -> None:
        """See that it answers, and knows who asks."""
        ask(self.settings, "GET", "/api/v1/releases", {"limit": "1"})

    def tell(self, document: bytes) -> None:
        """Let it know the release that was published."""
        ask(self.settings, "POST", "/api/v1/releases", body=document)


def seconds(text: str, flag: str) -> int:
    """A time as the command line has it, in whole seconds."""
    try:
        return round(parse(text, TIME) / 1e3)
    except ValueError as error:
        raise typer.BadParameter(f"{flag}: {error}") from None
