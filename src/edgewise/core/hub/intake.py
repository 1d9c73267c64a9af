"""Takes what devices say: signed, in batches, late, twice, in any order; each message once, or refused with a reason.

A batch is kept whole, in one transaction: a receipt says that everything in it is kept, and without a receipt nothing
was. The hub's clock says when something was heard, the sequence which report is the newer one: a device whose clock
says 1970 is as good as another. A message that was seen before changes nothing, so that nobody keeps a dead device
alive by saying again what it once said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from edgewise.core.database import many
from edgewise.core.database.engine import Database
from edgewise.core.database.schema import cases, devices, inputs, reports
from edgewise.core.hub.inputs import inline
from edgewise.errors import BadMessage
from edgewise.exchange import message, signing
from edgewise.exchange.message import Case, Figures, Report
from edgewise.exchange.receipt import Outcome, Receipt, Taken
from edgewise.exchange.signing import Signed

AnyRow = Row[*tuple[Any, ...]]
Rows = Mapping[str, AnyRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A message that its device has signed, at its place in the batch."""

    place: int
    said: Report | Case


def take(database: Database, signed: Sequence[Signed], *, now_s: int) -> Receipt:
    """Keep what is new in a batch, and say of every message what became of it.

    Raises:
        DatabaseLost: nothing was kept.
    """
    names = sorted({one.device for one in signed})
    with database.reading() as connection:
        known = _devices(connection, names)
    outcomes: dict[int, Outcome] = {}
    read = list(_verified(signed, known, outcomes))
    sequences = {name: row.sequence for name, row in known.items()}

    def write(connection: Connection) -> dict[str, int]:
        trusted = _devices(connection, sorted({one.said.device for one in read}), lock=True)
        kept = _keep(connection, read, trusted, outcomes, now_s)
        return _brought_up(connection, kept, trusted, now_s)

    if read:
        sequences |= database.write_together(write)
    return Receipt(outcomes=tuple(outcomes[place] for place in range(len(signed))), time_s=now_s, sequences=sequences)


def _devices(connection: Connection, names: Sequence[str], *, lock: bool = False) -> Rows:
    """Devices that are trusted, by id; locked in order, so that two batches cannot block each other."""
    wanted = (devices.c.id, devices.c.public_key, devices.c.site, devices.c.sequence, devices.c.pruned_sequence)
    ran = (devices.c.booted, devices.c.booted_s, devices.c.figures, devices.c.figures_before)  # what a report changes
    query = select(*wanted, devices.c.revoked_s, *(ran if lock else ()))
    query = query.where(many.among(connection, devices.c.id)).order_by(devices.c.id)
    rows = connection.execute(query.with_for_update() if lock else query, many.texts(names))
    # Not in WHERE: SQLite would take the index of all that are not revoked instead of the ids.
    return {row.id: row for row in rows if not row.revoked_s}


def _verified(signed: Sequence[Signed], known: Rows, outcomes: dict[int, Outcome]) -> Iterable[_Read]:
    """The messages that are what their devices have said; the others get their outcome here."""
    for place, one in enumerate(signed):
        try:
            yield _Read(place=place, said=_said(one, known))
        except BadMessage as error:
            outcomes[place] = Outcome(id="", taken=Taken.REFUSED, reason=error.message)


def _said(one: Signed, known: Rows) -> Report | Case:
    if one.device not in known:
        raise BadMessage(f"device {one.device} is not enrolled, or was revoked")
    found = message.read(signing.verified(one, known[one.device].public_key))
    if found.device != one.device:
        raise BadMessage(f"a message of device {found.device} is signed by {one.device}")
    return found


