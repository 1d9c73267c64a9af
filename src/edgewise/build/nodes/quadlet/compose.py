"""A workload as quadlet units: an image to pull, a model to mount, a container to run, hardened and watched.

| strategy | units beside NAME.container, NAME-RELEASE.image and NAME.network |
|---|---|
| embedded | none |
| external | none; the model folder lies on the device, by digest, and is mounted read-only |
| modelcar, image volume | NAME-RELEASE-model.image, mounted as an image |
| modelcar, extracted | NAME-RELEASE-model.image, .volume, and .container that fills the volume and ends |

All but NAME.container and NAME.network carry the release's digest in their names: units of two releases lie side by
side, and one rename of NAME.container goes from one to the other.

The server refuses a model.json whose digest is not the release's, and every file that model.json does not name so: the
digest is checked at every start, by whom it concerns.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from edgewise.build.nodes import cdi
from edgewise.build.nodes.description import (
    GRPC_PORT,
    HEALTH_COMMAND,
    HTTP_PORT,
    MODELCAR,
    MODELS,
    MOUNTED,
    TMPFS_BYTES,
    USER,
    File,
    Workload,
)
from edgewise.build.nodes.owner import SYSTEM, Owner
from edgewise.build.nodes.quadlet import options, unit
from edgewise.build.nodes.quadlet.options import Container, Health
from edgewise.build.nodes.quadlet.unit import Section, Unit, literal
from edgewise.build.nodes.versions import Feature, Product, Version, has
from edgewise.exchange.release import Strategy

PIDS = 256
STOP_TIMEOUT_S = 30
RELEASE_LABEL, SITE_LABEL = "io.edgewise.release", "io.edgewise.site"


class Modelcar(StrEnum):
    """How the files of a model's image come to the server."""

    IMAGE_VOLUME = "image-volume"
    EXTRACT = "extract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the units shall be.

    Attributes:
        podman: version that they are for.
        in_pod: a .pod unit that publishes the ports, with the server in it.
        address: that the server is reached at on the device; "" for every one.
        grpc: whether its port is published too.
        network: a network of its own instead of Podman's default.
        owner: whose systemd runs them.
    """

    podman: Version
    modelcar: Modelcar = Modelcar.IMAGE_VOLUME
    in_pod: bool = False
    address: str = "127.0.0.1"
    port: int = HTTP_PORT
    grpc: bool = False
    network: bool = True
    owner: Owner = SYSTEM


def files(workload: Workload, layout: Layout) -> list[File]:
    """All files of the face, below the root of the device, or its user's home."""
    folder = layout.owner.quadlets
    found = [File(path=f"{folder}/{one.name}", content=unit.written(one)) for one in units(workload, layout)]
    return [*found, *cdi_files(workload, layout)]


def cdi_files(workload: Workload, layout: Layout) -> list[File]:
    """The CDI specification of the workload's accelerator, where no tool of its vendor writes one.

    A user cannot write where Podman looks for them: its containers are given the device files themselves.
    """
    if workload.device is None or not workload.device.nodes or layout.owner.is_user:
        return []
    kind = workload.device.cdi.partition("=")[0].partition("/")[2]
    content = cdi.written(cdi.of_nodes(kind, workload.device.nodes))
    return [File(path=f"{cdi.FOLDER}/edgewise-{kind}.json", content=content)]


def units(workload: Workload, layout: Layout) -> list[Unit]:
    """The units, those first that others need."""
    found = [*_network(workload, layout), *_pod(workload, layout), *_images(workload, layout)]
    if _extracts(workload, layout):
        found += _extraction(workload, layout)
    return [*found, _server(workload, layout)]


def server(workload: Workload, layout: Layout) -> Container:
    """The server's container, whatever describes it: a unit, or `podman run`."""
    mounts, volumes, model = _model(workload, layout)
    return Container(
        image=_image(workload, layout),
        name=workload.name,
        user=f"{USER}:{USER}",
        environment=workload.environment(model),
        labels={RELEASE_LABEL: workload.release, SITE_LABEL: workload.site},
        tmpfs=(f"/tmp:rw,nosuid,nodev,noexec,size={TMPFS_BYTES}",),  # noqa: S108 - in the container
        mounts=mounts,
        volumes=volumes,
        devices=_devices(workload, layout),
        network="" if layout.in_pod else _network_name(workload, layout),
        ports=() if layout.in_pod else ports(layout),
        pod=f"{workload.name}.pod" if layout.in_pod else "",
        memory_bytes=workload.memory_bytes,
        cpus=workload.cpus,
        pids=PIDS,
        stop_timeout_s=STOP_TIMEOUT_S,
        health=Health(command=json.dumps(list(HEALTH_COMMAND))),
        notify="healthy" if has(Product.PODMAN, Feature.QUADLET_HEALTHY, layout.podman) else "",
        pull="missing",
    )


def extraction(workload: Workload, layout: Layout) -> Container:
    """The container that copies the model out of its image and ends."""
    assert workload.model is not None
    pulls = has(Product.PODMAN, Feature.QUADLET_IMAGE_UNITS, layout.podman)
    return Container(
        image=f"{model_name(workload)}.image" if pulls else workload.model.reference,
        name=model_name(workload),
        entrypoint="/bin/cp",
        command=("-R", f"{MODELS}/.", "/out"),
        user="0:0",
        volumes=(f"{_volume(workload)}:/out",),
        network="none",
    )


def _devices(workload: Workload, layout: Layout) -> tuple[str, ...]:
    if workload.device is None:
        return ()
    return workload.device.nodes if layout.owner.is_user and workload.device.nodes else (workload.device.cdi,)


