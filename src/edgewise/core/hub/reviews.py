"""The review queue: cases that wait for a person, oldest first, and what people have answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from edgewise.core.database.schema import cases, inputs
from edgewise.core.hub import audit
from edgewise.errors import BadInput, Conflict, NotFound

MAX_ANSWER = 4096


class State(StrEnum):
    """How a case stands."""

    OPEN = "Open"
    """It waits for a person."""
    ANSWERED = "Answered"
    """A person has said what is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCase:
    """A case as the hub has it.

    Attributes:
        prediction: JSON text of the model's outputs.
        has_input: whether its input is here.
        answer: what is right, in the words of whoever answered.
    """

    id: str
    device: str
    site: str
    sequence: int
    time_s: int
    heard_s: int
    release: str
    model: str
    why: str
    prediction: str
    confidence: float | None
    input_digest: str
    input_media_type: str
    has_input: bool
    state: State
    answer: str
    answered_by: str
    answered_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """Some of the cases; `next` goes on after them, "" where there are no more."""

    cases: Sequence[WaitingCase]
    next: str


_HERE = select(inputs.c.digest).where(inputs.c.digest == cases.c.input_digest).exists().label("has_input")


def listed(
    connection: Connection,
    *,
    state: str = State.OPEN,
    site: str = "",
    model: str = "",
    device: str = "",
    after: str = "",
    most: int = 100,
) -> CasePage:
    """Cases in the order in which the hub heard of them, from the one after `after`."""
    query = select(cases, _HERE).where(cases.c.state == state).order_by(cases.c.heard_s, cases.c.id).limit(most + 1)
    for column, wanted in ((cases.c.site, site), (cases.c.model, model), (cases.c.device, device)):
        if wanted:
            query = query.where(column == wanted)
    if after:
        moment, _, name = after.partition("-")
        query = query.where((cases.c.heard_s > int(moment)) | ((cases.c.heard_s == int(moment)) & (cases.c.id > name)))
    found = [_case(row) for row in connection.execute(query)]
    more = len(found) > most
    return CasePage(cases=found[:most], next=f"{found[most - 1].heard_s}-{found[most - 1].id}" if more else "")


def one(connection: Connection, name: str) -> WaitingCase:
    """The case with the id `name`.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(select(cases, _HERE).where(cases.c.id == name)).one_or_none()
    if row is None:
        raise NotFound(f"there is no case {name}", hint="edgewise get cases")
    return _case(row)


def _case(row: Row[*tuple[Any, ...]]) -> WaitingCase:
    return WaitingCase(**{**row._mapping, "state": State(row.state)})


def waiting(connection: Connection) -> int:
    """How many cases are open."""
    query = select(func.count()).select_from(cases).where(cases.c.state == State.OPEN.value)
    return connection.execute(query).scalar_one()


def answer(connection: Connection, name: str, said: str, *, who: str, now_s: int) -> None:
    """Close a case: `said` is what is right.

    Raises:
        BadInput: it says nothing, or too much.
        NotFound: there is no such case.
        Conflict: somebody has answered it before.
    """
    if not said.strip() or len(said) > MAX_ANSWER or "\0" in said:
        raise BadInput(f"an answer is a text of at most {MAX_ANSWER} signs")
    done = {"state": State.ANSWERED.value, "answer": said, "answered_by": who, "answered_s": now_s}
    mine = (cases.c.id == name, cases.c.state == State.OPEN.value)
    if not connection.execute(update(cases).where(*mine).values(**done)).rowcount:
        raise Conflict(f"case {name} was answered by {one(connection, name).answered_by} before")
    audit.note(connection, at_s=now_s, who=who, action="answer case", subject=name)
