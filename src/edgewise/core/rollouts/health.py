"""What is wrong with a release, by what its devices said. Pure.

A device that fails is counted beyond chance: of few devices one with broken hardware says nothing of the release. Who
rejected a release once has rejected it.
"""

from collections.abc import Iterable, Mapping

from edgewise.core.rollouts.chance import beyond
from edgewise.core.rollouts.heard import Heard, newest
from edgewise.core.rollouts.policy import Policy, Rollout
from edgewise.exchange import offer
from edgewise.exchange.message import Status


def failing(rollout: Rollout, release: str, reports: Iterable[Heard]) -> str:
    """What is wrong with `release`, in a sentence; "" where nothing is."""
    said = list(reports)
    rejected = {one.device for one in said if release in one.rejected}
    latest = newest(said)
    runs = [one for one in latest.values() if one.booted == release and one.device not in rejected]
    failed = rejected | {one.device for one in runs if one.status is Status.FAILED}
    tried = len(rejected | {one.device for one in runs})
    policy = rollout.policy
    if beyond(len(failed), tried, policy.failed_share, policy.chance):
        return (
            f"{len(failed)} of {tried} devices that tried it failed, beyond chance more than {policy.failed_share:.2%}"
        )
    if failed and failed >= (due := turns(rollout, release, latest)) and due:
        return f"every device whose turn it is failed, {len(due)} of {len(due)}"
    return _outside(policy, runs)


def turns(rollout: Rollout, release: str, latest: Mapping[str, Heard]) -> set[str]:
    """Devices whose turn to take `release` it is at the present stage."""
    stage = rollout.policy.offered(rollout.stage, rollout.name)
    return {one.device for one in latest.values() if offer.turn(one.device, one.labels, release, stage)}


def _outside(policy: Policy, runs: list[Heard]) -> str:
    """Which limit the figures of the devices that run it are outside of; "" where none."""
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
