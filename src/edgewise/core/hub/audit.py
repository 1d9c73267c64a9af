"""Who changed what: one line for every change, in the transaction that makes the change."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, desc, insert, select

from edgewise.core.database.schema import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change.

    Attributes:
        number: counts up.
        who: name of a user, `device ID`, or `database` for whoever works on the database itself.
        action: a verb and its object: "revoke device".
        subject: what was changed: an id, a name.
    """

    number: int
    at_s: int
    who: str
    action: str
    subject: str
    details: Mapping[str, object]


def note(
    connection: Connection,
    *,
    at_s: int,
    who: str,
    action: str,
    subject: str,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write that `who` has done this."""
    line = {"at_s": at_s, "who": who, "action": action, "subject": subject[:256], "details": dict(details or {})}
    connection.execute(insert(audit).values(**line))


def newest(connection: Connection, *, subject: str = "", before: int = 0, most: int = 100) -> list[Entry]:
    """The newest changes, of `subject` alone where it is given, older than the one with the number `before`."""
    query = select(audit).order_by(desc(audit.c.number)).limit(most)
    if subject:
        query = query.where(audit.c.subject == subject)
    if before:
        query = query.where(audit.c.number < before)
    return [Entry(**row._mapping) for row in connection.execute(query)]
