"""A container as typed values, and the one table of how each becomes a key of a unit or a flag of `podman run`.

A key that the target's Podman does not know yet becomes its flag in PodmanArgs=, so that one description serves every
version; where there is no quadlet at all, all become flags.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from edgewise.build.nodes.quadlet.keys import takes
from edgewise.build.nodes.quadlet.unit import literal, word, words
from edgewise.build.nodes.versions import Version

SECTION = "Container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How Podman asks whether the container is well. Times as systemd writes them: "30s"."""

    command: str
    interval: str = "30s"
    timeout: str = "5s"
    start_period: str = "60s"
    retries: int = 3
    on_failure: str = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as a unit describes it; empty values are left out.

    Attributes:
        image: a reference, or the name of an .image unit.
        entrypoint: program that replaces the image's; "" to keep it.
        command: arguments that replace the image's.
        mounts: as `--mount` takes them. `volumes`: as `-v` takes them.
        notify: "healthy", "yes" or "".
    """

    image: str
    name: str
    entrypoint: str = ""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    read_only: bool = True
    no_new_privileges: bool = True
    drop_capabilities: str = "all"
    tmpfs: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    network: str = ""
    ports: tuple[str, ...] = ()
    pod: str = ""
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    stop_timeout_s: int | None = None
    health: Health | None = None
    notify: str = ""
    pull: str = ""


@dataclass(frozen=True, slots=True)
class _Option:
    """One kind of value: its key, its flag, and where it is found; `plain` values are no lists of words."""

    key: str
    flag: str
    values: Callable[[Container], list[str]]
    plain: bool = True


def _one(value: object) -> list[str]:
    return [] if value in (None, "", False) else [str(value)]


def _health(take: Callable[[Health], object]) -> Callable[[Container], list[str]]:
    return lambda container: _one(take(container.health)) if container.health else []


_OPTIONS = (
    _Option("ContainerName", "--name", lambda c: _one(c.name)),
    _Option("Pull", "--pull", lambda c: _one(c.pull)),
    _Option("Pod", "--pod", lambda c: _one(c.pod)),
    _Option("Entrypoint", "--entrypoint", lambda c: _one(c.entrypoint)),
    _Option("User", "--user", lambda c: _one(c.user)),
    _Option("Environment", "--env", lambda c: [f"{k}={v}" for k, v in c.environment.items()], plain=False),
    _Option("Label", "--label", lambda c: [f"{k}={v}" for k, v in c.labels.items()], plain=False),
    _Option("DropCapability", "--cap-drop", lambda c: _one(c.drop_capabilities)),
    _Option("Tmpfs", "--tmpfs", lambda c: list(c.tmpfs)),
    _Option("Mount", "--mount", lambda c: list(c.mounts)),
    _Option("Volume", "--volume", lambda c: list(c.volumes)),
    _Option("AddDevice", "--device", lambda c: list(c.devices)),
    _Option("Network", "--network", lambda c: _one(c.network)),
    _Option("PublishPort", "--publish", lambda c: list(c.ports)),
    _Option("Memory", "--memory", lambda c: _one(c.memory_bytes)),
    _Option("", "--cpus", lambda c: _one(None if c.cpus is None else f"{c.cpus:g}")),
    _Option("PidsLimit", "--pids-limit", lambda c: _one(c.pids)),
    _Option("StopTimeout", "--stop-timeout", lambda c: _one(c.stop_timeout_s)),
    _Option("HealthCmd", "--health-cmd", _health(lambda health: health.command)),
    _Option("HealthInterval", "--health-interval", _health(lambda health: health.interval)),
    _Option("HealthTimeout", "--health-timeout", _health(lambda health: health.timeout)),
    _Option("HealthStartPeriod", "--health-start-period", _health(lambda health: health.start_period)),
    _Option("HealthRetries", "--health-retries", _health(lambda health: health.retries)),
    _Option("HealthOnFailure", "--health-on-failure", _health(lambda health: health.on_failure)),
)
_SWITCHES: tuple[tuple[str, str, Callable[[Container], bool]], ...] = (
    ("ReadOnly", "--read-only", lambda c: c.read_only),
    ("NoNewPrivileges", "--security-opt=no-new-privileges", lambda c: c.no_new_privileges),
)


def entries(container: Container, podman: Version) -> tuple[tuple[str, str], ...]:
    """Keys and values of the section [Container] for `podman`."""
    found: list[tuple[str, str]] = [("Image", literal(container.image))]
    late: list[str] = []
    for option in _OPTIONS:
        for value in option.values(container):
            if option.key and takes(SECTION, option.key, podman):
                found.append((option.key, _value(value, plain=option.plain)))
            else:
                late += [option.flag, value]
    found += [(key, "true") for key, _, on in _SWITCHES if on(container)]
    if container.notify:
        found.append(("Notify", container.notify))
    if container.command:
        found.append(("Exec", words(container.command)))
    if late:
        found.append(("PodmanArgs", words(late)))
    return tuple(found)


def flags(container: Container) -> Iterator[str]:
    """What `podman run` is told before the image's name; what follows it is `container.command`."""
    for option in _OPTIONS:
        for value in option.values(container):
            yield from (option.flag, value)
    yield from (flag for _, flag, on in _SWITCHES if on(container))


def _value(text: str, *, plain: bool) -> str:
    """As the key takes it; what it becomes part of is a command line of systemd, which would expand a dollar."""
    return literal(text).replace("$", "$$") if plain else word(text)
