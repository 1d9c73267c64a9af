"""Rollouts over a thousand simulated devices, driven by the agent's state machine: laws hold, nobody is left behind."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[4] / "bench"))

import fleet as bench
from edgewise.core.database import migrate
from edgewise.core.rollouts.policy import Rollout, State
from fakes import hubs
from fleet import AT_ONCE, CAREFUL, COMPARED, DEFAULT, GOOD, HASTY, LATE, SOME, UNWELL, WORSE, Case
from fleet_simulation import fleet as simulated
from fleet_simulation.fleet import Kind, Outcome
from fleet_simulation.hearing import ThroughHub
from fleet_simulation.machines import OLD

DEVICES = 1000


def case(kind: Kind, policy: str) -> Case:
    return Case(kind=kind, policy=policy, done=True, hours=1, tried=1)


def outcome(kind: Kind, policy: str, seed: int = 1) -> Outcome:
    return bench.simulated(case(kind, policy), DEVICES, seed)[0]


@pytest.mark.parametrize("policy", [DEFAULT, HASTY, AT_ONCE])
def test_a_good_release_reaches_everybody_whose_hardware_can_run_it(policy: str) -> None:
    made = outcome(GOOD, policy)
    assert made.state is State.DONE, made.reason
    assert (made.neither, made.again) == (0, 0)
    assert made.on_new >= 0.99 * DEVICES
    assert [stage for _, stage in made.stages] == list(range(len(made.stages)))


def test_one_broken_device_among_the_first_withdraws_no_good_release(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(GOOD, DEFAULT, seed=7).state is State.DONE
    monkeypatch.setitem(bench.POLICIES, DEFAULT, replace(bench.POLICIES[DEFAULT], chance=1.0))
    assert outcome(GOOD, DEFAULT, seed=7).reason.startswith("1 of 39 devices"), "the bare share"


@pytest.mark.parametrize(
    ("kind", "policy"), [(SOME, DEFAULT), (UNWELL, DEFAULT), (SOME, CAREFUL), (UNWELL, CAREFUL), (LATE, CAREFUL)]
)
def test_a_bad_release_is_withdrawn_early_and_everybody_is_back_on_the_old_one(kind: Kind, policy: str) -> None:
    made = outcome(kind, policy)
    assert made.state is State.FAILED
    assert (made.on_old, made.on_new, made.neither, made.again) == (DEVICES, 0, 0, 0)
    assert made.tried < 0.2 * DEVICES
    assert made.ended_h < 4


def test_a_fault_that_shows_late_is_seen_behind_those_who_moved_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = outcome(LATE, DEFAULT)
    assert made.state is State.FAILED
    assert made.reason.endswith("on devices that have run it for 2 h")
    assert (made.on_old, made.on_new, made.neither, made.again) == (DEVICES, 0, 0, 0)
    monkeypatch.setitem(bench.POLICIES, DEFAULT, replace(bench.POLICIES[DEFAULT], steady_s=0.0))
    assert outcome(LATE, DEFAULT).state is State.DONE, "of all devices at once"


def test_a_release_that_is_worse_than_the_one_before_is_withdrawn_where_that_is_asked_for() -> None:
    assert outcome(WORSE, DEFAULT, seed=2).state is State.DONE, "it stays within the absolute limit"
    made = outcome(WORSE, COMPARED, seed=2)
    assert made.state is State.FAILED
    assert "under the release before" in made.reason
    assert (made.on_old, made.neither, made.again) == (DEVICES, 0, 0)
    assert outcome(GOOD, COMPARED, seed=2).state is State.DONE


def test_a_real_hub_hears_the_same(tmp_path: Path) -> None:
    database = migrate.opened(f"sqlite:///{tmp_path / 'hub.db'}")
    with hubs.serving(database, per_s=1e6) as client:
        labels = [{"ring": "canary" if one % 100 == 0 else "rest"} for one in range(DEVICES)]
        made = bench.heard(case(SOME, HASTY), ThroughHub(database, client, labels, OLD), seed=1)
    database.close()
    assert made.state is State.FAILED
    assert (made.on_old, made.on_new, made.neither) == (DEVICES, 0, 0)
    assert made.reports > 100


def test_a_decision_that_goes_wider_on_failing_health_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def reckless(rollout: Rollout, *_: object) -> Rollout:
        return simulated.Rollout(
            name=rollout.name,
            policy=rollout.policy,
            state=State.RUNNING,
            stage=min(rollout.stage + 1, len(rollout.policy.stages) - 1),
            since_s=0,
        )

    monkeypatch.setattr(simulated, "decide", reckless)
    with pytest.raises(AssertionError, match="failing health"):
        outcome(UNWELL, DEFAULT)
