"""How the devices are: counted, listed, and one by one with its history.

A device that was silent for too long is Offline whatever it said last; what it said last is shown beside it. Whoever
went back from a release is RolledBack until it runs another, and is never called up to date.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, desc, func, select

from edgewise.core.database.schema import devices, releases, reports
from edgewise.errors import NotFound
from edgewise.exchange.message import Status

HISTORY = 50
Due = Callable[[str, str, Mapping[str, str], str], str | None]
"""What a device, by id, site, labels and what it runs, should run; see `signed.Signed.due`."""


def unknown(_device: str, _site: str, _labels: Mapping[str, str], _running: str) -> None:
    """No tree is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many devices of a site have this status."""

    site: str
    status: Status
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device in a list.

    Attributes:
        status: as it is now; `said` is its own last word, "" before the first.
        heard_s: by the hub's clock; `time_s` by the device's own, in its newest report.
        clock_off_s: how far its clock is from the hub's, roughly: a report that came late seems a clock that is late.
        up_to_date: it serves, does not refuse what it runs, and says that it runs what is `due`, where that is known.
        due: digest of the release that it should run by the signed tree, "" for none; None where the hub knows no tree.
        release: what people call `booted`, where the hub knows that release.
        rejected: digests of releases that it refuses.
        figures: what it counted, in its newest report.
        booted_s: since when it was heard to run `booted`, by the hub's clock; 0 where that is not known.
        figures_before: what it counted, in its newest report before it ran `booted`.
    """

    id: str
    site: str
    labels: Mapping[str, str]
    status: Status
    said: str
    up_to_date: bool
    reason: str
    booted: str
    due: str | None
    release: str
    model: str
    heard_s: int
    time_s: int
    clock_off_s: int
    sequence: int
    agent_version: str
    revoked: bool
    rejected: Sequence[str]
    figures: Mapping[str, Any]
    booted_s: int
    figures_before: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A report of before."""

    sequence: int
    time_s: int
    heard_s: int
    status: str
    reason: str
    booted: str
    staged: str
    figures: Mapping[str, Any]
    log: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    """Everything about a device; its newest reports first."""

    device: Device
    enrolled_s: int
    revoked_s: int
    staged: str
    rollback: str
    history: Sequence[Past]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which devices; what is empty lets all through.

    Attributes:
        label: as name=value.
        id: how the id begins.
    """

    site: str = ""
    status: str = ""
    label: str = ""
    release: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """Some of the devices; `next` goes on after them, "" where there are no more."""

    devices: Sequence[Device]
    next: str


def counts(connection: Connection, *, now_s: int, silence_s: int, site: str = "", release: str = "") -> list[Count]:
    """How many devices of every site have which status now; those that run `release` alone, where it is given."""
    late = func.sum(case((devices.c.heard_s < now_s - silence_s, 1), else_=0))
    query = select(devices.c.site, devices.c.status, func.count(), late)
    query = query.where(devices.c.revoked_s == 0).group_by(devices.c.site, devices.c.status)
    if site:
        query = query.where(devices.c.site == site)
    if release:
        query = query.where(devices.c.booted == release)
    found: dict[tuple[str, Status], int] = {}
    for where, word, total, silent in connection.execute(query):
        for status, number in ((Status.OFFLINE, silent or 0), (Status(word), total - (silent or 0))):
            if number:
                found[where, status] = found.get((where, status), 0) + number
    return [Count(site=where, status=status, devices=number) for (where, status), number in sorted(found.items())]


def listed(
    connection: Connection,
    wanted: Filter,
    *,
    now_s: int,
    silence_s: int,
    after: str = "",
    most: int = 100,
    due: Due = unknown,
) -> DevicePage:
    """The devices that `wanted` lets through, by id, from the one after `after`."""
    query = _select().where(*_conditions(wanted, now_s - silence_s)).order_by(devices.c.id).limit(most + 1)
    if after:
        query = query.where(devices.c.id > after)
    found = [_device(row, now_s, silence_s, due) for row in connection.execute(query)]
    return DevicePage(devices=found[:most], next=found[most - 1].id if len(found) > most else "")


def detail(
    connection: Connection, name: str, *, now_s: int, silence_s: int, most: int = HISTORY, due: Due = unknown
) -> DeviceDetail:
    """Everything about the device with the id `name`.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(_select().where(devices.c.id == name)).one_or_none()
    if row is None:
        raise NotFound(f"there is no device {name}", hint="edgewise get devices")
    past = select(reports).where(reports.c.device == name).order_by(desc(reports.c.sequence)).limit(most)
    return DeviceDetail(
        device=_device(row, now_s, silence_s, due),
        enrolled_s=row.enrolled_s,
        revoked_s=row.revoked_s,
        staged=row.staged,
        rollback=row.rollback,
        history=[_past(one) for one in connection.execute(past)],
    )


def _select() -> Any:
    joined = devices.outerjoin(releases, releases.c.digest == devices.c.booted)
    named = (releases.c.version.label("release"), releases.c.model_name, releases.c.model_version)
    return select(devices, *named).select_from(joined)


def _conditions(wanted: Filter, cutoff_s: int) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [devices.c.revoked_s == 0]
    if wanted.site:
        found.append(devices.c.site == wanted.site)
    if wanted.release:
        found.append(devices.c.booted == wanted.release)
    if wanted.id:
        found.append(and_(devices.c.id >= wanted.id, devices.c.id < wanted.id + "g"))
    if wanted.label:
        name, _, value = wanted.label.partition("=")
        found.append(devices.c.labels[name].as_string() == value)
    if wanted.status == Status.OFFLINE:
        found.append((devices.c.heard_s < cutoff_s) | (devices.c.status == Status.OFFLINE.value))
    elif wanted.status:
        found += [devices.c.status == wanted.status, devices.c.heard_s >= cutoff_s]
    return found


def _device(row: Row[*tuple[Any, ...]], now_s: int, silence_s: int, due: Due) -> Device:
    status = Status.OFFLINE if row.heard_s < now_s - silence_s else Status(row.status)
    heard = row.sequence >= 0
    serves = status in (Status.ONLINE, Status.DEGRADED)
    wanted = due(row.id, row.site, row.labels, row.booted)
    return Device(
        id=row.id,
        site=row.site,
        labels=row.labels,
        status=status,
        said=row.status if heard else "",
        up_to_date=serves and row.booted not in row.rejected and wanted in (None, row.booted),
        reason=row.reason,
        booted=row.booted,
        due=wanted,
        release=row.release or "",
        model=f"{row.model_name} {row.model_version}" if row.model_name else "",
        heard_s=row.heard_s,
        time_s=row.time_s,
        clock_off_s=row.time_s - row.heard_s if heard else 0,
        sequence=row.sequence,
        agent_version=row.agent_version,
        revoked=bool(row.revoked_s),
        rejected=row.rejected,
        figures=row.figures,
        booted_s=row.booted_s,
        figures_before=row.figures_before,
    )


def _past(row: Row[*tuple[Any, ...]]) -> Past:
    return Past(
        sequence=row.sequence,
        time_s=row.time_s,
        heard_s=row.heard_s,
        status=row.status,
        reason=row.reason,
        booted=row.booted,
        staged=row.staged,
        figures=row.figures,
        log=row.log,
    )
