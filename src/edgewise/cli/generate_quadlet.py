"""`edgewise generate quadlet`: what a device with Podman and systemd runs."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from edgewise.build.nodes import bare
from edgewise.build.nodes.bare import BareLayout
from edgewise.build.nodes.description import HTTP_PORT, File, NodeKind, Workload
from edgewise.build.nodes.quadlet import compose, kube
from edgewise.build.nodes.quadlet import run as podman_run
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.versions import DEFAULTS, Feature, Product, has, version
from edgewise.cli._nodes import OutFlag, deliver
from edgewise.cli._say import note
from edgewise.cli._subject import Subject, described, of_subject
from edgewise.errors import NotDeployable


class As(StrEnum):
    """What units the server is described by."""

    CONTAINER = "container"
    POD = "pod"
    KUBE = "kube"
    SERVICE = "service"


@of_subject
def run(
    subject: Subject,
    out: OutFlag = None,
    kind: Annotated[
        As, typer.Option("--as", help="Units: .container, .pod, .kube; or a service without a container engine.")
    ] = As.CONTAINER,
    modelcar: Annotated[
        Modelcar, typer.Option(help="How a model's image reaches the server: mounted, or copied once into a volume.")
    ] = Modelcar.IMAGE_VOLUME,
    address: Annotated[str, typer.Option(help="Address of the device that the server is reached at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the device.", min=1, max=65534)] = HTTP_PORT,
    grpc: Annotated[bool, typer.Option("--grpc", help="Publish gRPC too, at the next port.")] = False,
    python: Annotated[str, typer.Option(help="With --as service: of the environment on the device.")] = bare.PYTHON,
) -> None:
    """Write what a device with Podman and systemd runs.

    Quadlet units for Podman 4.4 and newer; for older ones systemd units that call podman run.

    Example: edgewise generate quadlet release.json --target-version 5.4 --out press-line
    """
    workload = described(subject, NodeKind.DEVICE).workload
    if kind is As.SERVICE:
        deliver(bare.files(workload, BareLayout(python=python, address=address, port=port)), out)
        return
    podman = version(subject.target_version) if subject.target_version else DEFAULTS[Product.PODMAN]
    layout = Layout(podman=podman, modelcar=modelcar, in_pod=kind is As.POD, address=address, port=port, grpc=grpc)
    deliver(_files(workload, layout, kind), out)


def _files(workload: Workload, layout: Layout, kind: As) -> list[File]:
    if layout.in_pod and not has(Product.PODMAN, Feature.QUADLET_POD_UNITS, layout.podman):
        raise NotDeployable(f"Podman {layout.podman} knows no .pod units", hint="leave out --as pod, or Podman 5.0")
    if not has(Product.PODMAN, Feature.QUADLET, layout.podman):
        note(f"Podman {layout.podman} has no quadlet: these units call podman run")
        return podman_run.files(workload, replace(layout, network=False))
    return kube.files(workload, layout) if kind is As.KUBE else compose.files(workload, layout)
