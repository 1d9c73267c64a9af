"""A workload as a .kube unit: the pod of the clusters' faces, played by Podman.

A modelcar comes by an init container, for older Podmans play no image volumes. An external model is a folder of the
device.
"""

from dataclasses import dataclass, replace

from edgewise.build.nodes.description import HEALTH_COMMAND, MOUNTED, File, Workload
from edgewise.build.nodes.kubernetes import pod as pods
from edgewise.build.nodes.kubernetes.objects import (
    Container,
    HostPath,
    Metadata,
    Object,
    PodSpec,
    Probe,
    Volume,
    VolumeMount,
    written,
)
from edgewise.build.nodes.quadlet import compose, unit
from edgewise.build.nodes.quadlet.compose import Layout
from edgewise.build.nodes.quadlet.unit import Section, Unit, literal
from edgewise.exchange.release import Strategy

KEPT_INIT = {"io.podman.annotations.init.container.type": "always"}
"""Podman 4.3 fails where it removes an init container that has just ended; kept, it also runs at every start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The unit, and what it plays."""

    unit: Unit
    pod: Object


def files(workload: Workload, layout: Layout) -> list[File]:
    """The unit and its YAML, side by side; the YAML's name has the release in it, as the names of other units."""
    made = played(workload, layout)
    return [
        File(path=f"{layout.owner.quadlets}/{made.unit.name}", content=unit.written(made.unit)),
        File(path=f"{layout.owner.quadlets}/{yaml_name(workload)}", content=written(made.pod)),
        *compose.cdi_files(workload, layout),
    ]


def yaml_name(workload: Workload) -> str:
    """Of the file that the unit plays."""
    return f"{workload.name}-{workload.short_digest}.yaml"


def release_label(workload: Workload) -> str:
    """What the pod says of its release.

    Podman takes no longer values than 63 characters, in labels and annotations alike: the digest lacks its last digit.
    """
    return workload.release.removeprefix("sha256:")[:63]


def played(workload: Workload, layout: Layout) -> Played:
    """The unit, and the pod that it plays."""
    entries = (("Yaml", yaml_name(workload)), *(("PublishPort", port) for port in compose.ports(layout)))
    described = f"Edgewise: {workload.model_name} {workload.model_version} for {workload.site}, {workload.version}"
    made = Unit(
        name=f"{workload.name}.kube",
        sections=(
            Section(name="Unit", entries=(("Description", literal(described)),)),
            Section(name="Kube", entries=entries),
            Section(name="Service", entries=(("Restart", "on-failure"), ("TimeoutStartSec", "900"))),
            Section(name="Install", entries=(("WantedBy", layout.owner.target),)),
            unit.of_release(workload.release),
        ),
    )
    labels = {compose.RELEASE_LABEL: release_label(workload), compose.SITE_LABEL: workload.site}
    return Played(
        unit=made,
        pod=Object(
            api_version="v1",
            kind="Pod",
            metadata=Metadata(name=workload.name, labels=labels, annotations=KEPT_INIT),
            spec=_pod(workload, layout),
        ),
    )


def _pod(workload: Workload, layout: Layout) -> PodSpec:
    made = pods.pod(workload, pods.Source(claim="unused"))
    if workload.strategy is Strategy.EXTERNAL:
        folder = f"{layout.owner.model_store}/{workload.model_digest.replace(':', '/')}"
        mount = VolumeMount(name=pods.MODEL, mount_path=MOUNTED, read_only=True)
        volume = Volume(name=pods.MODEL, host_path=HostPath(path=folder, type="Directory"))
        made = replace(
            made,
            containers=(pods.server(workload, MOUNTED, (mount,)),),
            volumes=(*(one for one in made.volumes if one.name != pods.MODEL), volume),
        )
    return replace(
        made,
        containers=tuple(map(_for_podman, made.containers)),
        automount_service_account_token=None,
        node_selector={},
        tolerations=(),
    )


def _for_podman(container: Container) -> Container:
    """Ports are published by the unit alone, for older Podmans would open them to everyone.

    Podman asks a pod's HTTP probes by curl, which images have not: the server is asked in its own container.
    """
    alive = Probe(
        exec={"command": list(HEALTH_COMMAND)},
        initial_delay_seconds=60,
        period_seconds=30,
        timeout_seconds=5,
        failure_threshold=3,
    )
    return replace(container, ports=(), startup_probe=None, readiness_probe=None, liveness_probe=alive)