def _model(workload: Workload, layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Mounts, volumes, and where the server finds the model."""
    match workload.strategy:
        case Strategy.EXTERNAL:
            folder = f"{layout.owner.model_store}/{workload.model_digest.replace(':', '/')}"
            return (), (f"{folder}:{MOUNTED}:ro,z",), MOUNTED
        case Strategy.MODELCAR if layout.modelcar is Modelcar.EXTRACT:
            return (), (f"{_volume(workload)}:{MOUNTED}:ro",), MOUNTED
        case Strategy.MODELCAR:
            assert workload.model is not None
            pulls = has(Product.PODMAN, Feature.QUADLET_IMAGE_UNITS, layout.podman)
            source = f"{model_name(workload)}.image" if pulls else workload.model.reference
            return (f"type=image,source={source},destination={MODELCAR}",), (), f"{MODELCAR}{MODELS}"
        case _:
            return (), (), MODELS


def _server(workload: Workload, layout: Layout) -> Unit:
    described = f"Edgewise: {workload.model_name} {workload.model_version} for {workload.site}, {workload.version}"
    needed = [f"{model_name(workload)}.service"] if _extracts(workload, layout) else []
    return Unit(
        name=f"{workload.name}.container",
        sections=(
            Section(
                name="Unit",
                entries=(
                    ("Description", literal(described)),
                    ("StartLimitIntervalSec", "600"),
                    ("StartLimitBurst", "5"),
                    *(pair for name in needed for pair in (("Requires", name), ("After", name))),
                ),
            ),
            Section(name=options.SECTION, entries=options.entries(server(workload, layout), layout.podman)),
            Section(
                name="Service",
                entries=(("Restart", "on-failure"), ("RestartSec", "5"), ("TimeoutStartSec", "900")),
            ),
            Section(name="Install", entries=(("WantedBy", layout.owner.target),)),
        ),
    )


def _images(workload: Workload, layout: Layout) -> list[Unit]:
    if not has(Product.PODMAN, Feature.QUADLET_IMAGE_UNITS, layout.podman):
        return []
    wanted = {_release_name(workload): workload.server}
    if workload.strategy is Strategy.MODELCAR and workload.model is not None:
        wanted[model_name(workload)] = workload.model
    return [
        Unit(
            name=f"{name}.image",
            sections=(
                Section(name="Unit", entries=(("Description", literal(f"Edgewise: image of {name}")),)),
                Section(name="Image", entries=(("Image", literal(image.reference)),)),
                Section(name="Service", entries=(("Restart", "on-failure"), ("RestartSec", "30"))),
            ),
        )
        for name, image in wanted.items()
    ]


def _extraction(workload: Workload, layout: Layout) -> list[Unit]:
    volume = Unit(
        name=_volume(workload),
        sections=(
            Section(name="Unit", entries=(("Description", literal(f"Edgewise: model of {workload.name}")),)),
            Section(name="Volume", entries=(("Label", unit.word(f"{RELEASE_LABEL}={workload.release}")),)),
        ),
    )
    filling = Unit(
        name=f"{model_name(workload)}.container",
        sections=(
            Section(
                name="Unit",
                entries=(("Description", literal(f"Edgewise: copy the model of {workload.name} out of its image")),),
            ),
            Section(name=options.SECTION, entries=options.entries(extraction(workload, layout), layout.podman)),
            Section(name="Service", entries=(("Type", "oneshot"), ("RemainAfterExit", "yes"))),
        ),
    )
    return [volume, filling]


def _network(workload: Workload, layout: Layout) -> list[Unit]:
    if not layout.network:
        return []
    name = f"{workload.name}.network"
    described = literal(f"Edgewise: network of {workload.name}, apart from other containers")
    return [
        Unit(
            name=name,
            sections=(
                Section(name="Unit", entries=(("Description", described),)),
                Section(name="Network", entries=(("DisableDNS", "true"),)),
            ),
        )
    ]


def _pod(workload: Workload, layout: Layout) -> list[Unit]:
    if not layout.in_pod:
        return []
    network = _network_name(workload, layout)
    own = (
        ("PodName", f"{workload.name}-pod"),  # Podman gives no name twice, be it a pod's or a container's
        *((("Network", network),) if network else ()),
        *(("PublishPort", port) for port in ports(layout)),
    )
    return [
        Unit(
            name=f"{workload.name}.pod",
            sections=(
                Section(name="Unit", entries=(("Description", literal(f"Edgewise: pod of {workload.name}")),)),
                Section(name="Pod", entries=own),
                Section(name="Install", entries=(("WantedBy", layout.owner.target),)),
            ),
        )
    ]


def _image(workload: Workload, layout: Layout) -> str:
    pulls = has(Product.PODMAN, Feature.QUADLET_IMAGE_UNITS, layout.podman)
    return f"{_release_name(workload)}.image" if pulls else workload.server.reference


def _network_name(workload: Workload, layout: Layout) -> str:
    return f"{workload.name}.network" if layout.network else ""


def ports(layout: Layout) -> tuple[str, ...]:
    """What is published, as `--publish` takes it."""
    host = f"{layout.address}:" if layout.address else ""
    found = [f"{host}{layout.port}:{HTTP_PORT}"]
    if layout.grpc:
        found.append(f"{host}{layout.port + 1}:{GRPC_PORT}")
    return tuple(found)


def model_name(workload: Workload) -> str:
    """Of the units that bring the model of this release."""
    return f"{_release_name(workload)}-model"


def _release_name(workload: Workload) -> str:
    return f"{workload.name}-{workload.short_digest}"


def _volume(workload: Workload) -> str:
    return f"{model_name(workload)}.volume"


def _extracts(workload: Workload, layout: Layout) -> bool:
    return workload.strategy is Strategy.MODELCAR and layout.modelcar is Modelcar.EXTRACT
