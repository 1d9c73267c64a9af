"""A workload as a .kube unit: the pod of the clusters' faces, played by Podman.

A modelcar comes by an init container, for older Podmans play no image volumes. An external model is a folder of the
device.
"""

from dataclasses import dataclass, replace

from edgewise.build.nodes.description import MOUNTED, File, Workload
from edgewise.build.nodes.kubernetes import pod as pods
from edgewise.build.nodes.kubernetes.objects import HostPath, Metadata, Object, PodSpec, Volume, VolumeMount, written
from edgewise.build.nodes.quadlet import compose, unit
from edgewise.build.nodes.quadlet.compose import MODEL_STORE, Layout
from edgewise.build.nodes.quadlet.unit import Section, Unit, literal
from edgewise.exchange.release import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The unit, and what it plays."""

    unit: Unit
    pod: Object


def files(workload: Workload, layout: Layout) -> list[File]:
    """The unit and its YAML, side by side."""
    made = played(workload, layout)
    return [
        File(path=f"{compose.UNITS}/{made.unit.name}", content=unit.written(made.unit)),
        File(path=f"{compose.UNITS}/{workload.name}.yaml", content=written(made.pod)),
        *compose.cdi_files(workload),
    ]


def played(workload: Workload, layout: Layout) -> Played:
    """The unit, and the pod that it plays."""
    entries = (("Yaml", f"{workload.name}.yaml"), *(("PublishPort", port) for port in compose.ports(layout)))
    described = f"Edgewise: {workload.model_name} {workload.model_version} for {workload.site}, {workload.version}"
    made = Unit(
        name=f"{workload.name}.kube",
        sections=(
            Section(name="Unit", entries=(("Description", literal(described)),)),
            Section(name="Kube", entries=entries),
            Section(name="Service", entries=(("Restart", "on-failure"), ("TimeoutStartSec", "900"))),
            Section(name="Install", entries=(("WantedBy", "multi-user.target"),)),
        ),
    )
    labels = {compose.RELEASE_LABEL: workload.release.removeprefix("sha256:")[:63], compose.SITE_LABEL: workload.site}
    return Played(
        unit=made,
        pod=Object(
            api_version="v1",
            kind="Pod",
            metadata=Metadata(name=workload.name, labels=labels, annotations={compose.RELEASE_LABEL: workload.release}),
            spec=_pod(workload),
        ),
    )


def _pod(workload: Workload) -> PodSpec:
    made = pods.pod(workload, pods.Source(claim="unused"))
    made = replace(made, automount_service_account_token=None, node_selector={}, tolerations=())
    if workload.strategy is not Strategy.EXTERNAL:
        return made
    folder = f"{MODEL_STORE}/{workload.model_digest.replace(':', '/')}"
    mount = VolumeMount(name=pods.MODEL, mount_path=MOUNTED, read_only=True)
    volume = Volume(name=pods.MODEL, host_path=HostPath(path=folder, type="Directory"))
    return replace(
        made,
        containers=(pods.server(workload, MOUNTED, (mount,)),),
        volumes=(*(one for one in made.volumes if one.name != pods.MODEL), volume),
    )
