"""What devices say: each message once, whatever the order, and nothing from whom it is not."""

import random

import pytest
from sqlalchemy import func, select

from edgewise.core.database.engine import Database
from edgewise.core.database.schema import cases, inputs, reports
from edgewise.core.hub import enrolment, fleet, intake, reviews, upkeep
from edgewise.core.hub import inputs as given
from edgewise.core.hub.fleet import Device, Filter
from edgewise.errors import BadMessage, DatabaseLost, NotFound
from edgewise.exchange import signing
from edgewise.exchange.message import Figures, Status
from edgewise.exchange.receipt import Taken
from fakes.hubs import NOW_S, OTHER, RELEASE, FakeDevice, taken
from fakes.postgres import Postgres

ACCEPTED, KNOWN, REFUSED = Taken.ACCEPTED, Taken.KNOWN, Taken.REFUSED


def shown(database: Database, device: FakeDevice, *, now_s: int = NOW_S) -> Device:
    with database.reading() as connection:
        return fleet.detail(connection, device.id, now_s=now_s, silence_s=900).device


def kept(database: Database, table: object = reports) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


@pytest.fixture
def device(database: Database) -> FakeDevice:
    made = FakeDevice()
    made.enrols(database, ring="canary")
    return made


def test_the_newest_report_is_what_is_shown(database: Database, device: FakeDevice) -> None:
    report = device.report(reason="all is well", figures=Figures(requests=7), log=("started",), labels={"floor": "2"})
    receipt = device.says(database, report)
    assert taken(receipt) == [ACCEPTED]
    assert receipt.sequences == {device.id: 0}
    with database.reading() as connection:
        found = fleet.detail(connection, device.id, now_s=NOW_S, silence_s=900)
    assert (found.device.status, found.device.booted, found.device.reason) == ("Online", RELEASE, "all is well")
    assert found.device.up_to_date
    assert found.device.labels == {"floor": "2"}
    assert found.history[0].log == ["started"]
    assert found.history[0].figures["requests"] == 7


def test_since_when_a_release_runs_and_what_was_counted_before_it(database: Database, device: FakeDevice) -> None:
    said = [
        device.report(booted=release, figures=Figures(requests=requests))
        for release, requests in ((RELEASE, 1), (RELEASE, 2), (OTHER, 3), (OTHER, 4), (OTHER, 5))
    ]
    device.says(database, said[0], now_s=NOW_S)
    device.says(database, said[2], said[1], now_s=NOW_S + 100)
    device.says(database, said[4], now_s=NOW_S + 200)
    device.says(database, said[3], said[1], now_s=NOW_S + 300)
    found = shown(database, device)
    assert (found.booted, found.booted_s, found.figures["requests"]) == (OTHER, NOW_S + 100, 5)
    assert found.figures_before["requests"] == 2, "the batch is read in the order in which it was said"


def test_who_has_said_nothing_ran_nothing_before(database: Database, device: FakeDevice) -> None:
    assert (shown(database, device).booted_s, shown(database, device).figures_before) == (0, {})
    device.says(database, device.report(), now_s=NOW_S)
    assert (shown(database, device).booted_s, shown(database, device).figures_before) == (NOW_S, {})


def test_the_same_again_changes_nothing_and_keeps_nobody_alive(database: Database, device: FakeDevice) -> None:
    report = device.report()
    device.says(database, report)
    assert taken(device.says(database, report, report, now_s=NOW_S + 5000)) == [KNOWN, KNOWN]
    assert kept(database) == 1
    assert shown(database, device, now_s=NOW_S + 5000).status is Status.OFFLINE


def test_weeks_of_reports_in_any_order_end_where_order_would(database: Database, device: FakeDevice) -> None:
    said = [device.report(reason=f"{number}") for number in range(40)]
    last = device.report(Status.ROLLED_BACK, reason="the last", booted=OTHER, rejected=(RELEASE,))
    mixed = [*said, last, *said[:10]]
    random.Random(4).shuffle(mixed)
    for start in range(0, len(mixed), 7):
        device.says(database, *mixed[start : start + 7], now_s=NOW_S + start)
    assert kept(database) == 41
    found = shown(database, device)
    assert (found.status, found.reason, found.booted, found.sequence) == ("RolledBack", "the last", OTHER, 40)
    assert not found.up_to_date


def test_a_late_report_does_not_say_that_the_device_is_alive(database: Database, device: FakeDevice) -> None:
    early, late = device.report(reason="early"), device.report(reason="late")
    device.says(database, late)
    assert taken(device.says(database, early, now_s=NOW_S + 5000)) == [ACCEPTED]
    found = shown(database, device, now_s=NOW_S + 5000)
    assert (found.status, found.said, found.reason) == (Status.OFFLINE, "Online", "late")


