"""Lists of entries a page at a time, as Kubeflow's API has it: ordered, with a token that goes on after the last."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, asc, desc, select, tuple_

from edgewise.core.registry.entries import Document, Kind, documents
from edgewise.errors import BadInput

ORDERS = {"CREATE_TIME": "made_ms", "LAST_UPDATE_TIME": "changed_ms", "ID": "number", "": "number"}
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a list is asked for.

    Attributes:
        token: of the page before; "" for the first.
    """

    size: int = 100
    order_by: str = ""
    descending: bool = False
    token: str = ""


def listed(connection: Connection, kind: Kind, paging: Paging, *conditions: ColumnElement[bool]) -> Document:
    """`{"items": …, "nextPageToken": …, "pageSize": …, "size": …}`.

    Raises:
        BadInput: an order or token that is none.
    """
    if paging.order_by not in ORDERS:
        raise BadInput(f"orderBy is {paging.order_by!r}, not one of {', '.join(filter(None, ORDERS))}")
    table, column = kind.table, kind.table.c[ORDERS[paging.order_by]]
    direction = desc if paging.descending else asc
    query = select(table).where(*conditions).order_by(direction(column), direction(table.c.number))
    if paging.token:
        last = tuple_(*_last(paging.token))
        here = tuple_(column, table.c.number)
        query = query.where(here < last if paging.descending else here > last)
    size = max(1, min(paging.size, MOST))
    rows = list(connection.execute(query.limit(size + 1)))
    shown = rows[:size]
    more = len(rows) > size
    token = _token([getattr(shown[-1], column.name), shown[-1].number]) if more else ""
    items = documents(connection, kind, shown)
    return {"items": items, "nextPageToken": token, "pageSize": size, "size": len(items)}


def _token(last: list[int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode()


def _last(token: str) -> list[Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode()))
        if len(found) == 2 and all(type(one) is int and abs(one) < 1 << 62 for one in found):
            return list(found)
    except (ValueError, binascii.Error, TypeError):
        pass
    raise BadInput("nextPageToken is of another list")
