"""The device's face: which units describe the server there, by what is asked for and what its Podman can do. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum

from edgewise.build.nodes import bare
from edgewise.build.nodes.bare import BareLayout
from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.quadlet import compose, kube
from edgewise.build.nodes.quadlet import run as podman_run
from edgewise.build.nodes.quadlet.compose import Layout
from edgewise.build.nodes.versions import Feature, Product, has
from edgewise.errors import NotDeployable


class As(StrEnum):
    """What units the server is described by."""

    CONTAINER = "container"
    POD = "pod"
    KUBE = "kube"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """Units of one kind.

    Attributes:
        layout: `in_pod` is decided by `kind`.
        python: of the environment on the device, for a service without a container engine.
    """

    kind: As
    layout: Layout
    python: str = bare.PYTHON

    @property
    def quadlet(self) -> bool:
        """Whether Podman's generator makes services of the units."""
        return self.kind is not As.SERVICE and has(Product.PODMAN, Feature.QUADLET, self.layout.podman)

    def switch(self, workload: Workload) -> str:
        """Name of the one unit that decides which release runs; all others lie beside it."""
        ending = ("kube" if self.kind is As.KUBE else "container") if self.quadlet else "service"
        return f"{workload.name}.{ending}"


def files(workload: Workload, face: Face) -> list[File]:
    """All files of the face, below the root of the device or its user's home.

    Raises:
        NotDeployable: this Podman, or a user's, cannot do what is asked for.
    """
    layout = replace(face.layout, in_pod=face.kind is As.POD)
    if reasons := _reasons(workload, face, layout):
        raise NotDeployable("; ".join(reasons), hint="nothing was written")
    if face.kind is As.SERVICE:
        how = BareLayout(python=face.python, address=layout.address, port=layout.port, owner=layout.owner)
        return bare.files(workload, how)
    if not face.quadlet:
        return podman_run.files(workload, replace(layout, network=False))
    return kube.files(workload, layout) if face.kind is As.KUBE else compose.files(workload, layout)


def _reasons(workload: Workload, face: Face, layout: Layout) -> list[str]:
    reasons = []
    if layout.in_pod and not has(Product.PODMAN, Feature.QUADLET_POD_UNITS, layout.podman):
        reasons.append(f"Podman {layout.podman} knows no .pod units: leave out --as pod, or have Podman 5.0")
    if face.kind is As.KUBE and not face.quadlet:
        reasons.append(f"Podman {layout.podman} knows no .kube units: leave out --as kube, or have Podman 4.4")
    if face.kind is As.KUBE and layout.owner.is_user and workload.strategy.value == "external":
        reasons.append("a pod's YAML cannot name a folder in a user's home: leave out --as kube, or --user")
    return reasons