def test_a_used_sequence_or_id_is_refused_for_another_message(database: Database, device: FakeDevice) -> None:
    first = device.report()
    device.says(database, first)
    other = FakeDevice()
    other.enrols(database)
    same_sequence, same_id = device.report(sequence=0), other.report(id=first.id)
    receipt = intake.take(database, [device.signs(same_sequence), other.signs(same_id)], now_s=NOW_S)
    assert taken(receipt) == [REFUSED, REFUSED]
    assert "sequence 0" in receipt.outcomes[0].reason
    assert "is another message's" in receipt.outcomes[1].reason
    assert kept(database) == 1


def test_within_a_batch_too(database: Database, device: FakeDevice) -> None:
    first = device.report()
    again = device.report(sequence=first.sequence)
    assert taken(device.says(database, first, first, again)) == [ACCEPTED, KNOWN, REFUSED]


def test_what_another_device_has_signed_is_refused(database: Database, device: FakeDevice) -> None:
    thief = FakeDevice()
    thief.enrols(database)
    forged = thief.signs(device.report(Status.FAILED))
    relabelled = signing.Signed(device=device.id, payload=forged.payload, signature=forged.signature)
    changed = device.signs(device.report())
    changed = signing.Signed(device=device.id, payload=changed.payload + b" ", signature=changed.signature)
    receipt = intake.take(database, [forged, relabelled, changed], now_s=NOW_S)
    assert taken(receipt) == [REFUSED] * 3
    assert kept(database) == 0
    assert shown(database, device).said == ""


def test_a_revoked_key_and_a_stranger_are_refused(database: Database, device: FakeDevice) -> None:
    device.says(database, device.report())
    with database.writing() as connection:
        enrolment.revoke(connection, device.id, who="anna", now_s=NOW_S)
    stranger = FakeDevice()
    signed = [device.signs(device.report(Status.FAILED)), stranger.signs(stranger.report())]
    receipt = intake.take(database, signed, now_s=NOW_S)
    assert taken(receipt) == [REFUSED, REFUSED]
    assert "revoked" in receipt.outcomes[0].reason
    assert kept(database) == 1


def test_the_others_of_a_batch_are_taken(database: Database, device: FakeDevice) -> None:
    rubbish = signing.sign(b"no report", device.key)
    receipt = intake.take(database, [rubbish, device.signs(device.report())], now_s=NOW_S)
    assert taken(receipt) == [REFUSED, ACCEPTED]


def test_a_clock_that_says_1970_is_taken_and_told(database: Database, device: FakeDevice) -> None:
    receipt = device.says(database, device.report(time_s=12))
    assert taken(receipt) == [ACCEPTED]
    assert receipt.time_s == NOW_S
    found = shown(database, device)
    assert (found.status, found.time_s, found.clock_off_s) == (Status.ONLINE, 12, 12 - NOW_S)
    device.says(database, device.report(Status.DEGRADED, time_s=1))
    assert shown(database, device).status is Status.DEGRADED


def test_who_rolled_back_is_never_up_to_date(database: Database, device: FakeDevice) -> None:
    device.says(database, device.report(Status.ROLLED_BACK, booted=OTHER, rejected=(RELEASE,)))
    for now_s in (NOW_S, NOW_S + 5000):
        assert not shown(database, device, now_s=now_s).up_to_date
    device.says(database, device.report(Status.ONLINE, booted=RELEASE, rejected=(RELEASE,)))
    assert not shown(database, device).up_to_date


def test_silence_is_offline_and_what_was_said_last_is_remembered(database: Database, device: FakeDevice) -> None:
    device.says(database, device.report(Status.FAILED))
    found = shown(database, device, now_s=NOW_S + 901)
    assert (found.status, found.said) == (Status.OFFLINE, "Failed")
    assert shown(database, device, now_s=NOW_S + 899).status is Status.FAILED


def test_counts_agree_with_the_list(database: Database) -> None:
    words = [Status.ONLINE, Status.ONLINE, Status.FAILED, Status.UPDATING, Status.ROLLED_BACK]
    for number, status in enumerate(words * 2):
        one = FakeDevice()
        one.enrols(database, site="gate" if number % 2 else "press-line")
        one.says(database, one.report(status), now_s=NOW_S if number < 7 else NOW_S - 2000)
    FakeDevice().enrols(database, now_s=NOW_S - 5000)  # has never said a word
    with database.reading() as connection:
        counted = fleet.counts(connection, now_s=NOW_S, silence_s=900)
        assert sum(one.devices for one in counted) == 11
        for one in counted:
            wanted = Filter(site=one.site, status=one.status.value)
            page = fleet.listed(connection, wanted, now_s=NOW_S, silence_s=900)
            assert len(page.devices) == one.devices
            assert {device.status for device in page.devices} == {one.status}
        only = fleet.counts(connection, now_s=NOW_S, silence_s=900, site="gate")
        assert only == [one for one in counted if one.site == "gate"]


