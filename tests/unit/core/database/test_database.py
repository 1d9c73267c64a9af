"""The database: its schema by migrations, one writer, and what happens when it goes away."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.database.schema import audit, metadata, reports
from edgewise.core.hub.audit import note
from edgewise.errors import BadDatabase, Conflict, DatabaseLost

LINE = {"at_s": 1, "who": "me", "action": "try", "subject": "it", "details": {}}


def test_the_migrations_end_where_the_tables_are(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert migrate.is_current(connection)


def test_the_schema_of_a_later_edgewise_is_refused(address: str) -> None:
    opened = migrate.opened(address)
    with opened.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(BadDatabase, match="9999"):
        migrate.opened(address)


def test_several_processes_may_migrate_at_once(address: str) -> None:
    failed: list[BaseException] = []

    def start() -> None:
        try:
            migrate.opened(address).close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_what_was_kept_before_is_there_after_a_migration(address: str) -> None:
    before = Database(address)
    with before.writing() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    row = {name: f"{name}-1" for name in ("device", "id", "status", "reason", "booted", "staged")}
    row |= {"sequence": 7, "time_s": 1, "heard_s": 2, "figures": {"requests": 3}, "log": ["line"]}
    with before.writing() as connection:
        connection.execute(insert(reports).values(**row))
    before.close()
    after = migrate.opened(address)
    with after.reading() as connection:
        assert [dict(one._mapping) for one in connection.execute(select(reports))] == [row]
    after.close()


def test_a_log_is_carried_over_while_somebody_reads(address: str) -> None:
    database = migrate.opened(address)
    with database.reading() as reading:
        reading.execute(select(func.count()).select_from(audit))
        with database.writing() as connection:
            connection.execute(insert(audit).values(**LINE))
        database.carry_over()
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 1
    database.close()


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.execute(insert(audit).values(**LINE))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 0


def test_writers_wait_for_each_other_and_readers_for_nobody(database: Database) -> None:
    def write() -> None:
        for _ in range(10):
            with database.writing() as connection:
                note(connection, at_s=1, who="me", action="try", subject="it")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.writing() as writer:
        note(writer, at_s=1, who="me", action="try", subject="it")
        with database.reading() as connection:
            assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 40


def test_who_waits_shares_a_transaction_and_fails_alone(address: str) -> None:
    database = migrate.opened(address)
    begun = threading.Barrier(5)
    said: dict[int, object] = {}

    def one(number: int) -> None:
        def work(connection: Connection) -> int:
            connection.execute(insert(audit).values(**{**LINE, "subject": f"{number}"}))
            if number == 3:
                raise Conflict("not this one")
            return number

        begun.wait(30)
        try:
            said[number] = database.write_together(work)
        except Conflict as error:
            said[number] = error.message

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    with database.writing():
        begun.wait(30)
        until = time.monotonic() + 30
        while database.is_sqlite and len(database._waiting) < 3 and time.monotonic() < until:
            time.sleep(0.01)  # the first of them has its turn, and the others wait
    for thread in threads:
        thread.join(30)
    assert said == {0: 0, 1: 1, 2: 2, 3: "not this one"}
    with database.reading() as connection:
        assert sorted(connection.execute(select(audit.c.subject)).scalars()) == ["0", "1", "2"]
    database.close()


def test_what_breaks_a_shared_transaction_is_told_to_all(in_a_file: Database) -> None:
    database = in_a_file
    said = []

    def one(work: Callable[[Connection], object]) -> None:
        try:
            database.write_together(work)
        except ZeroDivisionError:
            said.append("told")

    def good(connection: Connection) -> None:
        connection.execute(insert(audit).values(**LINE))

    threads = [threading.Thread(target=one, args=(work,)) for work in (good, good, lambda _: 1 // 0)]
    with database._turn:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 30
        while len(database._waiting) < 3 and time.monotonic() < until:
            time.sleep(0.01)
    for thread in threads:
        thread.join(30)
    assert said == ["told"] * 3
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 0


@pytest.mark.parametrize("address", ["mysql://there", "sqlite://", "no database at all://"])
def test_what_is_no_database_of_ours_is_refused(address: str) -> None:
    with pytest.raises(BadDatabase):
        Database(address)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadDatabase, match="no database can be kept"):
        Database(f"sqlite:///{tmp_path / 'file' / 'hub.db'}")


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DatabaseLost) as caught:
        migrate.opened("postgresql://edgewise:secret@127.0.0.1:1/none")
    assert "secret" not in caught.value.message


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_text("nothing of the sort, and long enough to be looked at" * 30)
    with pytest.raises((BadDatabase, DatabaseLost), match="not a database"):
        migrate.opened(f"sqlite:///{tmp_path / 'hub.db'}")
