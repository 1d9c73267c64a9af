"""What runs a release, behind one protocol. Which one runs it is decided by the release and the device, purely.

| step | who does it |
|---|---|
| stage | `Backend.stage`: what the release needs beside its files, next to what runs |
| start on a private socket | `Backend.start`, `Running.ready` |
| prove | the agent: the golden of `Running.proof` is replayed at `Running.private` |
| switch | the agent's one rename, then `Running.accept` |
| stop | `Running.stop` |
| collect | `Backend.collect` |

An operating system is run by a backend as well. It stages by laying the system out beside the booted one, `start` says
what is laid out or booted, `accept` boots into it where it is not booted yet, and `ready` says after the boot whether
the device came up in it. So no rule of `machine.py` knows of systems. None is installed yet: such releases are refused.
"""

import os
import socket
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from edgewise.exchange.release import Part, PartKind, Release

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
DRAIN_S = 30.0
"""How long a server that ends may answer what is under way."""


class Way(StrEnum):
    """How a release runs on a device."""

    PROCESS = "process"
    """Its server is a child process, with the device's own Python."""
    CONTAINER = "container"
    """Its server's image, by a container engine."""
    SYSTEM = "system"
    """It is the device's operating system."""


class Running(Protocol):
    """The server of a release, from its start to its end."""

    @property
    def release(self) -> str:
        """Digest of its release."""

    @property
    def private(self) -> Path:
        """The socket that the agent alone asks at."""

    @property
    def proof(self) -> Path | None:
        """Folder of model.json and its golden, to prove it by; None where it serves no model that could be asked."""

    @property
    def pid(self) -> int:
        """Of its process, as the device counts; 0 where it has none."""

    def ready(self, timeout_s: float) -> str:
        """Wait until it answers on its private socket; why it does not, or ""."""

    def ended(self) -> str:
        """How it has ended, in a sentence; "" while it runs."""

    def accept(self) -> None:
        """Let it answer at the public socket."""

    def resident_bytes(self) -> int:
        """What it holds in memory; 0 where it has ended."""

    def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """End it: what is under way is answered first. `ended` of `Backend.start` is not told."""

    def wait(self) -> None:
        """Wait for its end, and tell whoever wants to know."""


Ended = Callable[[Running], None]
"""Told when a server has ended that nobody has told to end."""


class Backend(Protocol):
    """Runs releases of one `Way`. Everything may be cut off at any instant and begun again."""

    def stage(self, made: Release) -> None:
        """Have all that a start needs on the device; nothing that runs is changed.

        Raises:
            EdgewiseError: it cannot be had this time; nothing is said of the release.
        """

    def start(self, release: str, made: Release, public: socket.socket, ended: Ended) -> Running:
        """Begin its server, which will accept at `public` when it is told.

        Raises:
            EdgewiseError: it could not be begun.
        """

    def collect(self, needed: frozenset[str]) -> None:
        """Give up what no release of `needed` needs."""


def resident_bytes(pid: int) -> int:
    """What the process holds in memory; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def way(made: Release, containers: str) -> Way:
    """How `made` runs here.

    Args:
        containers: "auto" for a container where the release has no model as files; "always" for every release with an
            image of a server; "never".
    """
    if made.part(PartKind.SYSTEM):
        return Way.SYSTEM
    has_files, has_image = made.part(PartKind.MODEL) is not None, made.part(PartKind.IMAGE) is not None
    wanted = containers == "always" or (containers == "auto" and not has_files)
    return Way.CONTAINER if has_image and wanted else Way.PROCESS


def unfit(made: Release, containers: str, there: Collection[Way]) -> str:
    """Why a device with backends for `there` cannot take `made`; "" where it can."""
    wanted = way(made, containers)
    if wanted is Way.PROCESS and made.part(PartKind.MODEL) is None:
        return "it has no model as an artifact of its own, and this device runs no containers"
    if wanted in there:
        return ""
    match wanted:
        case Way.SYSTEM:
            return "it is an operating system, and no backend for bootc or ostree is installed on this device"
        case Way.CONTAINER:
            return "it runs in a container, and this device has no Podman"
        case _:
            return "it runs as a process, and this device runs none"


def parts(made: Release, containers: str) -> tuple[Part, ...]:
    """What of `made` is fetched to run it here."""
    kinds = {
        Way.PROCESS: (PartKind.MODEL,),
        Way.CONTAINER: (PartKind.MODEL, PartKind.IMAGE),
        Way.SYSTEM: (PartKind.SYSTEM,),
    }[way(made, containers)]
    return tuple(part for part in made.parts if part.kind in (*kinds, PartKind.AGENT))
