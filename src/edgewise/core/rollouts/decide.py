"""Whether a rollout goes wider, waits, stops, or is done. Pure: the same reports in any order, twice, decide the same.

A rollout never goes wider on silence: enough of the devices whose turn it is must have said that they keep the release.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edgewise.core.rollouts.health import failing, turns, uncompared
from edgewise.core.rollouts.heard import Heard, newest
from edgewise.core.rollouts.policy import Rollout, State
from edgewise.exchange.message import Status


def decide(rollout: Rollout, release: str, reports: Iterable[Heard], now_s: int) -> Rollout:
    """Where `rollout` of `release` stands next."""
    if rollout.state is State.RUNNING or rollout.state is State.PAUSED:
        said = list(reports)
        wrong = failing(rollout, release, said, now_s)
        if wrong:
            return replace(rollout, state=State.FAILED, reason=wrong)
        if rollout.state is State.RUNNING:
            after = _onward(rollout, release, newest(said), now_s)
            said_too = (after.reason, uncompared(rollout.policy, release, said))
            return replace(after, reason="; ".join(filter(None, said_too)))
    return rollout


def _onward(rollout: Rollout, release: str, said: Mapping[str, Heard], now_s: int) -> Rollout:
    policy = rollout.policy
    due = [said[one] for one in turns(rollout, release, said)]
    settled = sum(one.booted == release and one.status is Status.ONLINE for one in due)
    gone = sum(release in one.rejected for one in due)
    if all(one.sequence < 0 for one in said.values()):
        return replace(rollout, reason="no device was heard yet")
    if len(due) - gone < policy.settled_share * len(due):
        held = f"{gone} of {len(due)} devices rejected it: too many to go wider, too few to rule out chance"
        return replace(rollout, reason=f"{held}; abort it, or see to them")
    if settled < policy.settled_share * len(due):
        return replace(rollout, reason=f"{settled} of {len(due)} devices keep it so far")
    if now_s < rollout.since_s + policy.soak_s:
        return replace(rollout, reason=f"watched until {rollout.since_s + policy.soak_s:.0f}")
    if rollout.stage + 1 == len(policy.stages):
        return replace(rollout, state=State.DONE, reason=f"{settled} of {len(due)} devices keep it")
    return replace(rollout, stage=rollout.stage + 1, since_s=now_s, reason="")
