"""What users call about rollouts: how far each is, and that one be stopped.

The hub holds no signing key. Who publishes tells it how a rollout stands (`PUT`), and looks whether it should be
stopped; devices learn of both from the signed metadata alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Connection, Row, desc, select, update

from edgewise.core.database.schema import rollouts as table
from edgewise.core.hub import audit, fleet
from edgewise.core.hub.call import Asked, Call, Hub, text
from edgewise.core.hub.fleet import Count
from edgewise.core.hub.users import Role
from edgewise.errors import Conflict, NotFound

V1 = "/api/v1"
ROLLOUT = text("rollout", "Name of a rollout.", inside="path", pattern="^[a-z0-9][a-z0-9.-]{0,127}$")
OVER = ("done", "aborted", "failed")
Percent = Annotated[float, Field(ge=0, le=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A release on its way through a site.

    Attributes:
        state: running, paused, done, failed, or aborted.
        stages: per cent of the site's devices, one after the other; `stage` is the index of the present one.
        reason: one sentence of whoever runs it.
        abort_wanted_by: an operator who wants it stopped; "" for nobody.
        counts: devices that run the release, by status.
    """

    name: str
    site: str
    release: str
    state: str
    stages: Sequence[float]
    stage: int
    reason: str
    started_s: int
    changed_s: int
    abort_wanted_by: str
    counts: Sequence[Count]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPage:
    """The newest rollouts."""

    rollouts: Sequence[Rollout]


def _whole(value: object) -> object:
    """24.0 is an integer of JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Told(BaseModel):
    """How a rollout stands, as whoever runs it says."""

    model_config = ConfigDict(extra="forbid", strict=True)
    site: str = Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    release: str = Field(pattern="^sha256:[0-9a-f]{64}$")
    state: str = Field(pattern="^(running|paused|done|failed|aborted)$")
    stages: list[Percent] = Field(min_length=1, max_length=50)
    stage: Annotated[int, BeforeValidator(_whole)] = Field(ge=0, lt=50)
    reason: str = Field(default="", max_length=2000, pattern=r"^[^\u0000]*$")


def rollouts(hub: Hub, asked: Asked) -> RolloutPage:  # noqa: ARG001 - as every call
    """The newest rollouts."""
    with hub.database.reading() as connection:
        rows = connection.execute(select(table).order_by(desc(table.c.started_s), table.c.name).limit(50))
        return RolloutPage(rollouts=[_rollout(hub, connection, row) for row in rows])


def rollout(hub: Hub, asked: Asked) -> Rollout:
    """One rollout."""
    with hub.database.reading() as connection:
        return _one(hub, connection, asked.values["rollout"])


def tell(hub: Hub, asked: Asked) -> Rollout:
    """Write how a rollout stands."""
    name, said, now_s = asked.values["rollout"], asked.document, hub.now_s()
    values = said.model_dump() | {"changed_s": now_s}
    with hub.database.writing() as connection:
        if not connection.execute(update(table).where(table.c.name == name).values(**values)).rowcount:
            connection.execute(table.insert().values(name=name, started_s=now_s, **values))
        details = {"state": said.state, "stage": said.stage}
        audit.note(connection, at_s=now_s, who=asked.who, action="tell rollout", subject=name, details=details)
        return _one(hub, connection, name)


def abort(hub: Hub, asked: Asked) -> Rollout:
    """Ask whoever runs a rollout to stop it."""
    name = asked.values["rollout"]
    with hub.database.writing() as connection:
        found = _one(hub, connection, name)
        if found.state in OVER:
            raise Conflict(f"rollout {name} is {found.state}: there is nothing to stop")
        connection.execute(update(table).where(table.c.name == name).values(abort_wanted_by=asked.who))
        audit.note(connection, at_s=hub.now_s(), who=asked.who, action="abort rollout", subject=name)
        return _one(hub, connection, name)


def _one(hub: Hub, connection: Connection, name: str) -> Rollout:
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"there is no rollout {name}", hint="edgewise get rollouts")
    return _rollout(hub, connection, row)


def _rollout(hub: Hub, connection: Connection, row: Row[*tuple[object, ...]]) -> Rollout:
    found = dict(row._mapping)
    site, release = str(found["site"]), str(found["release"])
    counts = fleet.counts(connection, now_s=hub.now_s(), silence_s=hub.silence_s, site=site, release=release)
    return Rollout(**found, counts=counts)


CALLS = (
    Call(method="GET", path=f"{V1}/rollouts", summary="List rollouts.", run=rollouts, answer=RolloutPage),
    Call(
        method="GET",
        path=f"{V1}/rollouts/{{rollout}}",
        summary="Show a rollout.",
        run=rollout,
        answer=Rollout,
        parameters=(ROLLOUT,),
        refusals=(404,),
    ),
    Call(
        method="PUT",
        path=f"{V1}/rollouts/{{rollout}}",
        summary="Tell how a rollout stands.",
        run=tell,
        answer=Rollout,
        role=Role.PUBLISHER,
        parameters=(ROLLOUT,),
        body=Told,
    ),
    Call(
        method="POST",
        path=f"{V1}/rollouts/{{rollout}}/abort",
        summary="Ask for a rollout to be stopped.",
        run=abort,
        answer=Rollout,
        role=Role.OPERATOR,
        parameters=(ROLLOUT,),
        refusals=(404, 409),
    ),
)
