"""Inputs of cases: small ones come within the case, larger ones by themselves, under the digest that the case names.

Who brings an input by itself needs no key: it is taken only where a case, which its device has signed, waits for
exactly these bytes.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from edgewise.core.database.schema import cases, inputs
from edgewise.errors import BadMessage, NotFound
from edgewise.exchange.message import Case

LIMIT_BYTES = 8 << 20


def digest(content: bytes) -> str:
    """What an input is named by."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def inline(asked: Iterable[Case], now_s: int) -> list[dict[str, Any]]:
    """Rows of the inputs that come within cases; one that is not what its digest says is left out."""
    rows = {}
    for case in asked:
        try:
            content = base64.b64decode(case.input, validate=True)
        except (binascii.Error, ValueError):
            continue
        if content and digest(content) == case.input_digest:
            rows[case.input_digest] = {"digest": case.input_digest, "content": content, "heard_s": now_s}
    return list(rows.values())


def keep(connection: Connection, name: str, content: bytes, *, now_s: int) -> None:
    """Keep the input of a case; again is no harm.

    Raises:
        NotFound: no case waits for it.
        BadMessage: the bytes are others.
    """
    if connection.execute(select(cases.c.id).where(cases.c.input_digest == name).limit(1)).one_or_none() is None:
        raise NotFound(f"no case waits for {name}", hint="send the case first")
    if digest(content) != name:
        raise BadMessage(f"these bytes are {digest(content)}, not {name}")
    if connection.execute(select(inputs.c.digest).where(inputs.c.digest == name)).one_or_none() is None:
        connection.execute(insert(inputs).values(digest=name, content=content, heard_s=now_s))


def content(connection: Connection, name: str) -> bytes:
    """The bytes of an input.

    Raises:
        NotFound: it is not here (yet).
    """
    found = connection.execute(select(inputs.c.content).where(inputs.c.digest == name)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"the input {name} is not here")
    return bytes(found)
