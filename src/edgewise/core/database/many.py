"""Many rows in one statement: they travel as one JSON document, which the database takes apart.

One parameter whatever the number of rows: the statement is prepared once and crosses once, and its work is done where
neither Python nor its lock is needed. Columns of bytes do not travel so.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from edgewise.core.database.engine import compact

Rows = Sequence[Mapping[str, Any]]
"""All with the same keys, which are names of columns; what stands in JSON columns is no text by itself."""
_DOCUMENT = bindparam("rows", type_=Text)


def insert_new(connection: Connection, table: Table, rows: Rows) -> set[str]:
    """Write the rows that are not there yet; their ids. `table` has a column `id`."""
    if not rows:
        return set()
    statement = _insertion(table, tuple(rows[0]), connection.dialect.name)
    return set(connection.execute(statement, {"rows": compact(rows)}).scalars())


def update_by_id(connection: Connection, table: Table, rows: Rows) -> None:
    """Let the rows of `table` with the ids of `rows` say what `rows` say."""
    if rows:
        connection.execute(_change(table, tuple(rows[0]), connection.dialect.name), {"rows": compact(rows)})


def among(connection: Connection, key: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether `key` is one of the texts in the parameter `rows`, as `texts` writes it."""
    if connection.dialect.name == "sqlite":
        return key.in_(select(func.json_each(_DOCUMENT).table_valued("value").c.value))
    return key.in_(select(func.json_array_elements_text(cast(_DOCUMENT, JSON)).column_valued("value")))


def texts(names: Sequence[str]) -> dict[str, str]:
    """The parameters of a statement with `among`."""
    return {"rows": compact(list(names))}


@cache
def _insertion(table: Table, names: tuple[str, ...], dialect: str) -> Any:
    given = _given(table, names, dialect)
    # SQLite takes ON CONFLICT for a part of a join where no WHERE stands between.
    rows = select(*given.values()).where(true())
    into = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    return into.from_select(names, rows).on_conflict_do_nothing().returning(table.c.id)


@cache
def _change(table: Table, names: tuple[str, ...], dialect: str) -> Any:
    given = _given(table, names, dialect)
    return update(table).where(table.c.id == given.pop("id")).values(given)


def _given(table: Table, names: tuple[str, ...], dialect: str) -> dict[str, ColumnElement[Any]]:
    """The columns `names` of the rows in the document."""
    if dialect == "sqlite":
        value = func.json_each(_DOCUMENT).table_valued("value", name="given").c.value
        return {name: func.json_extract(value, literal_column(f"'$.{name}'")) for name in names}
    typed = [column(name, _kind(table.c[name])) for name in names]
    rows = func.json_to_recordset(cast(_DOCUMENT, JSON)).table_valued(*typed).render_derived("given", with_types=True)
    return {name: rows.c[name] for name in names}


def _kind(of: Column[Any]) -> Any:
    """As the document says it: the length of a text is the table's to refuse."""
    return Text() if isinstance(of.type, String) else of.type
