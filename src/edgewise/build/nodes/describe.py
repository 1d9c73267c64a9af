"""From a release to the description of a workload, or every reason why the node cannot run it. Pure.

All reasons are told at once, and before anything is written.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from edgewise.build.nodes.description import TMPFS_BYTES, Image, NodeKind, Workload
from edgewise.build.nodes.devices import device_of
from edgewise.errors import BadReference, NotDeployable
from edgewise.exchange.fields import NAME
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from edgewise.nouns import Machine
from edgewise.store.oci.reference import InRegistry, parse

HEADROOM = 1.25
"""A server may take this many times what it was measured to take, and what its /tmp may hold, before it is ended."""
MEBIBYTE = 1 << 20
SERVER_BYTES: Mapping[str, int] = {
    "onnxruntime": 96 * MEBIBYTE,
    "openvino": 128 * MEBIBYTE,
    "litert": 80 * MEBIBYTE,
}
"""What a server takes by itself, REST and gRPC, with a runtime and a model of nothing; tests measure it. A design's
memory is what the model adds to that."""
SERVER_CORES = 1
"""Beside the threads of an inference, for the server's own loop: a limit of the threads alone would hold both back."""
ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64", "armv8l": "arm", "armv7l": "arm", "any": ""}
"""OCI's name by that of the catalogue; machines of other architectures run no containers."""
SERVER_PART, MODEL_PART = "inference", "model"
_CLUSTER_NAME = re.compile(r"[a-z][a-z0-9-]{0,44}")
"""Services must begin with a letter, and KServe adds to names."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for beside the release.

    Attributes:
        name: of units and objects; "" for the model's own.
        machine: that the node is, None where nobody says.
        accelerator: of the machine; "" for the one that the release's design was measured on.
        share: of the accelerator, a MIG profile of the sharing plan.
        count: how many accelerators.
        shared: others compute on the accelerator too, by turns.
        replicas: machines, or pods of a cluster, that run it.
        cpus: cores that the server may take; None for what the release's design was measured with.
        memory_bytes: that the server may take; None for what was measured, with headroom.
        settings: environment of the server, beside the release's.
    """

    name: str = ""
    machine: Machine | None = None
    accelerator: str = ""
    share: str = ""
    count: int = 1
    shared: bool = False
    replicas: int = 1
    cpus: float | None = None
    memory_bytes: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def describe(release: Release, digest: str, node: NodeKind, wish: Wish) -> Workload:
    """The workload that `release` is on a node of kind `node`.

    Args:
        digest: of the release's document.

    Raises:
        NotDeployable: it cannot run there; the message has every reason.
    """
    wish = as_designed(release, wish)
    reasons = list(_reasons(release, node, wish))
    device = None
    if wish.accelerator and wish.machine is not None:
        device, why = device_of(wish.machine, wish.accelerator, share=wish.share, count=wish.count, shared=wish.shared)
        reasons += [why] if why else []
    if reasons:
        raise NotDeployable("; ".join(reasons), hint="nothing was written")
    server, model = _parts(release)
    assert server is not None
    return Workload(
        name=_name(release, wish),
        site=release.site,
        release=digest,
        version=release.version,
        strategy=release.strategy,
        server=_image(server),
        model=None if model is None or release.strategy is Strategy.EMBEDDED else _image(model),
        model_name=release.model_name,
        model_version=release.model_version,
        model_digest=release.model_digest,
        architecture=ARCHITECTURES[wish.machine.architecture] if wish.machine else "",
        memory_bytes=_memory_bytes(release, wish),
        cpus=wish.cpus,
        device=device,
        replicas=wish.replicas,
        settings={**release.settings, **wish.settings},
    )


def as_designed(release: Release, wish: Wish) -> Wish:
    """`wish`, and where it says nothing, what the release's design was measured on and with.

    On another machine than the design's no accelerator is taken for granted.
    """
    design = release.design
    if design is None:
        return wish
    elsewhere = wish.machine is not None and wish.machine.name != design.machine
    accelerator = wish.accelerator or ("" if design.on_cpu or elsewhere else design.accelerator)
    cpus = wish.cpus
    if cpus is None and design.on_cpu and not wish.accelerator:
        cores = wish.machine.cpu.cores if wish.machine is not None else None
        cpus = float(min(design.threads + SERVER_CORES, cores or design.threads + SERVER_CORES))
    return replace(wish, accelerator=accelerator, cpus=cpus)


