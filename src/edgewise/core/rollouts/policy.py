"""How a rollout goes on, and where it stands: what `custom.plan` of a candidate holds. Pure.

TUF signs canonical JSON, which has no fractions: they are written as text.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from edgewise.errors import BadInput, BadMessage
from edgewise.exchange.fields import Fields, Json
from edgewise.exchange.offer import MAX_RINGS, Stage

MAX_STAGES = 50
BINOMIAL = "binomial, exact, one-sided"
"""The rule by which failed devices are too many, as a plan names it."""


_COMPARED = ("error_share", "escalated_share", "latency_ratio")


class State(StrEnum):
    """How a rollout is, in the hub's words."""

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """How much worse than under the release before is too much. What is None is not compared.

    Attributes:
        error_share, escalated_share: of requests, more than before by this much: 0.02 lets 1 % become 3 %.
        latency_ratio: of the p99, the median over devices: 1.5 lets 20 ms become 30 ms.
    """

    error_share: float | None = None
    escalated_share: float | None = None
    latency_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a rollout goes on. A limit that is None is not looked at.

    Attributes:
        stages: `ring=canary` or a percentage, from narrow to wide; the last is 100.
        soak_s: how long each stage is watched at least.
        settled_share: of the devices whose turn it is, must have kept the release before it goes wider.
        failed_share: of the devices that tried it, more is too many, where that is beyond chance.
        chance: how often, at most, one look takes devices that fail as often as is allowed for too many: the level of
            the exact one-sided binomial test. 1: the bare share decides, from the first device on.
        error_share, escalated_share: of requests, more is too many.
        latency_p99_ms: of any device, more is too much.
        least_requests: fewer say nothing about shares of requests.
        steady_s: figures are looked at of all devices that run it, and again of those alone that have run it this long,
            twice as long, four times as long ..., so that those who moved just now hide nothing. 0: of all alone.
        worse_than_before: beside these limits, which are absolute.
    """

    stages: tuple[str, ...]
    soak_s: float = 3600.0
    settled_share: float = 0.9
    failed_share: float = 0.02
    chance: float = 0.01
    error_share: float | None = 0.01
    escalated_share: float | None = None
    latency_p99_ms: float | None = None
    least_requests: int = 100
    steady_s: float = 3600.0
    worse_than_before: Worse = Worse()

    def percent(self, index: int) -> float:
        """How far the stage at `index` goes by percentage: as far as the widest until it."""
        return max((float(one) for one in self.stages[: index + 1] if "=" not in one), default=0.0)

    def offered(self, index: int, name: str, *, paused: bool = False) -> Stage:
        """The stage at `index` as devices read it; rings of stages before it stay in."""
        rings = tuple(one for one in self.stages[: index + 1] if "=" in one)
        return Stage(percent=self.percent(index), rings=rings, rollout=name, paused=paused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Where a rollout stands.

    Attributes:
        stage: index of the present one.
        since_s: when it began, seconds since 1970 by who signs.
        reason: one sentence.
    """

    name: str
    policy: Policy
    state: State
    stage: int
    since_s: int
    reason: str = ""


def check(policy: Policy) -> Policy:
    """`policy`, if it can be followed.

    Raises:
        BadInput: it cannot.
    """
    if not 1 <= len(policy.stages) <= MAX_STAGES or sum("=" in one for one in policy.stages) > MAX_RINGS:
        raise BadInput(f"a rollout has 1 to {MAX_STAGES} stages, and at most {MAX_RINGS} rings")
    try:
        percents = [float(one) for one in policy.stages if "=" not in one]
    except ValueError as error:
        raise BadInput(f"a stage is a percentage or LABEL=VALUE: {error}") from error
    if not percents or "=" in policy.stages[-1] or percents[-1] != 100:
        raise BadInput("the last stage is 100: every device", hint="--stages ring=canary,10,50,100")
    if not all(one < other for one, other in pairwise(percents)) or percents[0] <= 0:
        raise BadInput("each stage is wider than the one before, from more than 0 to 100")
    if not all(one.is_integer() for one in percents):
        raise BadInput("a stage is a whole percentage: what is signed holds no fractions")
    shares = (policy.settled_share, policy.failed_share, policy.error_share or 0, policy.escalated_share or 0)
    if not all(0 <= one <= 1 for one in shares) or policy.soak_s < 0:
        raise BadInput("shares are from 0 to 1, and a stage is watched for 0 seconds or more")
    if not 0 < policy.chance <= 1:
        raise BadInput("the chance of a false alarm is more than 0, and at most 1", hint="--chance 0.01")
    if policy.steady_s != 0 and policy.steady_s < 1:
        raise BadInput("who has run a release for less than a second is not steady", hint="--steady 3600, or 0")
    worse = policy.worse_than_before
    if not all(0 <= one <= 1 for one in (worse.error_share or 0, worse.escalated_share or 0)):
        raise BadInput("a share of requests is worse by 0 to 1", hint="--worse-errors 0.02")
    if worse.latency_ratio is not None and worse.latency_ratio < 1:
        raise BadInput("a latency is worse by 1 or more times", hint="--worse-latency 1.5")
    return policy


