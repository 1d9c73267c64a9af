"""Whether a rollout goes wider, waits, stops, or is done. Pure: the same reports in any order, twice, decide the same.

A rollout never goes wider on silence: enough of the devices whose turn it is must have said that they keep the release.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edgewise.core.rollouts.policy import Policy, Rollout, State
from edgewise.exchange import offer
from edgewise.exchange.message import Figures, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a device said, as far as a rollout asks; `sequence` says which of two is newer, -1 that it said nothing."""

    device: str
    sequence: int
    status: Status
    booted: str
    rejected: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)


def decide(rollout: Rollout, release: str, reports: Iterable[Heard], now_s: int) -> Rollout:
    """Where `rollout` of `release` stands next."""
    if rollout.state is State.RUNNING or rollout.state is State.PAUSED:
        said = list(reports)
        wrong = failing(rollout.policy, release, said)
        if wrong:
            return replace(rollout, state=State.FAILED, reason=wrong)
        if rollout.state is State.RUNNING:
            return _onward(rollout, release, newest(said), now_s)
    return rollout


def newest(reports: Iterable[Heard]) -> dict[str, Heard]:
    """The newest word of every device; of two with one number the same is taken in any order."""
    found: dict[str, Heard] = {}
    for one in reports:
        other = found.get(one.device)
        if other is None or (one.sequence, repr(one)) > (other.sequence, repr(other)):
            found[one.device] = one
    return found


def failing(policy: Policy, release: str, reports: Iterable[Heard]) -> str:
    """What is wrong with `release`, in a sentence; "" where nothing is. Who rejected it once has rejected it."""
    said = list(reports)
    rejected = {one.device for one in said if release in one.rejected}
    runs = [one for one in newest(said).values() if one.booted == release and one.device not in rejected]
    failed = rejected | {one.device for one in runs if one.status is Status.FAILED}
    tried = len(rejected | {one.device for one in runs})
    if failed and len(failed) > policy.failed_share * tried:
        return f"{len(failed)} of {tried} devices that tried it failed"
    requests = sum(one.figures.requests for one in runs)
    counted = {
        "failed": (sum(one.figures.errors for one in runs), policy.error_share),
        "were escalated": (sum(one.figures.escalated for one in runs), policy.escalated_share),
    }
    for what, (count, limit) in counted.items():
        if limit is not None and requests >= max(policy.least_requests, 1) and count > limit * requests:
            return f"{count} of {requests} requests {what}, more than {limit:.2%}"
    slowest = max((one.figures.latency_p99_ms or 0.0 for one in runs), default=0.0)
    if policy.latency_p99_ms is not None and slowest > policy.latency_p99_ms:
        return f"p99 is {slowest:g} ms on a device, more than {policy.latency_p99_ms:g} ms"
    return ""


def _onward(rollout: Rollout, release: str, said: Mapping[str, Heard], now_s: int) -> Rollout:
    policy = rollout.policy
    stage = policy.offered(rollout.stage, rollout.name)
    due = [one for one in said.values() if offer.turn(one.device, one.labels, release, stage)]
    settled = sum(one.booted == release and one.status is Status.ONLINE for one in due)
    if all(one.sequence < 0 for one in said.values()):
        return replace(rollout, reason="no device was heard yet")
    if settled < policy.settled_share * len(due):
        return replace(rollout, reason=f"{settled} of {len(due)} devices keep it so far")
    if now_s < rollout.since_s + policy.soak_s:
        return replace(rollout, reason=f"watched until {rollout.since_s + policy.soak_s:.0f}")
    if rollout.stage + 1 == len(policy.stages):
        return replace(rollout, state=State.DONE, reason=f"{settled} of {len(due)} devices keep it")
    return replace(rollout, stage=rollout.stage + 1, since_s=now_s, reason="")
