"""Devices are compared with what they were under the release before; who moved just now hides nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.rollouts import policy as policies
from edgewise.core.rollouts.decide import decide
from edgewise.core.rollouts.health import failing, uncompared
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Policy, Rollout, State, Worse
from edgewise.errors import BadInput, BadMessage
from edgewise.exchange.message import Figures, Status

RELEASE, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
WORSE = Worse(error_share=0.02, escalated_share=0.1, latency_ratio=1.5)
POLICY = Policy(stages=("100",), soak_s=0, error_share=None, worse_than_before=WORSE)
ROLLOUT = Rollout(name="one", policy=POLICY, state=State.RUNNING, stage=0, since_s=0)
NOW_S = 100_000
BEFORE = Figures(requests=1000, errors=10, escalated=50, latency_p99_ms=20.0)
figures = st.builds(
    Figures,
    requests=st.integers(0, 500),
    errors=st.integers(0, 8),
    escalated=st.integers(0, 40),
    latency_p99_ms=st.none() | st.floats(0, 100),
)


def heard(number: int, now: Figures, **more: object) -> Heard:
    same = {"device": f"{number:032x}", "sequence": 1, "status": Status.ONLINE, "booted": RELEASE, "figures": now}
    return Heard(**(same | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        (BEFORE, ""),
        (replace(BEFORE, errors=31), ""),
        (replace(BEFORE, errors=60), "300 of 5000 requests failed, and 1.00% under the release before"),
        (replace(BEFORE, escalated=250), "1250 of 5000 requests were escalated, and 5.00% under the release before"),
        (replace(BEFORE, latency_p99_ms=29.0), ""),
        (replace(BEFORE, latency_p99_ms=32.0), "p99 is 1.6 times that under the release before"),
        (Figures(requests=15, errors=15, latency_p99_ms=900.0), ""),
    ],
    ids=["same", "by chance", "errors", "escalations", "a little slower", "slower", "too few requests"],
)
@pytest.mark.parametrize("paired", [True, False], ids=["with itself", "with others"])
def test_what_is_worse_than_before_withdraws_it(now: Figures, wrong: str, paired: bool) -> None:
    if paired:
        said = [heard(number, now, before=BEFORE) for number in range(5)]
    else:
        said = [heard(number, now) for number in range(5)]
        said += [heard(number, BEFORE, booted=OTHER) for number in range(5, 9)]
    assert failing(ROLLOUT, RELEASE, said, NOW_S) == wrong
    assert not uncompared(POLICY, RELEASE, said)


def test_a_device_is_rather_compared_with_itself() -> None:
    slow = replace(BEFORE, latency_p99_ms=200.0)
    quick = [heard(number, replace(BEFORE, latency_p99_ms=10.0), booted=OTHER) for number in range(5, 9)]
    assert not failing(ROLLOUT, RELEASE, [heard(1, slow, before=slow), *quick], NOW_S)
    assert failing(ROLLOUT, RELEASE, [heard(1, slow), *quick], NOW_S)


def test_where_nothing_is_known_from_before_it_says_so_and_goes_on() -> None:
    said = [heard(number, replace(BEFORE, errors=900)) for number in range(5)]
    after = decide(ROLLOUT, RELEASE, said, NOW_S)
    assert after.state is State.DONE
    assert after.reason == (
        "5 of 5 devices keep it; "
        "errors and escalations and latency not compared: nothing was heard of the release before"
    )
    gone_back = heard(9, BEFORE, booted=OTHER, rejected=frozenset({RELEASE}))
    assert uncompared(POLICY, RELEASE, [*said, gone_back]), "what it counts may be of either release"
    assert not uncompared(replace(POLICY, worse_than_before=Worse()), RELEASE, said)
    assert not uncompared(POLICY, RELEASE, []), "nobody runs it yet"


@given(st.lists(figures, min_size=1, max_size=8), st.lists(st.none() | figures, min_size=8, max_size=8))
def test_it_halts_by_nothing_but_what_is_known_from_before(now: list[Figures], then: list[Figures | None]) -> None:
    alone = [heard(number, one) for number, one in enumerate(now)]
    assert not failing(ROLLOUT, RELEASE, alone, NOW_S)
    same = [heard(number, one, before=one) for number, one in enumerate(now)]
    assert not failing(ROLLOUT, RELEASE, same, NOW_S)
    known = [heard(number, one, before=then[number]) for number, one in enumerate(now)]
    if failing(ROLLOUT, RELEASE, known, NOW_S):
        assert not uncompared(POLICY, RELEASE, known) or any(one is not None for one in then)


@given(st.lists(st.tuples(figures, st.none() | st.integers(0, NOW_S)), max_size=8), st.integers(1, 30))
def test_those_who_moved_just_now_hide_nothing(devices: list[tuple[Figures, int | None]], late: int) -> None:
    policy = replace(POLICY, error_share=0.01)
    rollout = replace(ROLLOUT, policy=policy)
    said = [
        heard(number, one, since_s=since_s and min(since_s, NOW_S - 3600))
        for number, (one, since_s) in enumerate(devices)
    ]
    known = [one for one in said if one.since_s is not None]
    clean = [heard(number, Figures(requests=10_000), since_s=NOW_S - 10) for number in range(100, 100 + late)]
    if failing(rollout, RELEASE, known, NOW_S):
        assert failing(rollout, RELEASE, [*said, *clean], NOW_S)


def test_a_fault_that_shows_after_hours_is_seen_behind_those_who_moved_later() -> None:
    rollout = replace(ROLLOUT, policy=Policy(stages=("100",)))
    late = replace(BEFORE, errors=50, latency_p99_ms=None)
    first = [heard(number, late, since_s=NOW_S - 9000) for number in range(10)]
    later = [heard(number, Figures(requests=1000), since_s=NOW_S - 4000) for number in range(10, 100)]
    assert failing(rollout, RELEASE, [*first, *later], NOW_S) == (
        "500 of 10000 requests failed, more than 1.00%, on devices that have run it for 2 h"
    )
    bare = replace(rollout, policy=replace(rollout.policy, steady_s=0.0))
    assert not failing(bare, RELEASE, [*first, *later], NOW_S)


def test_a_plan_from_before_it_compared_goes_on_without() -> None:
    plan = policies.written(ROLLOUT)
    assert plan["worse_than_before"] == {"error_share": "0.02", "escalated_share": "0.1", "latency_ratio": "1.5"}
    assert policies.read(plan) == ROLLOUT
    del plan["worse_than_before"], plan["steady_s"]
    assert policies.read(plan).policy == replace(POLICY, worse_than_before=Worse(), steady_s=0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"worse_than_before": Worse(latency_ratio=0.9)},
        {"worse_than_before": Worse(error_share=1.5)},
        {"steady_s": 0.5},
        {"steady_s": -1.0},
        {"chance": 0.0},
    ],
)
def test_a_rule_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    policy = replace(POLICY, **wrong)
    with pytest.raises(BadInput):
        policies.check(policy)
    with pytest.raises(BadMessage, match="cannot be followed"):
        policies.read(policies.written(replace(ROLLOUT, policy=policy)))
