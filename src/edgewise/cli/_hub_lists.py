"""What verbs list of the hub: its own documents, with columns for people."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.cli._hub import ask
from edgewise.cli.config import Output, Settings
from edgewise.cli.output import Column, data, listing, table

Row = Mapping[str, Any]
PAGE = 1000


def everything(found: Settings, path: str, key: str, values: Mapping[str, str], *, most: int) -> list[Row]:
    """All rows of a list of pages, `most` at most."""
    rows: list[Row] = []
    after: dict[str, str] = {}
    while len(rows) < most:
        page = ask(found, "GET", path, {**values, **after, "limit": str(min(PAGE, most - len(rows)))})
        rows += page[key]
        if not page.get("next"):
            break
        after = {"after": page["next"]}
    return rows


def show(found: Settings, rows: Sequence[Row], columns: Sequence[Column[Row]], name: str) -> None:
    """Print rows in the format that is asked for."""
    listing(rows, found.output, columns=columns, document=lambda row: row, name=lambda row: str(row[name]))


def describe(found: Settings, document: Row, name: str) -> None:
    """Print everything about one thing: a line for each field, or the document itself."""
    match found.output:
        case Output.TABLE | Output.WIDE:
            fields: list[tuple[str, str]] = [(key, _text(value)) for key, value in document.items() if value != ""]
            columns: list[Column[tuple[str, str]]] = [
                Column(title="FIELD", text=lambda row: row[0]),
                Column(title="VALUE", text=lambda row: row[1]),
            ]
            table(fields, columns, wide=found.output is Output.WIDE)
        case Output.NAME:
            listing([name], found.output, columns=[], document=lambda row: [row], name=str)
        case _:
            data(document, found.output)


def column(title: str, key: str, **more: Any) -> Column[Row]:
    """A column that shows a field as it is; a dash for an empty one."""
    return Column(title=title, text=lambda row: _text(row[key]) or "-", **more)


def ago(title: str, key: str, **more: Any) -> Column[Row]:
    """A column that shows how long ago a moment was."""
    return Column(title=title, text=lambda row: _ago(row[key]), **more)


def short(title: str, key: str, **more: Any) -> Column[Row]:
    """A column that shows the beginning of a digest or id."""
    return Column(title=title, text=lambda row: str(row[key]).removeprefix("sha256:")[:12] or "-", **more)


def _text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key}={_text(inner)}" for key, inner in value.items())
        case list():
            return ", ".join(map(_text, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _ago(at_s: int) -> str:
    if not at_s:
        return "never"
    seconds = max(0, int(time.time()) - at_s)
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size}{word}"
    return f"{seconds}s"
