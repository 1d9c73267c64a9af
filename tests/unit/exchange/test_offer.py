"""Whose turn it is: the same for everybody who counts, and never taken back by a wider stage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadMessage
from edgewise.exchange import offer
from edgewise.exchange.offer import Offered, Stage, Standing

devices = st.text("0123456789abcdef", min_size=32, max_size=32)
percents = st.floats(0, 100)
OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
stages = st.builds(
    Stage,
    percent=percents,
    rings=st.lists(st.text(max_size=20).filter(lambda text: "\0" not in text), max_size=3).map(tuple),
    rollout=st.just("r1"),
    paused=st.booleans(),
)


def candidate(percent: float, **more: object) -> dict[str, Offered]:
    stage = Stage(percent=percent, **more)  # type: ignore[arg-type]
    return {OLD: Offered(standing=Standing.STABLE), NEW: Offered(standing=Standing.CANDIDATE, stage=stage)}


@given(st.builds(Offered, standing=st.sampled_from(Standing), stage=st.none() | stages))
def test_what_is_written_is_read(offered: Offered) -> None:
    assert offer.read(offer.custom(offered)) == offered


@given(devices, percents, percents)
def test_a_wider_stage_takes_nobody_out(device: str, one: float, other: float) -> None:
    narrow, wide = sorted([one, other])
    if offer.turn(device, {}, NEW, Stage(percent=narrow)):
        assert offer.turn(device, {}, NEW, Stage(percent=wide))


@given(devices)
def test_nobody_at_0_and_everybody_at_100_percent(device: str) -> None:
    assert offer.due(device, {}, candidate(0)) == OLD
    assert offer.due(device, {}, candidate(100)) == NEW


def test_a_stage_takes_about_its_share_and_another_one_for_each_release() -> None:
    ids = [f"{number:032x}" for number in range(4000)]
    taken = [{one for one in ids if offer.turn(one, {}, release, Stage(percent=25))} for release in (OLD, NEW)]
    for found in taken:
        assert 900 < len(found) < 1100
    assert 180 < len(taken[0] & taken[1]) < 320


@given(devices)
def test_a_ring_goes_first(device: str) -> None:
    offers = candidate(0, rings=("ring=canary",))
    assert offer.due(device, {"ring": "canary"}, offers) == NEW
    assert offer.due(device, {"ring": "rest"}, offers) == OLD


@given(devices)
def test_a_paused_candidate_is_kept_and_not_taken(device: str) -> None:
    offers = candidate(100, paused=True)
    assert offer.due(device, {}, offers, running=NEW) == NEW
    assert offer.due(device, {}, offers, running=OLD) == OLD


@given(devices)
def test_whoever_runs_what_is_withdrawn_goes_back(device: str) -> None:
    offers = {OLD: Offered(standing=Standing.STABLE), NEW: Offered(standing=Standing.WITHDRAWN)}
    assert offer.due(device, {}, offers, running=NEW) == OLD
    assert offer.due(device, {}, {NEW: offers[NEW]}, running=NEW) == ""


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"apiVersion": "edgewise/v1", "standing": "best"},
        {"apiVersion": "edgewise/v2", "standing": "stable"},
        {"apiVersion": "edgewise/v1", "standing": "candidate", "stage": {"percent": 101}},
        {"apiVersion": "edgewise/v1", "standing": "candidate", "stage": {"percent": 1, "paused": "no"}},
    ],
)
def test_what_says_nothing_is_refused(value: object) -> None:
    with pytest.raises(BadMessage):
        offer.read(value)