def written(rollout: Rollout) -> dict[str, Json]:
    """What `custom.plan` says."""
    policy = rollout.policy
    return {
        "name": rollout.name,
        "state": rollout.state.value,
        "stage": rollout.stage,
        "since_s": rollout.since_s,
        "reason": rollout.reason,
        "stages": list(policy.stages),
        "soak_s": _text(policy.soak_s),
        "settled_share": _text(policy.settled_share),
        "failed_share": _text(policy.failed_share),
        "failed_rule": BINOMIAL,
        "chance": _text(policy.chance),
        "error_share": _text(policy.error_share),
        "escalated_share": _text(policy.escalated_share),
        "latency_p99_ms": _text(policy.latency_p99_ms),
        "least_requests": policy.least_requests,
        "steady_s": _text(policy.steady_s),
        "worse_than_before": {name: _text(getattr(policy.worse_than_before, name)) for name in _COMPARED},
    }


def read(plan: Json) -> Rollout:
    """The rollout that `custom.plan` says. What one from before does not say goes on as it was then.

    Raises:
        BadMessage: it says none, or one by a rule that nobody knows here.
    """
    found = Fields(plan, "plan")
    rule = found.text("failed_rule", most=64, default=BINOMIAL)
    if rule != BINOMIAL:
        raise BadMessage(f"the plan of a rollout counts failed devices by {rule!r}, which is not known here")
    policy = Policy(
        stages=found.texts("stages", most=MAX_STAGES),
        soak_s=_number(found, "soak_s") or 0.0,
        settled_share=_number(found, "settled_share") or 0.0,
        failed_share=_number(found, "failed_share") or 0.0,
        chance=1.0 if (chance := _number(found, "chance")) is None else chance,
        error_share=_number(found, "error_share"),
        escalated_share=_number(found, "escalated_share"),
        latency_p99_ms=_number(found, "latency_p99_ms"),
        least_requests=found.count("least_requests"),
        steady_s=_number(found, "steady_s") or 0.0,
        worse_than_before=_worse(found.optional_inner("worse_than_before")),
    )
    try:
        state, checked = State(found.text("state")), check(policy)
    except (ValueError, BadInput) as error:
        raise BadMessage(f"the plan of a rollout cannot be followed: {error}") from error
    stage = found.count("stage")
    if stage >= len(policy.stages):
        raise BadMessage(f"the plan is at stage {stage} of {len(policy.stages)}")
    return Rollout(
        name=found.text("name", most=128),
        policy=checked,
        state=state,
        stage=stage,
        since_s=found.count("since_s"),
        reason=found.text("reason", most=2000, default=""),
    )


def _worse(found: Fields | None) -> Worse:
    return Worse() if found is None else Worse(**{name: _number(found, name) for name in _COMPARED})


def _text(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _number(found: Fields, name: str) -> float | None:
    text = found.text(name, most=32, default="")
    try:
        value = float(text) if text else None
    except ValueError as error:
        raise BadMessage(f"plan.{name} is {text!r}, no number") from error
    if value is not None and not math.isfinite(value):
        raise BadMessage(f"plan.{name} is {text!r}, no number")
    return value
