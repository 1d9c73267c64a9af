"""How devices become known, and cease to be trusted."""

import threading

import pytest

from edgewise.core.database.engine import Database
from edgewise.core.hub import audit, enrolment
from edgewise.core.hub.enrolment import Invitation
from edgewise.errors import BadInput, BadMessage, Conflict, NotFound, TokenRefused
from edgewise.exchange import enrolment as documents
from edgewise.exchange import signing
from edgewise.exchange.enrolment import Enrolled, Enrolment
from fakes.hubs import NOW_S, FakeDevice


def invite(database: Database, **changes: int) -> Invitation:
    with database.writing() as connection:
        labels = {"ring": "canary"}
        return enrolment.invite(connection, site="press-line", labels=labels, who="anna", now_s=NOW_S, **changes)


def enrol(database: Database, device: FakeDevice, token: str, *, now_s: int = NOW_S) -> Enrolled:
    with database.writing() as connection:
        return enrolment.enrol(connection, documents.read(device.asks(token)), now_s=now_s)


def test_a_token_is_good_for_one_device(database: Database) -> None:
    token, device, thief = invite(database).token, FakeDevice(), FakeDevice()
    told = enrol(database, device, token)
    assert (told.device, told.site, told.labels, told.sequence) == (device.id, "press-line", {"ring": "canary"}, -1)
    with pytest.raises(TokenRefused, match="used by another device"):
        enrol(database, thief, token)
    assert enrol(database, device, token) == told  # the answer was lost on its way


def test_of_two_at_once_one_is_enrolled(database: Database) -> None:
    token, devices = invite(database).token, [FakeDevice() for _ in range(4)]
    outcomes: list[str] = []

    def hurry(device: FakeDevice) -> None:
        try:
            enrol(database, device, token)
            outcomes.append("enrolled")
        except TokenRefused:
            outcomes.append("refused")

    threads = [threading.Thread(target=hurry, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["enrolled", "refused", "refused", "refused"]


def test_a_token_expires(database: Database) -> None:
    token = invite(database, life_s=60).token
    with pytest.raises(TokenRefused, match="expired"):
        enrol(database, FakeDevice(), token, now_s=NOW_S + 60)
    with pytest.raises(TokenRefused, match="unknown"):
        enrol(database, FakeDevice(), token + "x")


def test_the_key_must_be_there_not_only_its_name(database: Database) -> None:
    device, thief = FakeDevice(), FakeDevice()
    wanted = Enrolment(token=invite(database).token, public_key=signing.public_bytes(device.key))
    with pytest.raises(BadMessage, match="signed by another"):
        documents.read(documents.written(wanted, thief.key))


def test_tokens_are_kept_as_hashes_alone(database: Database) -> None:
    from edgewise.core.database.schema import enrolment_tokens

    token = invite(database).token
    with database.reading() as connection:
        rows = str(list(connection.execute(enrolment_tokens.select())))
    assert token not in rows
    assert token.removeprefix("ewe_") not in rows


def test_a_revoked_key_does_not_enrol_again(database: Database) -> None:
    device = FakeDevice()
    device.enrols(database)
    with database.writing() as connection:
        enrolment.revoke(connection, device.id, who="anna", now_s=NOW_S)
    with pytest.raises(TokenRefused, match="revoked"):
        device.enrols(database)
    with database.writing() as connection, pytest.raises(Conflict):
        enrolment.revoke(connection, device.id, who="anna", now_s=NOW_S)
    with database.writing() as connection, pytest.raises(NotFound):
        enrolment.revoke(connection, "0" * 32, who="anna", now_s=NOW_S)


def test_a_known_device_moves_with_a_new_token(database: Database) -> None:
    device = FakeDevice()
    device.enrols(database)
    device.says(database, device.report())
    told = device.enrols(database, site="gate")
    assert (told.site, told.sequence) == ("gate", 0)


@pytest.mark.parametrize(
    ("site", "labels", "life_s"),
    [
        ("Press Line", {}, 60),
        ("gate", {"": "x"}, 60),
        ("gate", {"a": "\0"}, 60),
        ("gate", {}, 1),
        ("gate", {}, 1 << 40),
    ],
)
def test_what_no_token_can_be_for(database: Database, site: str, labels: dict[str, str], life_s: int) -> None:
    with database.writing() as connection, pytest.raises(BadInput):
        enrolment.invite(connection, site=site, labels=labels, who="anna", now_s=NOW_S, life_s=life_s)


def test_every_change_is_in_the_audit_log(database: Database) -> None:
    device = FakeDevice()
    device.enrols(database)
    with database.writing() as connection:
        enrolment.revoke(connection, device.id, who="anna", now_s=NOW_S + 1)
    with database.reading() as connection:
        lines = [(one.who, one.action, one.subject) for one in audit.newest(connection)]
        mine = audit.newest(connection, subject=device.id, most=1)
    assert lines == [
        ("anna", "revoke device", device.id),
        (f"device {device.id}", "enrol device", device.id),
        ("test", "invite device", "press-line"),
    ]
    assert [one.action for one in mine] == ["revoke device"]
