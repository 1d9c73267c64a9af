"""Specifications of the Container Device Interface (CDI) for accelerators whose vendor has no tool that writes one.

Podman 4.3 calls a device of a newer `cdiVersion` than it knows "unresolvable", so the lowest version that the content
needs is emitted, by the rules of the specification's own package (tags.cncf.io/container-device-interface).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Any
FOLDER = "etc/cdi"
_VENDOR = "edgewise.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A device file in the container; `host_path` where it has another name outside."""

    path: str
    host_path: str = ""
    permissions: str = ""

    def document(self) -> dict[str, Json]:
        """As the specification has it."""
        found = {"path": self.path, "hostPath": self.host_path, "permissions": self.permissions}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host, such as a vendor's library."""

    host_path: str
    container_path: str
    options: tuple[str, ...] = ("ro", "nosuid", "nodev", "bind")
    type: str = ""

    def document(self) -> dict[str, Json]:
        """As the specification has it."""
        found = {"hostPath": self.host_path, "containerPath": self.container_path, "options": list(self.options)}
        return {**found, **({"type": self.type} if self.type else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What a container gets with a device."""

    nodes: tuple[Node, ...] = ()
    environment: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    groups: tuple[int, ...] = ()

    def document(self) -> dict[str, Json]:
        """As the specification has it."""
        found: dict[str, Json] = {
            "deviceNodes": [node.document() for node in self.nodes],
            "env": list(self.environment),
            "mounts": [mount.document() for mount in self.mounts],
            "additionalGids": list(self.groups),
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """Devices of one kind.

    Attributes:
        kind: vendor and class: "edgewise.io/npu".
        devices: edits by the device's name.
    """

    kind: str
    devices: Mapping[str, Edits]
    edits: Edits = field(default_factory=Edits)
    annotations: Mapping[str, str] = field(default_factory=dict)


def lowest_version(given: Specification) -> str:
    """The lowest cdiVersion whose readers understand all of `given`."""
    edits = [given.edits, *given.devices.values()]
    vendor_class = given.kind.partition("/")[2]
    rules = (
        ("0.7.0", any(one.groups for one in edits)),
        ("0.6.0", bool(given.annotations) or "." in vendor_class),
        ("0.5.0", any(re.match(r"[^A-Za-z]", name) for name in given.devices) or any(map(_renames, edits))),
        ("0.4.0", any(mount.type for one in edits for mount in one.mounts)),
    )
    return next((version for version, needed in rules if needed), "0.3.0")


def written(given: Specification) -> bytes:
    """The document: equal specifications are equal bytes."""
    document: dict[str, Json] = {
        "cdiVersion": lowest_version(given),
        "kind": given.kind,
        "devices": [
            {"name": name, "containerEdits": edits.document()} for name, edits in sorted(given.devices.items())
        ],
    }
    if edits := given.edits.document():
        document["containerEdits"] = edits
    if given.annotations:
        document["annotations"] = dict(given.annotations)
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def of_nodes(device_class: str, nodes: Sequence[str]) -> Specification:
    """The specification of one accelerator, named `all`, that is reached by its device files alone."""
    edits = Edits(nodes=tuple(Node(path=path) for path in nodes))
    return Specification(kind=f"{_VENDOR}/{device_class}", devices={"all": edits})


def _renames(edits: Edits) -> bool:
    return any(node.host_path and node.host_path != node.path for node in edits.nodes)
