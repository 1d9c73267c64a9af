"""What Podman's generator would say of a folder of units: every unit that it would not take, with the reason.

The rules are those of pkg/systemd/quadlet as of 4.4 to 6.1: unknown keys, what a unit cannot do without, what excludes
what, and references to units that are not there. Where the generator stops at a unit's first fault, so do we.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgewise.build.nodes.quadlet import unit as units
from edgewise.build.nodes.quadlet.keys import KEYS, KINDS, kind_since, takes
from edgewise.build.nodes.quadlet.unit import Section, Unit
from edgewise.build.nodes.versions import Version
from edgewise.errors import BadNodeFile

_TRANSLATED_SINCE = Version(5, 3)
"""From here on names of units in [Unit] become those of their services, and must exist."""
_CONTAINER_NETWORK_SINCE = Version(5, 3)
_DEPENDENCIES = (
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "Requires",
    "Requisite",
    "StopPropagatedFrom",
    "Upholds",
    "Wants",
)
_PORTS = re.compile(r"\d+(-\d+)?(/udp|/tcp)?$")
_SOURCED_MOUNTS = ("volume", "bind", "glob", "image")
_REMAPPING = ("RemapUid", "RemapGid", "RemapUsers")
_MAPPING = ("UserNS", "UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A unit that the generator would not take."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A unit among all others, for one version of Podman."""

    unit: Unit
    kind: str
    names: frozenset[str]
    podman: Version

    @property
    def own(self) -> Section:
        return self.unit.section(self.kind)

    def value(self, key: str) -> str:
        return self.own.last(key) or ""


def validate(files: Mapping[str, bytes], podman: Version) -> list[Fault]:
    """Faults of the units in `files`, by name; files of other endings are passed over, as the generator does."""
    named = {name: content for name, content in files.items() if PurePosixPath(name).suffix in KINDS}
    names = frozenset(name for name in named if kind_since(_kind(name)) <= podman)
    faults: list[Fault] = []
    for name, content in named.items():
        try:
            _check(name, content, names, podman)
        except BadNodeFile as error:
            faults.append(Fault(file=name, reason=error.message))
    return faults


def _kind(name: str) -> str:
    return KINDS[PurePosixPath(name).suffix]


def _check(name: str, content: bytes, names: frozenset[str], podman: Version) -> None:
    kind = _kind(name)
    if name not in names:
        raise BadNodeFile(f"Podman {podman} knows no {PurePosixPath(name).suffix} units, {kind_since(kind)} does")
    asked = _Asked(units.read(name, content), kind, names, podman)
    for section in (kind, "Quadlet"):
        for key, _ in asked.unit.section(section).entries:
            if not takes(section, key, podman):
                raise BadNodeFile(_unknown(key, section, podman))
    if podman >= _TRANSLATED_SINCE:
        _check_dependencies(asked)
    _CHECKS[kind](asked)


def _unknown(key: str, section: str, podman: Version) -> str:
    since = KEYS[section].get(key)
    later = f", {since} does" if since and since > podman else ""
    return f"unsupported key {key!r} in section {section!r}: Podman {podman} does not know it{later}"


def _check_dependencies(asked: _Asked) -> None:
    for key in _DEPENDENCIES:
        for value in asked.unit.section("Unit").every(key):
            for name in value.split():
                if PurePosixPath(name).suffix in KINDS and name not in asked.names:
                    raise BadNodeFile(f"{key}={name}: there is no such unit")


def _check_container(asked: _Asked) -> None:
    image, rootfs = asked.value("Image"), asked.value("Rootfs")
    if not image and not rootfs:
        raise BadNodeFile("no Image= or Rootfs=")
    if image and rootfs:
        raise BadNodeFile("Image= and Rootfs= exclude each other")
    _check_image(asked, image)
    _check_service(asked)
    if asked.value("ReloadCmd") and asked.value("ReloadSignal"):
        raise BadNodeFile("ReloadCmd= and ReloadSignal= exclude each other")
    _check_networks(asked)
    if asked.value("Group") and not asked.value("User"):
        raise BadNodeFile("Group= without User=")
    _check_mappings(asked, manual=True)
    _check_volumes(asked)
    for ports in asked.own.every("ExposeHostPort"):
        if not _PORTS.search(ports.strip()):
            raise BadNodeFile(f"ExposeHostPort={ports} is no port or range of ports")
    _check_mounts(asked)
    _check_pod_of(asked)


def _check_image(asked: _Asked, image: str) -> None:
    if image.endswith((".image", ".build")) and asked.podman >= kind_since("Image") and image not in asked.names:
        raise BadNodeFile(f"Image={image}: there is no such unit")