def test_pages_of_devices_hold_each_once(database: Database) -> None:
    made = [FakeDevice() for _ in range(7)]
    for one in made:
        one.enrols(database, ring="canary" if one is made[0] else "rest")
    found: list[str] = []
    after = ""
    with database.reading() as connection:
        while True:
            page = fleet.listed(connection, Filter(), now_s=NOW_S, silence_s=900, after=after, most=3)
            found += [device.id for device in page.devices]
            if not page.next:
                break
            after = page.next
        canaries = fleet.listed(connection, Filter(label="ring=canary"), now_s=NOW_S, silence_s=900)
        begins = fleet.listed(connection, Filter(id=made[3].id[:12]), now_s=NOW_S, silence_s=900)
    assert found == sorted(one.id for one in made)
    assert [device.id for device in canaries.devices] == [made[0].id]
    assert [device.id for device in begins.devices] == [made[3].id]


def test_cases_wait_for_a_person_once(database: Database, device: FakeDevice) -> None:
    content = b"\x01\x02"
    case = device.case(input="AQI=", input_digest=given.digest(content), input_media_type="image/png")
    assert taken(device.says(database, case, case)) == [ACCEPTED, KNOWN]
    with database.reading() as connection:
        page = reviews.listed(connection)
        assert given.content(connection, case.input_digest) == content
    assert [(one.id, one.has_input, one.state) for one in page.cases] == [(case.id, True, "Open")]
    assert kept(database, cases) == kept(database, inputs) == 1


def test_an_input_that_is_not_what_its_digest_says_is_left_out(database: Database, device: FakeDevice) -> None:
    case = device.case(input="AQI=", input_digest=RELEASE)
    device.says(database, case)
    assert kept(database, inputs) == 0
    with database.writing() as connection, pytest.raises(BadMessage, match="these bytes are"):
        given.keep(connection, RELEASE, b"other", now_s=NOW_S)
    with database.writing() as connection, pytest.raises(NotFound, match="no case waits"):
        given.keep(connection, OTHER, b"other", now_s=NOW_S)


def test_an_input_may_come_later_and_twice(database: Database, device: FakeDevice) -> None:
    digest = given.digest(b"an image")
    device.says(database, device.case(input_digest=digest))
    for _ in range(2):
        with database.writing() as connection:
            given.keep(connection, digest, b"an image", now_s=NOW_S)
    assert kept(database, inputs) == 1


def test_what_the_history_has_forgotten_is_not_taken_again(database: Database, device: FakeDevice) -> None:
    said = [device.report() for _ in range(3)]
    device.says(database, *said[:2], now_s=NOW_S - 100)
    device.says(database, said[2])
    assert upkeep.prune(database, before_s=NOW_S - 50) == 2
    assert upkeep.prune(database, before_s=NOW_S - 50) == 0
    assert taken(device.says(database, *said)) == [KNOWN] * 3
    assert kept(database) == 1


def test_a_database_that_goes_away_loses_nothing(postgres: Postgres) -> None:
    from edgewise.core.database import migrate

    database = migrate.opened(postgres.new())
    device = FakeDevice()
    device.enrols(database)
    said = [device.report() for _ in range(5)]
    device.says(database, *said[:2])
    postgres.stop()
    try:
        with pytest.raises(DatabaseLost, match="cannot be used"):
            device.says(database, *said[2:])
    finally:
        postgres.start()
    assert taken(device.says(database, *said)) == [KNOWN, KNOWN, ACCEPTED, ACCEPTED, ACCEPTED]
    database.close()


def test_a_database_that_goes_away_in_mid_write_has_written_nothing(postgres: Postgres) -> None:
    from edgewise.core.database import migrate

    database = migrate.opened(postgres.new())
    device = FakeDevice()
    device.enrols(database)
    said = device.report()

    def break_off() -> None:
        with database.writing() as connection:
            intake._insert(connection, reports, [intake._report(said, NOW_S)])
            postgres.stop()

    try:
        with pytest.raises(DatabaseLost):
            break_off()
    finally:
        postgres.start()
    assert kept(database) == 0
    assert taken(device.says(database, said)) == [ACCEPTED]
    database.close()
