"""What is wrong with a release, by what its devices said. Pure.

A device that fails is counted beyond chance: of few devices one with broken hardware says nothing of the release. Who
rejected a release once has rejected it. Figures are looked at of all devices that run it, and of those alone that have
run it for a while, so that those who moved just now hide nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgewise.core.rollouts import before
from edgewise.core.rollouts.chance import beyond
from edgewise.core.rollouts.heard import Heard, newest
from edgewise.core.rollouts.policy import Policy, Rollout, Worse
from edgewise.exchange import offer
from edgewise.exchange.message import Status


def failing(rollout: Rollout, release: str, reports: Iterable[Heard], now_s: int) -> str:
    """What is wrong with `release`, in a sentence; "" where nothing is."""
    said = list(reports)
    latest, rejected = newest(said), _rejected(release, said)
    runs, others = _runs(release, latest, rejected)
    failed = rejected | {one.device for one in runs if one.status is Status.FAILED}
    tried = len(rejected | {one.device for one in runs})
    policy = rollout.policy
    if beyond(len(failed), tried, policy.failed_share, policy.chance):
        return f"{len(failed)} of {tried} devices that tried it failed"
    if failed and failed >= (due := turns(rollout, release, latest)) and due:
        return f"every device whose turn it is failed, {len(due)} of {len(due)}"
    for where, group in _groups(policy, runs, now_s):
        wrong = _outside(policy, group) or before.worse(policy, group, others)
        if wrong:
            return f"{wrong}{where}"
    return ""


def uncompared(policy: Policy, release: str, reports: Iterable[Heard]) -> str:
    """What cannot be compared with the release before though it shall be, in a sentence; "" where nothing."""
    if policy.worse_than_before == Worse():
        return ""
    said = list(reports)
    missing = before.missing(policy, *_runs(release, newest(said), _rejected(release, said)))
    return f"{' and '.join(missing)} not compared: nothing was heard of the release before" if missing else ""


def turns(rollout: Rollout, release: str, latest: Mapping[str, Heard]) -> set[str]:
    """Devices whose turn to take `release` it is at the present stage."""
    stage = rollout.policy.offered(rollout.stage, rollout.name)
    return {one.device for one in latest.values() if offer.turn(one.device, one.labels, release, stage)}


def _rejected(release: str, said: Sequence[Heard]) -> set[str]:
    return {one.device for one in said if release in one.rejected}


def _runs(release: str, latest: Mapping[str, Heard], rejected: set[str]) -> tuple[list[Heard], list[Heard]]:
    """The newest words of devices that run `release`, and of those that run another; of none that `rejected` it."""
    heard = [one for one in latest.values() if one.device not in rejected and one.booted]
    return [one for one in heard if one.booted == release], [one for one in heard if one.booted != release]


def _groups(policy: Policy, runs: list[Heard], now_s: int) -> Iterator[tuple[str, list[Heard]]]:
    """All that run it, and those that have for so long, each time twice as long; and how to say which."""
    yield "", runs
    least_s = policy.steady_s
    while least_s:
        runs = [one for one in runs if one.since_s is not None and now_s - one.since_s >= least_s]
        if not runs:
            return
        yield f", on devices that have run it for {least_s / 3600:g} h", runs
        least_s *= 2


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
