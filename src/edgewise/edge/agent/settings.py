"""agent.json and device.json: whom the device follows, and who it is."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.errors import BadConfiguration
from edgewise.store import atomic

FILE, IDENTITY = "agent.json", "device.json"
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can set in agent.json; every key may be missing.

    Attributes:
        tree: addresses of the release tree, tried in order: https://…, file:///media/usb/tree.
        hub: address of the hub; "" for a device that reports to nobody.
        listen: where clients ask, HOST:PORT.
        poll_s: how often the tree is asked, before jitter.
        report_s: how long the hub hears nothing at most, where nothing happens.
        apply: "auto", or "told" for a device that waits for `edgewise agent upgrade --apply`.
        windows: local hours in which updates are applied, "22:00-05:00"; none: always.
        download_windows: local hours in which they are fetched; none: always.
        bandwidth_bytes_per_s: of blobs, at most; 0 for no cap.
        ready_s: how long a server may take to start.
        steady_s: how long a server must be up for its restarts to be forgotten.
        containers: "auto" runs a release in a container where it has no model as files, "always" where it has an image
            of a server, "never".
        agent_bound_s: how long the agent that a release brings may take from each start to its first answered poll.
        podman: the program that runs them, with options of its own.
    """

    tree: tuple[str, ...] = ()
    hub: str = ""
    listen: str = "127.0.0.1:8080"
    poll_s: float = 900.0
    report_s: float = 600.0
    apply: str = "auto"
    windows: tuple[str, ...] = ()
    download_windows: tuple[str, ...] = ()
    bandwidth_bytes_per_s: float = 0.0
    ready_s: float = 60.0
    steady_s: float = 60.0
    containers: str = "auto"
    podman: tuple[str, ...] = ("podman",)
    agent_bound_s: float = 600.0

    def minutes(self) -> list[tuple[int, int]]:
        """The windows, in minutes of the day."""
        return _minutes(self.windows)

    def download_minutes(self) -> list[tuple[int, int]]:
        """The windows for fetching, in minutes of the day."""
        return _minutes(self.download_windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the device is: what the hub answered when it was enrolled."""

    device: str
    site: str
    labels: dict[str, str] = field(default_factory=dict)
    sequence: int = -1


def read(root: Path) -> Settings:
    """The settings in `root`.

    Raises:
        BadConfiguration: a key that is not known, or a value that cannot be.
    """
    found = _json(root / FILE)
    unknown = set(found) - set(Settings.__dataclass_fields__)
    if unknown:
        known = ", ".join(Settings.__dataclass_fields__)
        raise BadConfiguration(f"{root / FILE} has an unknown key {min(unknown)}", hint=f"there are {known}")
    for name in ("tree", "windows", "download_windows", "podman"):
        if name in found:
            value = found[name]
            found[name] = (value,) if isinstance(value, str) else tuple(value)
    made = Settings(**found)
    wrong = [
        name
        for name, good in (
            ("tree", all(isinstance(one, str) for one in made.tree)),
            ("apply", made.apply in ("auto", "told")),
            ("podman", bool(made.podman) and all(isinstance(one, str) for one in made.podman)),
            ("containers", made.containers in ("auto", "always", "never")),
            *((name, _are_windows(getattr(made, name))) for name in ("windows", "download_windows")),
            ("bandwidth_bytes_per_s", made.bandwidth_bytes_per_s == 0 or _is_positive(made.bandwidth_bytes_per_s)),
            *(
                (name, _is_positive(getattr(made, name)))
                for name in ("poll_s", "agent_bound_s", "report_s", "ready_s", "steady_s")
            ),
        )
        if not good
    ]
    if wrong:
        raise BadConfiguration(f"{root / FILE}: {wrong[0]} cannot be {getattr(made, wrong[0])!r}")
    return made


def identity(root: Path) -> Identity | None:
    """Who the device is; None before it was enrolled."""
    found = _json(root / IDENTITY)
    if not found:
        return None
    try:
        return Identity(**found)
    except TypeError as error:
        raise BadConfiguration(f"{root / IDENTITY} is damaged: {error}", hint="edgewise agent enrol") from error


def keep_identity(root: Path, who: Identity) -> None:
    """Write device.json."""
    document = {"device": who.device, "site": who.site, "labels": who.labels, "sequence": who.sequence}
    atomic.write(root / IDENTITY, json.dumps(document, indent=1).encode() + b"\n")


def keep(root: Path, **changes: Any) -> None:
    """Change keys of agent.json."""
    atomic.write(root / FILE, json.dumps(_json(root / FILE) | changes, indent=1).encode() + b"\n")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise BadConfiguration(f"{path} holds no JSON object")
    return found


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _minutes(windows: tuple[str, ...]) -> list[tuple[int, int]]:
    found = [_WINDOW.fullmatch(one) for one in windows]
    pairs = [tuple(int(text) for text in one.groups()) for one in found if one]
    return [(a * 60 + b, c * 60 + d) for a, b, c, d in pairs]


def _are_windows(value: tuple[object, ...]) -> bool:
    return all(isinstance(one, str) and _WINDOW.fullmatch(one) for one in value)
