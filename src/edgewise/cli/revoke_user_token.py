"""`edgewise revoke user-token`."""

import time
from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.core.database import migrate
from edgewise.core.hub import users


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose tokens.")],
    database: DatabaseFlag = None,
) -> None:
    """End the tokens of a user.

    All of them, and the sessions of browsers that stand for them. Works where the database is.
    """
    opened = migrate.opened(settings(database=database).database)
    try:
        with opened.writing() as connection:
            ended = users.revoke(connection, name, who="database", now_s=int(time.time()))
    finally:
        opened.close()
    note(f"{ended} token{'s' if ended > 1 else ''} of {name} revoked")
