"""`edgewise create user-token`: works on the database alone, so that nobody gives himself a role over the network."""

import sys
import time
from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, seconds
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.core.database import migrate
from edgewise.core.hub import users
from edgewise.core.hub.users import Role


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    role: Annotated[Role, typer.Option(help="What it may do; each may do what the ones before may.")] = Role.VIEWER,
    life: Annotated[str, typer.Option(metavar="TIME", help="How long it counts.")] = "365d",
    database: DatabaseFlag = None,
) -> None:
    """Make a token for a person or a program that uses the hub.

    Printed once, on stdout; the database keeps a hash. Works where the database is, not over the network.

    Example: edgewise create user-token anna --role operator
    """
    found = settings(database=database)
    opened = migrate.opened(found.database)
    try:
        with opened.writing() as connection:
            token = users.make_token(
                connection,
                name=name,
                role=role,
                who="database",
                now_s=int(time.time()),
                life_s=seconds(life, "--life"),
            )
    finally:
        opened.close()
    sys.stdout.write(f"{token}\n")
    note(f"{name} is {role.value} for {life}; this token is not shown again")
