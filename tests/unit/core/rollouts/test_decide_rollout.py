"""A rollout never goes wider on failing health, and late or doubled reports change nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.rollouts import policy as policies
from edgewise.core.rollouts.decide import Heard, decide, failing
from edgewise.core.rollouts.policy import Policy, Rollout, State
from edgewise.exchange import offer
from edgewise.exchange.message import Figures, Status

RELEASE, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
POLICY = Policy(stages=("ring=canary", "10", "50", "100"), soak_s=60)
heard = st.builds(
    Heard,
    device=st.sampled_from([f"{number:032x}" for number in range(12)]),
    sequence=st.integers(0, 20),
    status=st.sampled_from([Status.ONLINE, Status.FAILED, Status.ROLLED_BACK, Status.UPDATING]),
    booted=st.sampled_from([RELEASE, OTHER]),
    rejected=st.sampled_from([frozenset(), frozenset(), frozenset(), frozenset({RELEASE})]),
    labels=st.sampled_from([{}, {"ring": "canary"}]),
    figures=st.builds(Figures, requests=st.integers(0, 500), errors=st.integers(0, 8)),
)
rollouts = st.builds(
    Rollout,
    name=st.just("press-line-1"),
    policy=st.just(POLICY),
    state=st.sampled_from(list(State)),
    stage=st.integers(0, 3),
    since_s=st.integers(0, 1000),
)
reports = st.lists(heard, max_size=20)


@given(rollouts, reports, st.integers(0, 2000))
def test_never_wider_on_failing_health_or_when_it_is_over(rollout: Rollout, said: list[Heard], now_s: int) -> None:
    after = decide(rollout, RELEASE, said, now_s)
    assert rollout.stage <= after.stage <= rollout.stage + 1
    if failing(POLICY, RELEASE, said) or rollout.state is not State.RUNNING:
        assert after.stage == rollout.stage
    if rollout.state in (State.RUNNING, State.PAUSED):
        assert (after.state is State.FAILED) == bool(failing(POLICY, RELEASE, said))
    if rollout.state in (State.DONE, State.FAILED, State.ABORTED):
        assert after == rollout
    if after.stage > rollout.stage:
        assert now_s >= rollout.since_s + POLICY.soak_s


@given(rollouts, reports, st.integers(0, 2000), st.randoms())
def test_order_and_doubles_decide_nothing(rollout: Rollout, said: list[Heard], now_s: int, random: object) -> None:
    mixed = [*said, *said]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(rollout, RELEASE, mixed, now_s) == decide(rollout, RELEASE, said, now_s)


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.sampled_from([{}, {"ring": "canary"}]))
def test_a_device_moves_once(device: str, labels: dict[str, str]) -> None:
    turns = [offer.turn(device, labels, RELEASE, POLICY.offered(index, "one")) for index in range(4)]
    assert turns == sorted(turns)
    assert turns[-1]


@given(rollouts)
def test_a_plan_is_read_as_it_was_written(rollout: Rollout) -> None:
    assert policies.read(policies.written(rollout)) == rollout


def test_silence_holds_and_health_goes_through_all_stages() -> None:
    fleet = [f"{number:032x}" for number in range(40)]
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
            for one in fleet
        ]
        rollout = decide(rollout, RELEASE, said, now_s)
        seen.append((rollout.stage, rollout.state))
    assert seen[-1] == (3, State.DONE)
    assert [stage for stage, _ in seen] == sorted(stage for stage, _ in seen)
    lost = replace(said[0], rejected=frozenset({RELEASE}))
    assert decide(replace(rollout, state=State.RUNNING), RELEASE, [lost], 0).state is State.FAILED
