"""Both databases: SQLite in a file, and a PostgreSQL of Debian's that the tests start themselves."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from fakes import postgres as servers
from fakes.hubs import Clock


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    if not servers.available():
        what = "PostgreSQL 15 (apt install postgresql) is missing"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what}, and CI=true")
        pytest.skip(what)
    server = servers.Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    return request.getfixturevalue("postgres").new()


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = migrate.opened(address)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def in_a_file(tmp_path: Path) -> Iterator[Database]:
    """SQLite alone, for what is the same over both."""
    opened = migrate.opened(f"sqlite:///{tmp_path / 'file.db'}")
    yield opened
    opened.close()