def _reasons(release: Release, node: NodeKind, wish: Wish) -> Iterator[str]:
    name = _name(release, wish)
    if not NAME.fullmatch(name):
        yield f"the name {name!r} is no DNS label (small letters, digits and dashes, at most 63): give one by --name"
    elif node is not NodeKind.DEVICE and not _CLUSTER_NAME.fullmatch(name):
        yield f"the name {name!r} cannot name objects of a cluster: a letter first, and at most 45: give one by --name"
    yield from _text_reasons(release, wish)
    if release.strategy is Strategy.SYSTEM:
        yield f"the release brings an operating system, which a {node} takes by its agent and not as a container"
        return
    yield from _part_reasons(release)
    if wish.machine is not None:
        yield from _machine_reasons(release, wish, wish.machine)
    elif wish.accelerator:
        yield f"which machine has the accelerator {wish.accelerator!r} is not said: name it by --machine"


def _text_reasons(release: Release, wish: Wish) -> Iterator[str]:
    for what, text in (("model's name", release.model_name), ("model's version", release.model_version)):
        if _CONTROL.search(text):
            yield f"the {what} {text!r} has control characters"
    if _CONTROL.search(release.version):
        yield f"the release's version {release.version!r} has control characters"
    for key, value in {**release.settings, **wish.settings}.items():
        if not _VARIABLE.fullmatch(key) or _CONTROL.search(value):
            yield f"the setting {key!r} is no environment variable, or its value has control characters"


def _part_reasons(release: Release) -> Iterator[str]:
    server, model = _parts(release)
    if server is None:
        yield "the release has no image of a server"
    if release.strategy is not Strategy.EMBEDDED and model is None:
        yield f"the release is {release.strategy} and has no part with the model"
    if release.strategy is Strategy.MODELCAR and model is not None and model.kind is not PartKind.IMAGE:
        yield "the release is modelcar, and its model is no image"
    for part in release.parts:
        try:
            place = parse(part.source)
        except BadReference as error:
            yield f"the source of {part.name} is no place of an image: {error.message}"
        else:
            if not isinstance(place, InRegistry):
                yield f"{part.name} lies in the folder {part.source}, and engines pull from registries: push it first"


def _machine_reasons(release: Release, wish: Wish, machine: Machine) -> Iterator[str]:
    if machine.architecture not in ARCHITECTURES:
        yield f"{machine.name} ({machine.architecture}) runs no containers"
    if machine.memory is None:
        return
    available = machine.memory.value
    needed = _memory_bytes(release, wish)
    _, model = _parts(release)
    if needed is not None and needed > available:
        yield f"the server may take {_mebibytes(needed)}, and {machine.name} has {_mebibytes(available)}"
    elif model is not None and model.size_bytes > available:
        yield f"the model has {_mebibytes(model.size_bytes)}, and {machine.name} has {_mebibytes(available)} of memory"
    if wish.cpus is not None and machine.cpu.cores is not None and wish.cpus > machine.cpu.cores:
        yield f"{wish.cpus:g} cores are asked for, and {machine.name} has {machine.cpu.cores}"


def _parts(release: Release) -> tuple[Part | None, Part | None]:
    """The server's image and the model, by name, else by kind."""
    named = {part.name: part for part in release.parts}
    images = [part for part in release.parts if part.kind is PartKind.IMAGE and part.name != MODEL_PART]
    server = named.get(SERVER_PART) or next(iter(images), None)
    return server, named.get(MODEL_PART) or release.part(PartKind.MODEL)


def _image(part: Part) -> Image:
    place = parse(part.source)
    assert isinstance(place, InRegistry)
    return Image(source=f"{place.host}/{place.repository}", digest=part.digest)


def _name(release: Release, wish: Wish) -> str:
    return wish.name or release.model_name


def _memory_bytes(release: Release, wish: Wish) -> int | None:
    """Whole MiB: what was asked for, else the release's allowance, else what its design was measured to take."""
    if wish.memory_bytes is not None:
        return wish.memory_bytes
    measured = release.allowance.memory_bytes
    if measured is None and release.design is not None and release.design.memory_bytes is not None:
        own = SERVER_BYTES.get(release.design.runtime, max(SERVER_BYTES.values()))
        measured = own + release.design.memory_bytes
    if measured is None:
        return None
    return math.ceil((measured * HEADROOM + TMPFS_BYTES) / MEBIBYTE) * MEBIBYTE


def _mebibytes(size_bytes: float) -> str:
    return f"{size_bytes / MEBIBYTE:.0f} MiB"
