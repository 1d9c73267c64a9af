"""The table of calls, asked without a network: what a verb does where the database is at hand.

A call answers the same document here as over HTTP, so that verbs need not know which it was.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from edgewise.core.database.engine import Database
from edgewise.core.hub.call import Asked, Call, Hub
from edgewise.core.hub.routes import parsed
from edgewise.core.hub.users import Role, User

DATABASE_USER = User(name="database", role=Role.PUBLISHER)
"""Whoever can write the database may do everything, and is called so in the audit log."""


def ask(
    calls: Sequence[Call],
    database: Database,
    method: str,
    path: str,
    values: Mapping[str, str],
    body: Mapping[str, Any] | bytes | None = None,
) -> Any:
    """What the call `method path` answers, as JSON. `path` is as the table has it, with its `{names}`.

    `body` is a JSON document, or bytes that are taken as they are.

    Raises:
        EdgewiseError: as the call does.
    """
    call = next(one for one in calls if (one.method, one.path) == (method, path))
    hub = Hub(database=database, now_s=lambda: int(time.time()))
    given = {one.name: one.value(values.get(one.name)) for one in call.parameters}
    document = None
    content = body if isinstance(body, bytes) else b""
    if body is not None and isinstance(call.body, type) and issubclass(call.body, BaseModel):
        document = parsed(call.body, json.dumps(body).encode())
    answer = call.run(hub, Asked(values=given, user=DATABASE_USER, body=content, document=document))
    return None if call.answer is None else TypeAdapter(call.answer).dump_python(answer, mode="json")