def _keep(
    connection: Connection, read: Sequence[_Read], trusted: Rows, outcomes: dict[int, Outcome], now_s: int
) -> list[Report | Case]:
    """Write what is new; what that was."""
    fresh: dict[str, _Read] = {}
    for one in read:
        said, device = one.said, trusted.get(one.said.device)
        if device is None:
            outcomes[one.place] = _refused(said, f"device {said.device} was revoked")
        elif isinstance(said, Report) and said.sequence <= device.pruned_sequence:
            outcomes[one.place] = Outcome(id=said.id, taken=Taken.KNOWN)
        elif said.id in fresh:
            outcomes[one.place] = _again(said, fresh[said.id].said)
        else:
            fresh[said.id] = one
    rows = [_report(one.said, now_s) for one in fresh.values() if isinstance(one.said, Report)]
    new = many.insert_new(connection, reports, rows)
    asked = [one.said for one in fresh.values() if isinstance(one.said, Case)]
    _insert(connection, inputs, inline(asked, now_s))
    new |= _insert(connection, cases, [_case(one, trusted[one.device].site, now_s) for one in asked])
    there = _there(connection, fresh.keys() - new)
    for name, one in fresh.items():
        if name in new:
            outcomes[one.place] = Outcome(id=name, taken=Taken.ACCEPTED)
        else:
            outcomes[one.place] = _again(one.said, there.get(name))
    return [one.said for name, one in fresh.items() if name in new]


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> set[str]:
    """Write the rows that are not there yet; their keys."""
    if not rows:
        return set()
    key = table.c.id if "id" in table.c else table.c.digest
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing().returning(key)
    return set(connection.execute(statement, rows).scalars())


def _there(connection: Connection, names: Iterable[str]) -> dict[str, AnyRow]:
    """Messages that are kept already, by id."""
    wanted = list(names)
    found: dict[str, AnyRow] = {}
    for table in (reports, cases) if wanted else ():
        query = select(table.c.id, table.c.device, table.c.sequence).where(table.c.id.in_(wanted))
        found |= {row.id: row for row in connection.execute(query)}
    return found


def _again(said: Report | Case, before: "AnyRow | Report | Case | None") -> Outcome:
    """What becomes of a message whose id or sequence was there before."""
    if before is None:
        return _refused(said, f"sequence {said.sequence} of device {said.device} is another message's")
    if (before.device, before.sequence) != (said.device, said.sequence):
        return _refused(said, f"the id {said.id} is another message's")
    return Outcome(id=said.id, taken=Taken.KNOWN)


def _refused(said: Report | Case, reason: str) -> Outcome:
    return Outcome(id=said.id, taken=Taken.REFUSED, reason=reason)


def _brought_up(connection: Connection, kept: Sequence[Report | Case], trusted: Rows, now_s: int) -> dict[str, int]:
    """Let the devices show what the newest of their reports say; the newest sequences."""
    states: dict[str, dict[str, Any]] = {}
    alive: dict[str, int] = {}
    for said in sorted(kept, key=lambda one: one.sequence):
        if said.sequence > trusted[said.device].sequence:
            alive[said.device] = said.sequence
            if isinstance(said, Report):
                before = states.get(said.device) or trusted[said.device]._asdict()
                states[said.device] = _state(said, before, now_s)
    if states:
        many.update_by_id(connection, devices, [states[name] for name in sorted(states)])
    if heard := sorted(alive.keys() - states.keys()):
        connection.execute(update(devices).where(devices.c.id.in_(heard)).values(heard_s=now_s))
    return alive


_SHOWN = ("sequence", "time_s", "reason", "booted", "staged", "rollback", "rejected", "labels", "agent_version")


def _state(said: Report, before: Mapping[str, Any], now_s: int) -> dict[str, Any]:
    """What a device shows once it has said `said`, where it showed `before`."""
    same = {name: getattr(said, name) for name in _SHOWN}
    more = {"id": said.device, "status": said.status.value, "figures": _figures(said.figures), "heard_s": now_s}
    if said.booted == before["booted"]:
        ran = {"booted_s": before["booted_s"], "figures_before": before["figures_before"]}
    else:
        ran = {"booted_s": now_s, "figures_before": before["figures"]}
    return same | more | ran


def _report(said: Report, now_s: int) -> dict[str, Any]:
    same = {name: getattr(said, name) for name in ("device", "sequence", "id", "time_s", "reason", "booted", "staged")}
    more = {"status": said.status.value, "figures": _figures(said.figures), "log": said.log}
    return same | more | {"heard_s": now_s}


_ASKED = ("id", "device", "sequence", "time_s", "release", "model", "why", "prediction", "confidence")


def _case(said: Case, site: str, now_s: int) -> dict[str, Any]:
    same = {name: getattr(said, name) for name in (*_ASKED, "input_digest", "input_media_type")}
    return same | {"site": site, "heard_s": now_s}


_COUNTED = tuple(one.name for one in fields(Figures))


def _figures(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in _COUNTED}
