"""How the units are that run releases of this site beside the agent: what Podman has asked them, in the agent's words.

`edgewise generate quadlet` and `deploy` put servers on a device that systemd starts and Podman asks for their health. A
container of theirs is known by the labels that it carries, release and site; those that the agent runs itself carry
another one, and are left out, as is one that Podman does not ask. How long Podman may take and how much it may say is
bounded. What it does not say is not known: no unit is a reason for the agent to fail.
"""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgewise.edge.agent.podman import LABEL, Engine
from edgewise.errors import EngineFailed
from edgewise.exchange.message import Status

RELEASE_LABEL, SITE_LABEL = "io.edgewise.release", "io.edgewise.site"
ASK_S, MOST_BYTES, MOST_UNITS, LONGEST = 20.0, 1 << 20, 8, 128
_HEALTH = re.compile(r"\((healthy|unhealthy|starting)\)$")


class Health(StrEnum):
    """Podman's words, from worst to best."""

    UNHEALTHY = "unhealthy"
    STARTING = "starting"
    HEALTHY = "healthy"


_WORDS = {Health.UNHEALTHY: Status.DEGRADED, Health.STARTING: Status.UPDATING, Health.HEALTHY: Status.ONLINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A container that a unit runs.

    Attributes:
        release: the hexadecimal digits of its digest, as many as its label has.
    """

    name: str
    release: str
    health: Health

    @property
    def word(self) -> Status:
        """How a device is that has nothing else to run."""
        return _WORDS[self.health]

    def __str__(self) -> str:
        return f"{self.name}, which runs {self.release[:12]}, is {self.health}"


def look(site: str, program: Sequence[str] = ("podman",)) -> tuple[Unit, ...]:
    """The units of `site`, the worst first; none where there is no Podman, or where it says nothing in time.

    Args:
        program: Podman, with options of its own.
    """
    if shutil.which(program[0]) is None:
        return ()
    try:
        words = ("ps", f"--filter=label={SITE_LABEL}={site}", "--format=json")
        return read(Engine(tuple(program)).read(*words, timeout_s=ASK_S, most_bytes=MOST_BYTES))
    except (EngineFailed, ValueError):
        return ()


def read(content: bytes) -> tuple[Unit, ...]:
    """The units in what `podman ps --format=json` prints, the worst first.

    Raises:
        ValueError: it is no JSON.
    """
    document = json.loads(content)
    found = [unit for one in (document if isinstance(document, list) else ()) if (unit := _unit(one)) is not None]
    return tuple(sorted(found, key=lambda unit: (list(Health).index(unit.health), unit.name))[:MOST_UNITS])


def unwell(units: Sequence[Unit]) -> str:
    """Which of them is not well, in a sentence; "" where none is."""
    return next((str(one) for one in units if one.health is Health.UNHEALTHY), "")


def _unit(one: object) -> Unit | None:
    labels = one.get("Labels") if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(labels, dict) or LABEL in labels or not labels.get(RELEASE_LABEL):
        return None
    names, found = one.get("Names"), _HEALTH.search(str(one.get("Status")))
    if found is None:
        return None
    name = names[0] if isinstance(names, list) and names else "a container"
    release = str(labels[RELEASE_LABEL]).removeprefix("sha256:")
    return Unit(name=str(name)[:LONGEST], release=release[:LONGEST], health=Health(found[1]))
