"""The door to the database: short transactions, one writer in SQLite, and one error where it is gone.

A transaction that cannot be finished changes nothing: whoever asked for it is told, and asks again.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    TimeoutError,
)
from sqlalchemy.pool import QueuePool

from edgewise.errors import BadDatabase, DatabaseLost, EdgewiseError

Made = TypeVar("Made")
VARIABLE = "EDGEWISE_DATABASE"
BUSY_MS = 10_000
"""So long a process waits for another one's transaction in SQLite."""
POOL_SIZE = 16
LOG_PAGES = 16_384
"""Of 4 KiB: so long SQLite's log may grow before whoever commits carries it into the file; see `carry_over`."""
_WRITES = "edgewise_writes"
_CONNECT_S = 5
_STATEMENT_MS = 30_000


def compact(value: object) -> str:
    """JSON as it stands in columns."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(slots=True, eq=False)
class _Turn:
    """Work that waits for a transaction, and what became of it."""

    work: Callable[[Connection], Any]
    over: bool = False
    result: Any = None
    error: Exception | None = None


class Database:
    """A database that is open; threads may share it."""

    def __init__(self, address: str) -> None:
        self.url = _url(address)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url)
        self._writing = threading.Lock() if self.is_sqlite else nullcontext()
        self._turn, self._queue = threading.Lock(), threading.Lock()
        self._waiting: list[_Turn] = []

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing.

        Raises:
            DatabaseLost: it is not there, or went away.
        BadDatabase: the file is none.
        """
        with _explained(self.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is done whole when the block is left, and not at all where it raises.

        Raises:
            DatabaseLost: it is not there, or went away; nothing is changed.
        """
        with _explained(self.url), self._writing, self.engine.connect() as connection:
            writer = connection.execution_options(**{_WRITES: True})
            with writer.begin():
                yield writer

    def write_together(self, work: Callable[[Connection], Made]) -> Made:
        """What `work` makes of a transaction, once that is done. In SQLite it is shared by all who wait for their turn.

        So many small transactions cost one write to the disk. What an EdgewiseError ends is undone alone; any other
        failure undoes the transaction for all, and each is told.

        Raises:
            DatabaseLost: it is not there, or went away; nothing is changed.
        """
        if not self.is_sqlite:  # PostgreSQL flushes for several by itself, and a longer transaction would hold locks
            with self.writing() as connection:
                return work(connection)
        mine = _Turn(work)
        with self._queue:
            self._waiting.append(mine)
        with self._turn:
            if not mine.over:
                with self._queue:
                    turns, self._waiting = self._waiting, []
                self._take(turns)
        if mine.error is not None:
            raise mine.error
        made: Made = mine.result
        return made

    def _take(self, turns: Sequence[_Turn]) -> None:
        try:
            with self.writing() as connection:
                for turn in turns:
                    try:
                        with connection.begin_nested():
                            turn.result = turn.work(connection)
                    except EdgewiseError as error:
                        turn.error = error
        except Exception as error:
            for turn in turns:
                turn.error = error
        finally:
            for turn in turns:
                turn.over = True

    def carry_over(self) -> None:
        """Carry what was committed from SQLite's log into its file, while others go on; PostgreSQL does so by itself.

        Raises:
            DatabaseLost: it is not there, or went away.
        """
        if self.is_sqlite:
            with _explained(self.url), self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def default_address(environment: Mapping[str, str] = os.environ) -> str:
    """What `EDGEWISE_DATABASE` says, or a file of SQLite in the user's data folder."""
    given = environment.get(VARIABLE, "")
    if given:
        return given
    base = Path(environment.get("XDG_DATA_HOME", ""))
    folder = base if base.is_absolute() else Path("~/.local/share").expanduser()
    return f"sqlite:///{folder / 'edgewise' / 'hub.db'}"


def _url(address: str) -> URL:
    try:
        url = make_url(address if "://" in address else f"sqlite:///{address}")
    except ArgumentError as error:
        raise BadDatabase(f"{VARIABLE} is no database: {error}", hint=_HINT) from error
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise BadDatabase(f"{VARIABLE} names {url.drivername!r}, which Edgewise does not speak", hint=_HINT)
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadDatabase("a database in memory is gone with its process", hint=_HINT)
    return url


_HINT = "sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/NAME"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        options = f"-c statement_timeout={_STATEMENT_MS} -c idle_in_transaction_session_timeout={_STATEMENT_MS}"
        arguments: dict[str, Any] = {"connect_timeout": _CONNECT_S, "options": options, "application_name": "edgewise"}
        return create_engine(
            url, pool_pre_ping=True, pool_size=POOL_SIZE, connect_args=arguments, json_serializer=compact
        )
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadDatabase(f"no database can be kept at {path}: {error.strerror}", hint=f"set {VARIABLE}") from error
    arguments = {"timeout": BUSY_MS / 1000, "check_same_thread": False}
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=POOL_SIZE, connect_args=arguments, json_serializer=compact
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Transactions are ours to begin; readers do not wait for the writer; a commit survives a power cut."""
    connection.isolation_level = None
    cursor = connection.cursor()
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536", "temp_store=MEMORY")
    for pragma in (f"busy_timeout={BUSY_MS}", f"wal_autocheckpoint={LOG_PAGES}", *pragmas):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _explained(url: URL) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, InternalError, TimeoutError) as error:
        raise _lost(url, error) from error
    except DatabaseError as error:
        if type(error) is DatabaseError and url.get_backend_name() == "sqlite":  # what SQLite says of broken files
            raise BadDatabase(f"{url.database}: {error.orig}", hint="restore it from a copy") from error
        if not error.connection_invalidated:
            raise
        raise _lost(url, error) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise _lost(url, error) from error


def _lost(url: URL, error: Exception) -> DatabaseLost:
    cause = " ".join(str(getattr(error, "orig", error)).split())
    return DatabaseLost(
        f"the database {url.render_as_string(hide_password=True)} cannot be used: {cause}",
        hint="nothing was changed; try again when it is back",
    )
