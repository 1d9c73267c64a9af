"""What users call about devices, cases and each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from edgewise.core.hub import audit, enrolment, fleet, inputs, reviews
from edgewise.core.hub.audit import Entry
from edgewise.core.hub.call import LIMIT, Asked, Call, Hub, Raw, number, text
from edgewise.core.hub.device_calls import DIGEST
from edgewise.core.hub.enrolment import Invitation
from edgewise.core.hub.fleet import Count, DeviceDetail, DevicePage, Filter
from edgewise.core.hub.reviews import CasePage, State, WaitingCase
from edgewise.core.hub.users import Role
from edgewise.exchange.enrolment import MAX_LABELS
from edgewise.exchange.message import Status

ID = "^[0-9a-f]{32}$"
LABEL = "^([^=]{1,64}=.{0,256})?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The fleet at a glance."""

    counts: list[Count]
    cases_open: int


def _whole(value: object) -> object:
    """60.0 is a whole number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


NO_NUL = r"^[^\u0000]*$"
LabelName = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
LabelValue = Annotated[str, Field(max_length=256, pattern=NO_NUL)]


class NewInvitation(BaseModel):
    """For which device a token shall be."""

    model_config = ConfigDict(extra="forbid", strict=True)
    site: str = Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    labels: dict[LabelName, LabelValue] = Field(default_factory=dict, max_length=MAX_LABELS)
    life_s: Annotated[int, BeforeValidator(_whole)] = Field(
        default=enrolment.LIFE_S, ge=60, le=enrolment.LONGEST_LIFE_S
    )


class Answer(BaseModel):
    """What is right, in a person's words."""

    model_config = ConfigDict(extra="forbid", strict=True)
    answer: str = Field(min_length=1, max_length=reviews.MAX_ANSWER, pattern=NO_NUL)


def overview(hub: Hub, asked: Asked) -> Overview:  # noqa: ARG001 - as every call
    """Devices by site and status, and how many cases wait."""
    with hub.database.reading() as connection:
        return Overview(
            counts=fleet.counts(connection, now_s=hub.now_s(), silence_s=hub.silence_s),
            cases_open=reviews.waiting(connection),
        )


def devices(hub: Hub, asked: Asked) -> DevicePage:
    """A page of devices."""
    given: Mapping[str, Any] = asked.values
    wanted = Filter(**{name: given[name] for name in ("site", "status", "label", "release", "id")})
    with hub.database.reading() as connection:
        return fleet.listed(
            connection,
            wanted,
            now_s=hub.now_s(),
            silence_s=hub.silence_s,
            after=given["after"],
            most=given["limit"],
            due=hub.due,
        )


def device(hub: Hub, asked: Asked) -> DeviceDetail:
    """One device."""
    with hub.database.reading() as connection:
        name = asked.values["device"]
        return fleet.detail(connection, name, now_s=hub.now_s(), silence_s=hub.silence_s, due=hub.due)


def revoke(hub: Hub, asked: Asked) -> None:
    """Trust a device no more."""
    with hub.database.writing() as connection:
        enrolment.revoke(connection, asked.values["device"], who=asked.who, now_s=hub.now_s())


def invite(hub: Hub, asked: Asked) -> Invitation:
    """A token for a new device."""
    wanted = asked.document
    with hub.database.writing() as connection:
        return enrolment.invite(
            connection,
            site=wanted.site,
            labels=wanted.labels,
            who=asked.who,
            now_s=hub.now_s(),
            life_s=wanted.life_s,
        )


def cases(hub: Hub, asked: Asked) -> CasePage:
    """A page of cases."""
    given = asked.values
    with hub.database.reading() as connection:
        return reviews.listed(
            connection,
            state=given["state"],
            site=given["site"],
            model=given["model"],
            device=given["device"],
            after=given["after"],
            most=given["limit"],
        )


def case(hub: Hub, asked: Asked) -> WaitingCase:
    """One case."""
    with hub.database.reading() as connection:
        return reviews.one(connection, asked.values["case"])


def answer(hub: Hub, asked: Asked) -> WaitingCase:
    """Say what is right."""
    with hub.database.writing() as connection:
        reviews.answer(connection, asked.values["case"], asked.document.answer, who=asked.who, now_s=hub.now_s())
        return reviews.one(connection, asked.values["case"])


