"""The steps of an edge.yaml's life, and which of them have to be done. Pure.

Each site has its own four steps. A step stands on named digests, its inputs, and makes others, its outputs, which the
next steps stand on. It is not done again while its inputs are the same and what it made still stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """In their order."""

    PLAN = "plan"
    BUILD = "build"
    PUSH = "push"
    PUBLISH = "publish"


STEPS = tuple(Step)
Digests = Mapping[str, str]
"""What something stands on or made, by what a person calls it: digests, or short words as they are."""


class Way(StrEnum):
    """How it is with a step."""

    DONE = "done"
    DUE = "due"
    PENDING = "pending"
    """An earlier step of its site is due, and decides."""
    UNCHANGED = "unchanged"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a step was done last.

    Attributes:
        further: files that its input files name, by path: weights beside an ONNX model.
        duration_s: how long it took.
    """

    inputs: Digests
    outputs: Digests
    further: tuple[str, ...] = ()
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How it is with a step of a site.

    Attributes:
        why: a few words; of a step that was done, why it was.
        outputs: of a step that is done or stands.
    """

    step: Step
    site: str
    way: Way
    why: str
    outputs: Digests
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which steps are asked for: from `first` to `last`. With `anew`, the first is due whatever it stands on."""

    first: Step = STEPS[0]
    last: Step = STEPS[-1]
    anew: bool = False

    def __contains__(self, step: Step) -> bool:
        return STEPS.index(self.first) <= STEPS.index(step) <= STEPS.index(self.last)


def before(step: Step) -> tuple[Step, ...]:
    """The steps that come before `step`."""
    return STEPS[: STEPS.index(step)]


def decide(inputs: Digests, known: Done | None, current: Digests | None, *, anew: bool) -> tuple[Way, str]:
    """Whether a step is due, and why.

    Args:
        inputs: what it would stand on now.
        current: what stands of that which it makes; None where nothing does.
        anew: it was asked for by name.
    """
    if known is None:
        return Way.DUE, "never done"
    if anew:
        return Way.DUE, "asked for"
    if changed := differences(known.inputs, inputs):
        return Way.DUE, "; ".join(changed)
    if current is None:
        return Way.DUE, "what it made is gone"
    if current != known.outputs:
        return Way.DUE, "something else stands where it was"
    return Way.UNCHANGED, ""


def differences(old: Digests, new: Digests) -> list[str]:
    """What is another now, a few words each."""
    changed = [f"{name} changed" for name in new if name in old and old[name] != new[name]]
    added = [f"{name} is new" for name in new if name not in old]
    return [*changed, *added, *(f"{name} is gone" for name in old if name not in new)]
