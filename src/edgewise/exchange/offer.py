"""What is offered to the devices of a site, and whose turn it is. Pure.

An offer lies in the signed metadata of a site: every release is a target whose `custom` says how it stands. A device
needs nobody's answer to know whether a release is for it: it hashes its own id with the release. So a stage of 10 %
is the same tenth of the fleet for everybody who counts, another tenth for the next release, and always a part of the
20 % that come after it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgewise.errors import BadMessage
from edgewise.exchange.fields import API_VERSION, Fields, Json

MAX_RINGS = 32
_SHARES = 1 << 64


class Standing(StrEnum):
    """How a release stands at its site."""

    STABLE = "stable"
    """Every device may run it, and those whose turn the candidate is not shall. At most one of a site."""
    CANDIDATE = "candidate"
    """In a rollout: for devices whose turn it is. At most one of a site."""
    WITHDRAWN = "withdrawn"
    """No device may run it; whoever does goes back to the stable one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far a candidate may go.

    Attributes:
        percent: share of the site's devices, 0 to 100.
        rings: labels of devices that may take it whatever `percent` says: "ring=canary".
        rollout: name of the rollout that it belongs to.
        paused: devices that have it keep it, and no other takes it.
    """

    percent: float
    rings: tuple[str, ...] = ()
    rollout: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A release as its target's `custom` says.

    Attributes:
        stage: of a candidate; None of others.
    """

    standing: Standing
    stage: Stage | None = None


def custom(offered: Offered) -> dict[str, Json]:
    """What goes into the target's `custom`."""
    stage = offered.stage
    return {
        "apiVersion": API_VERSION,
        "standing": offered.standing.value,
        "stage": None
        if stage is None
        else {
            # What TUF signs holds no fractions.
            "percent": int(stage.percent) if float(stage.percent).is_integer() else stage.percent,
            "rings": list(stage.rings),
            "rollout": stage.rollout,
            "paused": stage.paused,
        },
    }


def read(value: Json) -> Offered:
    """What a target's `custom` says.

    Raises:
        BadMessage: it says nothing that can be understood.
    """
    found = Fields(value, "custom")
    if found.text("apiVersion") != API_VERSION:
        raise BadMessage(f"custom says apiVersion: {found.text('apiVersion')!r}, not {API_VERSION!r}")
    try:
        standing = Standing(found.text("standing"))
    except ValueError as error:
        raise BadMessage(f"custom.standing is {found.text('standing')!r}, not one of {', '.join(Standing)}") from error
    stage = found.optional_inner("stage")
    return Offered(standing=standing, stage=None if stage is None else _stage(stage))


def due(device: str, labels: Mapping[str, str], offers: Mapping[str, Offered], *, running: str = "") -> str:
    """The digest of the release that `device` shall run, out of `offers` by digest; "" where there is none.

    Args:
        labels: of the device, by name.
        running: digest of the release that it runs now: a paused candidate is kept by those who have it.
    """
    stable = [digest for digest, offered in offers.items() if offered.standing is Standing.STABLE]
    candidates = [digest for digest, offered in offers.items() if offered.standing is Standing.CANDIDATE]
    for digest in sorted(candidates):
        stage = offers[digest].stage
        if stage is not None and (digest == running if stage.paused else turn(device, labels, digest, stage)):
            return digest
    return min(stable, default="")


def turn(device: str, labels: Mapping[str, str], release: str, stage: Stage) -> bool:
    """Whether it is the turn of `device` to take `release` at `stage`, whether it is paused or not."""
    ringed = bool(stage.rings) and any(f"{name}={value}" in stage.rings for name, value in labels.items())
    return ringed or place(device, release) * 100 < stage.percent


def place(device: str, release: str) -> float:
    """Where `device` stands in the order of `release`: uniform in [0, 1), by SHA-256 of both."""
    hashed = hashlib.sha256(f"{release}\n{device}".encode()).digest()
    return min(int.from_bytes(hashed[:8], "big") / _SHARES, 1 - 2**-53)


def _stage(found: Fields) -> Stage:
    percent = found.number("percent")
    if percent > 100:
        raise BadMessage(f"custom.stage.percent is {percent}, more than 100")
    return Stage(
        percent=percent,
        rings=found.texts("rings", most=MAX_RINGS),
        rollout=found.text("rollout", most=128, default=""),
        paused=found.flag("paused"),
    )
