"""`edgewise hub`: the API and the pages, until it is stopped."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from edgewise.cli._hub import DatabaseFlag, seconds
from edgewise.cli._say import note
from edgewise.cli.agent import address
from edgewise.cli.config import hub_folder, settings
from edgewise.cli.config_show import without_password
from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import app, users
from edgewise.core.hub.guard import Guard
from edgewise.core.hub.signed import Signed
from edgewise.core.hub.users import Role
from edgewise.errors import BadConfiguration

LISTEN = "127.0.0.1:8480"
CONNECTIONS = 2048
STOP_S = 20


def run(
    listen: Annotated[
        str,
        typer.Option(
            envvar="EDGEWISE_HUB_LISTEN", metavar="HOST:PORT", help="Where to listen; 0.0.0.0:8480 for every network."
        ),
    ] = LISTEN,
    silence: Annotated[
        str,
        typer.Option(
            envvar="EDGEWISE_HUB_SILENCE", metavar="TIME", help="A device that is silent for longer is Offline."
        ),
    ] = "15min",
    history: Annotated[
        str,
        typer.Option(envvar="EDGEWISE_HUB_HISTORY", metavar="TIME", help="How long reports are kept."),
    ] = "30d",
    rate: Annotated[
        float,
        typer.Option(envvar="EDGEWISE_HUB_RATE", min=1, help="Requests a second that one address may make."),
    ] = 200,
    tree: Annotated[
        str,
        typer.Option(
            envvar="EDGEWISE_HUB_TREE", metavar="URL", help="Releases that devices follow: the hub compares with them."
        ),
    ] = "",
    root: Annotated[
        Path | None,
        typer.Option(envvar="EDGEWISE_HUB_ROOT", metavar="FILE", help="With --tree: the root.json that devices trust."),
    ] = None,
    migrate_only: Annotated[
        bool, typer.Option("--migrate", help="Only bring the database's schema up to date.")
    ] = False,
    database: DatabaseFlag = None,
) -> None:
    """Run the hub: what devices report to, and people look at.

    One process with SQLite; as many as you like over one PostgreSQL. TLS is for whatever stands in front of it. Runs
    until Ctrl-C or SIGTERM, and ends what it is at first.

    With --tree it follows the releases as devices do, and calls up to date who runs what is signed for it.

    Example: edgewise hub --database postgresql://edgewise@db/edgewise
    """
    host, port = address(listen)
    signed = _signed(tree, root, port)
    found = settings(database=database)
    opened = migrate.opened(found.database)
    try:
        if migrate_only:
            note(f"{without_password(found.database)} is up to date")
            return
        _first_token(opened)
        made = app.make(
            opened,
            silence_s=seconds(silence, "--silence"),
            history_s=seconds(history, "--history"),
            per_s=rate,
            signed=signed,
        )
        note(f"database: {without_password(found.database)}")
        note(f"hub at http://{f'[{host}]' if ':' in host else host}:{port}, until Ctrl-C")
        _serve(made, host, port)
    finally:
        opened.close()


def _signed(tree: str, root: Path | None, port: int) -> Signed | None:
    if not tree and root is None:
        return None
    if not tree or root is None:
        raise typer.BadParameter("--tree and --root come together: the tree, and the root.json that devices trust")
    try:
        trusted = root.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"{root} cannot be read: {error.strerror}", hint="edgewise keys init made it") from error
    return Signed(tree, trusted, hub_folder(os.environ) / str(port))


def _serve(made: Guard, host: str, port: int) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            made,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_S,
        )
    )
    try:
        server.run()
    except SystemExit as error:  # as uvicorn ends where it cannot listen; it has said why
        raise BadConfiguration(f"{host}:{port} cannot be listened at", hint="another --listen HOST:PORT") from error
    if not server.started:
        raise BadConfiguration(f"{host}:{port} cannot be listened at", hint="another --listen HOST:PORT")


def _first_token(opened: Database) -> None:
    """Where nobody has a token yet, and a person is at the terminal, one is made and shown; never in a log."""
    with opened.reading() as connection:
        if users.any_token(connection):
            return
    if not sys.stderr.isatty():
        note("nobody has a token yet: edgewise create user-token NAME --role publisher")
        return
    with opened.writing() as connection:
        token = users.make_token(connection, name="first", role=Role.PUBLISHER, who="database", now_s=int(time.time()))
    note(f"token:    {token}")
