"""Up to date is who says that it runs what is signed for it: the hub follows the tree itself."""

import time
from pathlib import Path

import pytest

from edgewise.core.database.engine import Database
from edgewise.core.hub import app, fleet
from edgewise.core.hub.fleet import Device
from edgewise.core.hub.signed import Signed
from edgewise.core.hub.users import Role
from edgewise.errors import NotTrusted
from edgewise.exchange.message import Status
from edgewise.exchange.offer import Offered, Stage, Standing
from fakes.hubs import NOW_S, OTHER, FakeDevice, head, serving
from fakes.releases import Releases

SITE = "press-line"


@pytest.fixture
def made(tmp_path: Path) -> Releases:
    return Releases.make(tmp_path, SITE)


@pytest.fixture
def signed(made: Releases, tmp_path: Path) -> Signed:
    return Signed(made.base, made.root, tmp_path / "hub")


@pytest.fixture
def device(in_a_file: Database) -> FakeDevice:
    found = FakeDevice()
    found.enrols(in_a_file, ring="canary")
    return found


def shown(database: Database, device: FakeDevice, signed: Signed) -> Device:
    with database.reading() as connection:
        return fleet.detail(connection, device.id, now_s=NOW_S, silence_s=900, due=signed.due).device


def test_who_claims_another_release_is_not_up_to_date(
    in_a_file: Database, device: FakeDevice, made: Releases, signed: Signed
) -> None:
    first = made.publish(made.release("1"))
    device.says(in_a_file, device.report(Status.ONLINE, booted=OTHER))
    before = shown(in_a_file, device, signed)
    assert (before.due, before.up_to_date) == (None, True), "what is not known is not held against it"
    signed.look(SITE)
    claims = shown(in_a_file, device, signed)
    assert (claims.due, claims.up_to_date, claims.status) == (first, False, Status.ONLINE)
    device.says(in_a_file, device.report(Status.ONLINE, booted=first))
    assert shown(in_a_file, device, signed).up_to_date


def test_whose_turn_it_is_should_run_the_candidate_and_no_other(
    in_a_file: Database, device: FakeDevice, made: Releases, signed: Signed
) -> None:
    first, second = made.publish(made.release("1")), made.publish(made.release("2"))
    made.offer(
        second, Offered(standing=Standing.CANDIDATE, stage=Stage(percent=0, rings=("ring=canary",), rollout="r"))
    )
    signed.look(SITE)
    other = FakeDevice()
    other.enrols(in_a_file)
    for one in (device, other):
        labels = {"ring": "canary"} if one is device else {}
        one.says(in_a_file, one.report(Status.ONLINE, booted=second, labels=labels))
    assert shown(in_a_file, device, signed).up_to_date
    ahead = shown(in_a_file, other, signed)
    assert (ahead.due, ahead.up_to_date) == (first, False)


def test_what_cannot_be_verified_says_nothing(made: Releases, signed: Signed, tmp_path: Path) -> None:
    digest = made.publish(made.release("1"))
    signed.look(SITE)
    assert signed.due("d" * 32, SITE, {}, "") == digest
    timestamp = made.folder / "metadata/timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version": 2', b'"version": 9').replace(b"0", b"1"))
    with pytest.raises(NotTrusted):
        signed.look(SITE)
    assert signed.due("d" * 32, SITE, {}, "") is None
    foreign = Releases.make(tmp_path / "foreign", SITE)
    with pytest.raises(NotTrusted):
        Signed(foreign.base, made.root, tmp_path / "other").look(SITE)


def test_a_hub_follows_for_every_site_with_devices(
    in_a_file: Database, device: FakeDevice, made: Releases, signed: Signed
) -> None:
    digest = made.publish(made.release("1"))
    viewer = head(in_a_file, Role.VIEWER)
    device.says(in_a_file, device.report(Status.ONLINE, booted=OTHER), now_s=int(time.time()))
    with serving(in_a_file, signed=signed) as client:
        until = time.monotonic() + 30
        one = {"due": None}
        while one["due"] is None and time.monotonic() < until:
            (one,) = client.get("/api/v1/devices", headers=viewer).json()["devices"]
        assert (one["due"], one["up_to_date"], one["booted"]) == (digest, False, OTHER)
    assert app.make(in_a_file)
