"""A rollout in a tree, as devices that follow it see it."""

from pathlib import Path

import pytest

from edgewise.core.rollouts import run
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Policy, State
from edgewise.errors import BadInput, RolloutRefused
from edgewise.exchange import offer
from edgewise.exchange.message import Status
from fakes.releases import Releases

POLICY = Policy(stages=("12", "100"), soak_s=0)
FLEET = [f"{number:032x}" for number in range(40)]


@pytest.fixture
def made(tmp_path: Path) -> Releases:
    made = Releases.make(tmp_path, "press-line")
    made.publish(made.release("1"))
    made.publish(made.release("2"))
    return made


def running(made: Releases, device: Path, before: dict[str, str] | None = None) -> dict[str, str]:
    """What every device of the fleet shall run."""
    with made.follower(device) as follower:
        offers = follower.follow().offers
    return {one: offer.due(one, {}, offers, running=(before or {}).get(one, "")) for one in FLEET}


def heard(fleet: dict[str, str], **changes: frozenset[str]) -> list[Heard]:
    return [Heard(device=one, sequence=1, status=Status.ONLINE, booted=what, **changes) for one, what in fleet.items()]


def test_a_rollout_goes_through_and_takes_the_place_of_what_was(made: Releases, tmp_path: Path) -> None:
    before = running(made, tmp_path / "device")
    digest, rollout = run.start(made.desk(), "press-line", POLICY)
    assert rollout.state is State.RUNNING
    first = running(made, tmp_path / "device")
    moved = {one for one in FLEET if first[one] == digest}
    assert 0 < len(moved) < 15
    signed = made.desk().read().timestamp.version
    assert run.step(made.desk(), "press-line", heard(before))[1].reason.startswith("0 of ")
    assert made.desk().read().timestamp.version == signed, "nobody keeps it yet, and nothing is signed"
    assert run.step(made.desk(), "press-line", heard(first))[1].stage == 1
    everybody = running(made, tmp_path / "device")
    assert set(everybody.values()) == {digest}
    assert run.step(made.desk(), "press-line", heard(everybody))[1].state is State.DONE
    assert running(made, tmp_path / "device") == everybody
    with pytest.raises(RolloutRefused, match="no rollout is under way"):
        run.step(made.desk(), "press-line", [])


@pytest.mark.parametrize("by_hand", [True, False])
def test_who_moved_goes_back_when_it_is_stopped(made: Releases, tmp_path: Path, by_hand: bool) -> None:
    before = running(made, tmp_path / "device")
    digest, _ = run.start(made.desk(), "press-line", POLICY)
    moved = running(made, tmp_path / "device")
    assert moved != before
    if by_hand:
        assert run.abort(made.desk(), "press-line", "an operator's wish")[1].state is State.ABORTED
    else:
        said = heard(moved, rejected=frozenset({digest}))
        assert run.step(made.desk(), "press-line", said)[1].state is State.FAILED
    assert running(made, tmp_path / "device", moved) == before
    with pytest.raises(RolloutRefused, match="withdrawn"):
        made.publish(made.release("2"))


def test_paused_moves_nobody_in_either_direction(made: Releases, tmp_path: Path) -> None:
    run.start(made.desk(), "press-line", POLICY)
    moved = running(made, tmp_path / "device")
    run.pause(made.desk(), "press-line")
    assert running(made, tmp_path / "device", moved) == moved
    assert run.step(made.desk(), "press-line", heard(moved))[1].stage == 0
    assert run.resume(made.desk(), "press-line")[1].state is State.RUNNING
    assert running(made, tmp_path / "device") == moved


@pytest.mark.parametrize(
    "stages", [(), ("10",), ("50", "10", "100"), ("ring=a",), ("some", "100"), ("0", "100"), ("12.5", "100")]
)
def test_a_policy_that_cannot_be_followed_is_refused(made: Releases, stages: tuple[str, ...]) -> None:
    with pytest.raises(BadInput):
        run.start(made.desk(), "press-line", Policy(stages=stages))
    with pytest.raises(RolloutRefused):
        run.pause(made.desk(), "press-line")
