"""A rollout never goes wider on failing health, and late or doubled reports change nothing."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.rollouts import policy as policies
from edgewise.core.rollouts.decide import decide
from edgewise.core.rollouts.health import failing
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Policy, Rollout, State, Worse
from edgewise.errors import BadMessage
from edgewise.exchange import offer
from edgewise.exchange.message import Figures, Status

RELEASE, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
POLICY = Policy(stages=("ring=canary", "10", "50", "100"), soak_s=60)
COMPARED = replace(
    POLICY, steady_s=60, worse_than_before=Worse(error_share=0.02, escalated_share=0.1, latency_ratio=1.5)
)
figures = st.builds(
    Figures,
    requests=st.integers(0, 500),
    errors=st.integers(0, 8),
    escalated=st.integers(0, 8),
    latency_p99_ms=st.none() | st.floats(0, 100),
)
heard = st.builds(
    Heard,
    device=st.sampled_from([f"{number:032x}" for number in range(12)]),
    sequence=st.integers(0, 20),
    status=st.sampled_from([Status.ONLINE, Status.FAILED, Status.ROLLED_BACK, Status.UPDATING]),
    booted=st.sampled_from([RELEASE, OTHER]),
    rejected=st.sampled_from([frozenset(), frozenset(), frozenset(), frozenset({RELEASE})]),
    labels=st.sampled_from([{}, {"ring": "canary"}]),
    figures=figures,
    since_s=st.none() | st.integers(0, 2000),
    before=st.none() | figures,
)
rollouts = st.builds(
    Rollout,
    name=st.just("press-line-1"),
    policy=st.sampled_from([POLICY, COMPARED]),
    state=st.sampled_from(list(State)),
    stage=st.integers(0, 3),
    since_s=st.integers(0, 1000),
)
reports = st.lists(heard, max_size=20)
ALL = Rollout(name="one", policy=POLICY, state=State.RUNNING, stage=3, since_s=0)


def fleet(size: int, *, rejected: int = 0, **more: Any) -> list[Heard]:
    """`size` devices that run the release, the first of which reject it and are back on the other."""
    return [
        Heard(
            device=f"{number:032x}",
            sequence=1,
            status=Status.ROLLED_BACK if number < rejected else Status.ONLINE,
            booted=OTHER if number < rejected else RELEASE,
            rejected=frozenset({RELEASE} if number < rejected else ()),
            **more,
        )
        for number in range(size)
    ]


@given(rollouts, reports, st.integers(0, 2000))
def test_never_wider_on_failing_health_or_when_it_is_over(rollout: Rollout, said: list[Heard], now_s: int) -> None:
    after = decide(rollout, RELEASE, said, now_s)
    assert rollout.stage <= after.stage <= rollout.stage + 1
    if failing(rollout, RELEASE, said, now_s) or rollout.state is not State.RUNNING:
        assert after.stage == rollout.stage
    if rollout.state in (State.RUNNING, State.PAUSED):
        assert (after.state is State.FAILED) == bool(failing(rollout, RELEASE, said, now_s))
    if rollout.state in (State.DONE, State.FAILED, State.ABORTED):
        assert after == rollout
    if after.stage > rollout.stage:
        assert now_s >= rollout.since_s + POLICY.soak_s


@given(rollouts, reports, st.integers(0, 2000), st.randoms())
def test_order_and_doubles_decide_nothing(rollout: Rollout, said: list[Heard], now_s: int, random: object) -> None:
    mixed = [*said, *said]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(rollout, RELEASE, mixed, now_s) == decide(rollout, RELEASE, said, now_s)


@given(rollouts, reports, st.integers(0, 2000), st.data())
def test_a_report_that_comes_late_decides_nothing(
    rollout: Rollout, said: list[Heard], now_s: int, data: st.DataObject
) -> None:
    now = [replace(one, sequence=one.sequence + 100) for one in said]
    late = [replace(one, rejected=frozenset()) for one in said if data.draw(st.booleans())]
    assert decide(rollout, RELEASE, [*late, *now], now_s) == decide(rollout, RELEASE, now, now_s)


@given(rollouts, st.lists(reports, max_size=6), st.integers(0, 2000))
def test_a_rollout_never_goes_back_and_what_is_over_stays_over(
    rollout: Rollout, words: list[list[Heard]], now_s: int
) -> None:
    said: list[Heard] = []
    for more in words:
        said += more
        after = decide(rollout, RELEASE, said, now_s)
        assert after.stage >= rollout.stage
        if rollout.state in (State.DONE, State.FAILED, State.ABORTED):
            assert after == rollout
        rollout, now_s = after, now_s + 61


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.sampled_from([{}, {"ring": "canary"}]))
def test_a_device_moves_once(device: str, labels: dict[str, str]) -> None:
    turns = [offer.turn(device, labels, RELEASE, POLICY.offered(index, "one")) for index in range(4)]
    assert turns == sorted(turns)
    assert turns[-1]


@given(rollouts)
def test_a_plan_is_read_as_it_was_written(rollout: Rollout) -> None:
    assert policies.read(policies.written(rollout)) == rollout


@given(rollouts, reports, st.sampled_from([f"{number:032x}" for number in range(12)]))
def test_one_more_device_that_rejects_it_makes_no_withdrawn_release_a_good_one(
    rollout: Rollout, said: list[Heard], device: str
) -> None:
    rollout = replace(rollout, policy=replace(POLICY, error_share=None))
    before = failing(rollout, RELEASE, said, 0)
    late = Heard(device=device, sequence=0, status=Status.UPDATING, booted=OTHER, rejected=frozenset({RELEASE}))
    if before and device in {one.device for one in said}:
        assert failing(rollout, RELEASE, [*said, late], 0)


def test_broken_hardware_among_few_devices_withdraws_nothing() -> None:
    assert not failing(ALL, RELEASE, fleet(88, rejected=2), 0), "2 of 88 are 2.3 %, and mean nothing"
    assert not failing(ALL, RELEASE, fleet(1000, rejected=25), 0)
    assert "40 of 1000 devices that tried it failed" in failing(ALL, RELEASE, fleet(1000, rejected=40), 0)
    bare = replace(ALL, policy=replace(POLICY, chance=1.0))
    assert failing(bare, RELEASE, fleet(88, rejected=2), 0), "the bare share"


def test_a_release_that_fails_everywhere_is_withdrawn_after_two_devices() -> None:
    unheard = [
        Heard(device=f"{number:032x}", sequence=-1, status=Status.OFFLINE, booted="") for number in range(90, 99)
    ]
    assert not failing(ALL, RELEASE, [*fleet(1, rejected=1), *unheard], 0)
    assert failing(ALL, RELEASE, [*fleet(2, rejected=2), *unheard], 0)
    assert "every device whose turn it is" in failing(ALL, RELEASE, fleet(1, rejected=1), 0), "a ring of one"
    elsewhere = replace(ALL, stage=0)
    assert not failing(elsewhere, RELEASE, fleet(1, rejected=1), 0), "a stage of nobody says nothing"


def test_a_stage_that_can_neither_go_wider_nor_be_judged_says_so() -> None:
    after = decide(ALL, RELEASE, fleet(10, rejected=2), 10_000)
    assert (after.state, after.stage) == (State.RUNNING, ALL.stage)
    assert "2 of 10 devices rejected it" in after.reason


def test_a_plan_from_before_there_was_a_test_of_chance_goes_on_by_the_bare_share() -> None:
    plan = policies.written(ALL)
    assert plan["failed_rule"] == "binomial, exact, one-sided"
    del plan["failed_rule"], plan["chance"]
    assert policies.read(plan).policy == replace(POLICY, chance=1.0)
    with pytest.raises(BadMessage, match="by 'dice'"):
        policies.read({**plan, "failed_rule": "dice"})


def test_silence_holds_and_health_goes_through_all_stages() -> None:
    devices = [f"{number:032x}" for number in range(40)]
    rollout = Rollout(name="one", policy=POLICY, state=State.RUNNING, stage=0, since_s=0)
    assert decide(rollout, RELEASE, [], 10_000).stage == 0
    seen = []
    for now_s in range(0, 400, 61):
        stage = POLICY.offered(rollout.stage, "one")
        said = [
            Heard(
                device=one,
                sequence=now_s,
                status=Status.ONLINE,
                booted=RELEASE if offer.turn(one, {}, RELEASE, stage) else OTHER,
            )
            for one in devices
        ]
        rollout = decide(rollout, RELEASE, said, now_s)
        seen.append((rollout.stage, rollout.state))
    assert seen[-1] == (3, State.DONE)
    assert [stage for stage, _ in seen] == sorted(stage for stage, _ in seen)
    lost = replace(said[0], rejected=frozenset({RELEASE}))
    assert decide(replace(rollout, state=State.RUNNING), RELEASE, [lost], 0).state is State.FAILED
