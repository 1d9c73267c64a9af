"""Whether devices are worse than under the release before. Pure.

Each device is compared with itself, by the last that it counted before it moved. Where that is not known, those that
moved are compared with those that have not; where there are neither, nothing is said to be worse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from edgewise.core.rollouts.chance import beyond
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Policy, Worse
from edgewise.exchange.message import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Figures of one device each: under the release, and under the one before; of the same devices where `paired`."""

    now: Sequence[Figures]
    then: Sequence[Figures]
    paired: bool


def worse(policy: Policy, runs: Sequence[Heard], others: Sequence[Heard]) -> str:
    """What is worse on the devices `runs` than the policy lets it be, in a sentence; "" where nothing is.

    Args:
        others: devices that run another release, and shall move yet.
    """
    limits, least = policy.worse_than_before, max(policy.least_requests, 1)
    if limits == Worse():
        return ""
    counted = _sides(runs, others, least, _asked)
    if counted is not None:
        for what, count, limit in (
            ("failed", _errors, limits.error_share),
            ("were escalated", _escalated, limits.escalated_share),
        ):
            now, tried = sum(map(count, counted.now)), _requests(counted.now)
            share = sum(map(count, counted.then)) / _requests(counted.then)
            if limit is not None and tried >= least and beyond(now, tried, min(share + limit, 1.0), policy.chance):
                return f"{now} of {tried} requests {what}, and {share:.2%} under the release before"
    timed = _sides(runs, others, least, _latency)
    if limits.latency_ratio is not None and timed is not None and _requests(timed.now) >= least:
        ratio = _ratio(timed)
        if ratio > limits.latency_ratio:
            return f"p99 is {ratio:.3g} times that under the release before"
    return ""


def missing(policy: Policy, runs: Sequence[Heard], others: Sequence[Heard]) -> list[str]:
    """What shall be compared, and of which nothing is known from before; nothing where no device runs the release."""
    limits, least = policy.worse_than_before, max(policy.least_requests, 1)
    asked = (
        ("errors", limits.error_share, _asked),
        ("escalations", limits.escalated_share, _asked),
        ("latency", limits.latency_ratio, _latency),
    )
    return [
        what
        for what, limit, known in asked
        if runs and limit is not None and _sides(runs, others, least, known) is None
    ]


def _sides(
    runs: Sequence[Heard], others: Sequence[Heard], least: int, known: Callable[[Figures], float]
) -> Sides | None:
    """What is compared, of figures that are `known`; None where fewer than `least` requests are known from before."""
    pairs = [
        (one.figures, one.before) for one in runs if one.before is not None and known(one.before) and known(one.figures)
    ]
    own = Sides(now=[now for now, _ in pairs], then=[then for _, then in pairs], paired=True)
    if _requests(own.then) >= least:
        return own
    now, then = ([one.figures for one in side if known(one.figures)] for side in (runs, others))
    return Sides(now=now, then=then, paired=False) if _requests(then) >= least else None


def _ratio(sides: Sides) -> float:
    """How many times as slow as before: the median over devices, or the ratio of medians where they are others."""
    if sides.paired:
        return median(_latency(now) / _latency(then) for now, then in zip(sides.now, sides.then, strict=True))
    return median(map(_latency, sides.now)) / median(map(_latency, sides.then))


def _requests(figures: Sequence[Figures]) -> int:
    return sum(one.requests for one in figures)


def _asked(figures: Figures) -> float:
    return figures.requests


def _errors(figures: Figures) -> int:
    return figures.errors


def _escalated(figures: Figures) -> int:
    return figures.escalated


def _latency(figures: Figures) -> float:
    return figures.latency_p99_ms or 0.0