def input_of_case(hub: Hub, asked: Asked) -> Raw:
    """The bytes of an input. Never shown by the browser as a page: whoever made them is not to be trusted."""
    with hub.database.reading() as connection:
        content = inputs.content(connection, asked.values["digest"])
    return Raw(content=content, media_type="application/octet-stream", headers={"Content-Disposition": "attachment"})


def changes(hub: Hub, asked: Asked) -> list[Entry]:
    """Lines of the audit log, newest first."""
    given = asked.values
    with hub.database.reading() as connection:
        return audit.newest(connection, subject=given["subject"], before=given["before"], most=given["limit"])


SITE = text("site", "Name of a site.", pattern="^[a-z0-9-]{0,63}$")
DEVICE = text("device", "Id of a device: 32 hexadecimal digits.", inside="path", pattern=ID)
CASE = text("case", "Id of a case: 32 hexadecimal digits.", inside="path", pattern=ID)
OF_DEVICES = (
    SITE,
    text("status", "Status of the device now.", enum=["", *Status]),
    text("label", "A label, as name=value.", longest=330, pattern=LABEL),
    text("release", "Digest of the release that it runs.", pattern="^(sha256:[0-9a-f]{64})?$"),
    text("id", "How the id begins.", pattern="^[0-9a-f]{0,32}$"),
    text("after", "The `next` of the page before.", pattern="^([0-9a-f]{32})?$"),
    LIMIT,
)
OF_CASES = (
    text("state", "Open or Answered.", enum=list(State), default=State.OPEN.value),
    SITE,
    text("model", "Name of a model.", longest=128),
    text("device", "Id of a device.", pattern="^([0-9a-f]{32})?$"),
    text("after", "The `next` of the page before.", pattern="^([0-9]{1,15}-[0-9a-f]{32})?$"),
    LIMIT,
)
OF_CHANGES = (
    text("subject", "What was changed: an id or a name."),
    number("before", "Older than the one with this number.", low=0, high=1 << 53, default=0),
    LIMIT,
)
V1 = "/api/v1"
CALLS = (
    Call(method="GET", path=f"{V1}/overview", summary="Devices by site and status.", run=overview, answer=Overview),
    Call(
        method="GET",
        path=f"{V1}/devices",
        summary="List devices.",
        run=devices,
        answer=DevicePage,
        parameters=OF_DEVICES,
    ),
    Call(
        method="GET",
        path=f"{V1}/devices/{{device}}",
        summary="Show a device with its history.",
        run=device,
        answer=DeviceDetail,
        parameters=(DEVICE,),
        refusals=(404,),
    ),
    Call(
        method="DELETE",
        path=f"{V1}/devices/{{device}}",
        summary="Revoke a device's key.",
        run=revoke,
        role=Role.OPERATOR,
        parameters=(DEVICE,),
        refusals=(404, 409),
        status=204,
    ),
    Call(
        method="POST",
        path=f"{V1}/enrolment-tokens",
        summary="Make a token with which one device may enrol.",
        run=invite,
        answer=Invitation,
        role=Role.OPERATOR,
        body=NewInvitation,
        status=201,
    ),
    Call(method="GET", path=f"{V1}/cases", summary="List cases.", run=cases, answer=CasePage, parameters=OF_CASES),
    Call(
        method="GET",
        path=f"{V1}/cases/{{case}}",
        summary="Show a case.",
        run=case,
        answer=WaitingCase,
        parameters=(CASE,),
        refusals=(404,),
    ),
    Call(
        method="POST",
        path=f"{V1}/cases/{{case}}/answer",
        summary="Answer a case.",
        run=answer,
        answer=WaitingCase,
        role=Role.OPERATOR,
        parameters=(CASE,),
        body=Answer,
        refusals=(404, 409),
    ),
    Call(
        method="GET",
        path=f"{V1}/inputs/{{digest}}",
        summary="Fetch the input of a case.",
        run=input_of_case,
        answer=bytes,
        parameters=(DIGEST,),
        media_type="application/octet-stream",
        refusals=(404,),
    ),
    Call(
        method="GET",
        path=f"{V1}/audit",
        summary="List changes, newest first.",
        run=changes,
        answer=list[Entry],
        role=Role.OPERATOR,
        parameters=OF_CHANGES,
    ),
)
