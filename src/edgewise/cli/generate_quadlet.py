"""`edgewise generate quadlet`: what a device with Podman and systemd runs."""

from typing import Annotated

import typer

from edgewise.build.nodes import bare, device
from edgewise.build.nodes.description import HTTP_PORT, NodeKind
from edgewise.build.nodes.device import As, Face
from edgewise.build.nodes.owner import SYSTEM, USER
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.cli._nodes import KindFlag, OutFlag, PythonFlag, UserFlag, deliver
from edgewise.cli._say import note
from edgewise.cli._subject import Subject, described, of_subject
from edgewise.cli._target import podman


@of_subject
def run(
    subject: Subject,
    out: OutFlag = None,
    kind: KindFlag = As.CONTAINER,
    modelcar: Annotated[
        Modelcar, typer.Option(help="How a model's image reaches the server: mounted, or copied once into a volume.")
    ] = Modelcar.IMAGE_VOLUME,
    address: Annotated[str, typer.Option(help="Address of the device that the server is reached at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the device.", min=1, max=65534)] = HTTP_PORT,
    grpc: Annotated[bool, typer.Option("--grpc", help="Publish gRPC too, at the next port.")] = False,
    python: PythonFlag = bare.PYTHON,
    user: UserFlag = False,
) -> None:
    """Write what a device with Podman and systemd runs.

    Quadlet units for Podman 4.4 and newer; for older ones systemd units that call podman run. Paths are below the root
    of the device; with --user below the home of a user who needs no privilege.

    Example: edgewise generate quadlet release.json --target-version 5.4 --out press-line
    """
    workload = described(subject, NodeKind.DEVICE).workload
    owner = USER if user else SYSTEM
    layout = Layout(
        podman=podman(subject.target_version, owner),
        modelcar=modelcar,
        address=address,
        port=port,
        grpc=grpc,
        owner=owner,
    )
    face = Face(kind=kind, layout=layout, python=python)
    files = device.files(workload, face)
    if kind is not As.SERVICE and not face.quadlet:
        note(f"Podman {layout.podman} has no quadlet: these units call podman run")
    deliver(files, out)
