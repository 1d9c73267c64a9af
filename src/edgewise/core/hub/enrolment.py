"""Devices become known here, and cease to be trusted here.

A token is good for one device, for a while, for the site and labels that its maker chose. The same device may show it
again, for its answer may have been lost; any other is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from edgewise.core.database.schema import devices, enrolment_tokens
from edgewise.core.hub import audit, secrets
from edgewise.errors import BadInput, Conflict, NotFound, TokenRefused
from edgewise.exchange import signing
from edgewise.exchange.enrolment import MAX_LABELS, Enrolled, Enrolment
from edgewise.exchange.fields import NAME

LIFE_S = 24 * 3600
LONGEST_LIFE_S = 90 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A token for one device; the only time that its text is seen."""

    token: str
    site: str
    labels: Mapping[str, str]
    expires_s: int


def invite(
    connection: Connection, *, site: str, labels: Mapping[str, str], who: str, now_s: int, life_s: int = LIFE_S
) -> Invitation:
    """Make a token with which one device may enrol at `site`.

    Raises:
        BadInput: a site or label that cannot be one, or a life out of bounds.
    """
    _check(site, labels, life_s)
    token = secrets.make(secrets.ENROLMENT)
    made = Invitation(token=token, site=site, labels=dict(labels), expires_s=now_s + life_s)
    connection.execute(delete(enrolment_tokens).where(enrolment_tokens.c.expires_s < now_s - LONGEST_LIFE_S))
    connection.execute(
        insert(enrolment_tokens).values(
            hash=secrets.hashed(token),
            site=site,
            labels=made.labels,
            made_by=who,
            made_s=now_s,
            expires_s=made.expires_s,
        )
    )
    audit.note(connection, at_s=now_s, who=who, action="invite device", subject=site, details={"labels": made.labels})
    return made


def enrol(connection: Connection, enrolment: Enrolment, *, now_s: int) -> Enrolled:
    """Make the device known that has signed `enrolment`.

    Raises:
        TokenRefused: the token is unknown, expired, or another device has used it; or the device was revoked.
    """
    device = signing.device_id(enrolment.public_key)
    token = _used(connection, secrets.hashed(enrolment.token), device, now_s)
    known = connection.execute(select(devices).where(devices.c.id == device).with_for_update()).one_or_none()
    if known is not None and known.revoked_s:
        raise TokenRefused(f"device {device} was revoked", hint="make a new key on the device, and a new token")
    if known is None:
        first = {"id": device, "public_key": enrolment.public_key, "enrolled_s": now_s, "heard_s": now_s}
        connection.execute(insert(devices).values(**first, site=token.site, labels=token.labels))
    elif (known.site, known.labels) != (token.site, token.labels):
        moved = {"site": token.site, "labels": token.labels}
        connection.execute(update(devices).where(devices.c.id == device).values(**moved))
    audit.note(
        connection,
        at_s=now_s,
        who=f"device {device}",
        action="enrol device",
        subject=device,
        details={"site": token.site, "invited_by": token.made_by},
    )
    sequence = -1 if known is None else known.sequence
    return Enrolled(device=device, site=token.site, labels=token.labels, time_s=now_s, sequence=sequence)


def revoke(connection: Connection, device: str, *, who: str, now_s: int) -> None:
    """Trust nothing more that `device` signs, and count it no more. What it has reported stays.

    Raises:
        NotFound: there is no such device.
        Conflict: it was revoked before.
    """
    found = devices.c.id == device
    if not connection.execute(update(devices).where(found, devices.c.revoked_s == 0).values(revoked_s=now_s)).rowcount:
        if connection.execute(select(devices.c.id).where(found)).one_or_none() is None:
            raise NotFound(f"there is no device {device}", hint="edgewise get devices")
        raise Conflict(f"device {device} was revoked before")
    audit.note(connection, at_s=now_s, who=who, action="revoke device", subject=device)


def _used(connection: Connection, token_hash: str, device: str, now_s: int) -> Row[*tuple[Any, ...]]:
    """The token, which from now on is used by `device`; whoever comes second finds it so."""
    table = enrolment_tokens
    fresh = (table.c.hash == token_hash, table.c.used_s == 0, table.c.expires_s > now_s)
    took = connection.execute(update(table).where(*fresh).values(used_s=now_s, used_by=device)).rowcount
    token = connection.execute(select(table).where(table.c.hash == token_hash)).one_or_none()
    if token is None:
        raise TokenRefused("this enrolment token is unknown", hint="make one: edgewise create enrolment-token")
    if not took and token.used_by != device:
        cause = "was used by another device" if token.used_s else "has expired"
        raise TokenRefused(f"this enrolment token {cause}", hint="make another: edgewise create enrolment-token")
    return token


def _check(site: str, labels: Mapping[str, str], life_s: int) -> None:
    if not NAME.fullmatch(site):
        raise BadInput(f"{site!r} cannot be a site's name", hint="small letters, digits and dashes, at most 63")
    if len(labels) > MAX_LABELS or any(
        not key or len(key) > 64 or len(value) > 256 or "\0" in key + value for key, value in labels.items()
    ):
        raise BadInput("labels are at most 64 pairs of short texts", hint="such as ring=canary")
    if not 60 <= life_s <= LONGEST_LIFE_S:
        raise BadInput(f"a token lives from a minute to 90 days, not {life_s} s")