def _check_service(asked: _Asked) -> None:
    service = asked.unit.section("Service")
    mode, kind = service.last("KillMode"), service.last("Type")
    if mode is not None and mode not in ("mixed", "control-group"):
        raise BadNodeFile(f"KillMode={mode} is neither mixed nor control-group")
    if kind is not None and kind not in ("notify", "oneshot"):
        raise BadNodeFile(f"Type={kind} is neither notify nor oneshot")


def _check_networks(asked: _Asked) -> None:
    for network in asked.own.every("Network"):
        name, colon, _ = network.partition(":")
        of_container = name.endswith(".container") and asked.podman >= _CONTAINER_NETWORK_SINCE
        if (name.endswith(".network") or of_container) and name not in asked.names:
            raise BadNodeFile(f"Network={name}: there is no such unit")
        if of_container and colon:
            raise BadNodeFile(f"Network={network}: options cannot be given for a container's network")


def _check_mappings(asked: _Asked, *, manual: bool) -> None:
    remaps = [key for key in _REMAPPING if asked.own.last(key) is not None]
    if remaps and any(asked.value(key) for key in _MAPPING):
        raise BadNodeFile(f"{remaps[0]}= beside an explicit mapping")
    users = asked.value("RemapUsers")
    if not users and (asked.value("RemapUid") or asked.value("RemapGid")):
        raise BadNodeFile("RemapUid= or RemapGid= without RemapUsers=")
    if users not in ("", "manual", "auto", "keep-id") or (users == "manual" and not manual):
        raise BadNodeFile(f"RemapUsers={users} is not supported here")


def _check_volumes(asked: _Asked) -> None:
    for volume in asked.own.every("Volume"):
        source, colon, _ = volume.partition(":")
        if colon and source.endswith(".volume") and source not in asked.names:
            raise BadNodeFile(f"Volume={source}: there is no such unit")


def _check_mounts(asked: _Asked) -> None:
    for mount in asked.own.every("Mount"):
        given = dict(part.partition("=")[::2] for part in mount.split(","))
        if not given.get("type"):
            raise BadNodeFile(f"Mount={mount} has no type=")
        source = given.get("source", given.get("src", ""))
        if given["type"] not in _SOURCED_MOUNTS:
            continue
        if ("source" in given or "src" in given) and not source:
            raise BadNodeFile(f"Mount={mount} has an empty source=")
        endings = (".volume", ".image") if asked.podman >= kind_since("Image") else (".volume",)
        if source.endswith(endings) and source not in asked.names:
            raise BadNodeFile(f"Mount={source}: there is no such unit")


def _check_pod_of(asked: _Asked) -> None:
    pod = asked.value("Pod")
    if pod and not pod.endswith(".pod"):
        raise BadNodeFile(f"Pod={pod} is no .pod unit")
    if pod and pod not in asked.names:
        raise BadNodeFile(f"Pod={pod}: there is no such unit")


def _check_volume(asked: _Asked) -> None:
    if asked.value("Driver") == "image":
        if asked.own.last("Image") is None:
            raise BadNodeFile("Driver=image without Image=")
        _check_image(asked, asked.value("Image"))
    elif not asked.value("Device"):
        free_options = asked.podman >= Version(6, 0)
        for key in ("Type",) if free_options else ("Type", "Options"):
            if asked.value(key):
                raise BadNodeFile(f"{key}= without Device=")


def _check_network(asked: _Asked) -> None:
    subnets, gateways, ranges = (len(asked.own.every(key)) for key in ("Subnet", "Gateway", "IPRange"))
    if gateways > subnets or ranges > subnets:
        raise BadNodeFile("more Gateway= or IPRange= than Subnet=")


def _check_kube(asked: _Asked) -> None:
    if not asked.value("Yaml"):
        raise BadNodeFile("no Yaml=")
    _check_service(asked)
    _check_mappings(asked, manual=False)
    _check_networks(asked)
    folder = asked.value("SetWorkingDirectory")
    if folder and folder.lower() not in ("yaml", "unit"):
        raise BadNodeFile(f"SetWorkingDirectory={folder} is neither yaml nor unit")


def _check_image_unit(asked: _Asked) -> None:
    if not asked.value("Image"):
        raise BadNodeFile("no Image=")


def _check_pod(asked: _Asked) -> None:
    _check_mappings(asked, manual=True)
    _check_networks(asked)
    _check_volumes(asked)


_CHECKS: Mapping[str, Callable[[_Asked], None]] = {
    "Container": _check_container,
    "Volume": _check_volume,
    "Network": _check_network,
    "Kube": _check_kube,
    "Image": _check_image_unit,
    "Pod": _check_pod,
}
