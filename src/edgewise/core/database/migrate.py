"""From any earlier schema to the present one, and never from a later one. Packaged, so that no file is needed.

Several processes may ask at once: one migrates, the others wait and find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from edgewise.core.database.engine import Database
from edgewise.errors import BadDatabase

_LOCK = 0x45444745  # "EDGE": PostgreSQL's advisory lock, while the schema changes


def opened(address: str) -> Database:
    """The database at `address`, with the present schema.

    Raises:
        BadDatabase: its schema is of a later Edgewise, or the address is none.
        DatabaseLost: it cannot be reached.
    """
    database = Database(address)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database) -> None:
    """Bring the schema of `database` up to date."""
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    with database.reading() as connection:
        if _present(connection) == newest:
            return
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        present = _present(connection)
        if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
            raise BadDatabase(
                f"the database has schema {present}, which this Edgewise does not know",
                hint="a later Edgewise has changed it: install that one, or go back to a copy of before",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one that this Edgewise has."""
    return _present(connection) == ScriptDirectory.from_config(_config()).get_current_head()


def _present(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    return config
