"""`edgewise deploy`: a release onto a device or a cluster."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from edgewise.build.nodes import bare
from edgewise.build.nodes.description import HTTP_PORT, NodeKind, Workload
from edgewise.build.nodes.device import As, Face
from edgewise.build.nodes.kubernetes import microshift, openshift
from edgewise.build.nodes.kubernetes.kserve import Serving
from edgewise.build.nodes.kubernetes.objects import Object
from edgewise.build.nodes.owner import SYSTEM, USER
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.versions import DEFAULTS, Product
from edgewise.cli._nodes import KindFlag, NamespaceFlag, PythonFlag, UserFlag, namespace_of
from edgewise.cli._say import clean, note
from edgewise.cli._subject import Subject, described, of_subject
from edgewise.cli._target import KUBERNETES, named, of_cluster
from edgewise.errors import NodeUnreachable
from edgewise.flow.deploy import cluster, device, ssh

if TYPE_CHECKING:
    from edgewise.flow.deploy import api


class ClusterFace(StrEnum):
    """Which face a cluster gets."""

    OPENSHIFT = "openshift"
    MICROSHIFT = "microshift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a cluster gets, and where."""

    face: ClusterFace
    namespace: str
    storage: str
    monitoring: bool


@of_subject
def run(
    subject: Subject,
    to: Annotated[str, typer.Option("--to", help="ssh://[USER@]HOST[:PORT], or kubernetes.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[float, typer.Option("--wait", help="Seconds that the release may take to come up.", min=1)] = 300,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of an external model, to send to the device.", file_okay=False, show_default=False),
    ] = None,
    modelcar: Annotated[Modelcar, typer.Option(help="On a device: how a model's image reaches the server.")] = (
        Modelcar.IMAGE_VOLUME
    ),
    address: Annotated[str, typer.Option(help="Of the device, that the server is reached at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the device.", min=1, max=65534)] = HTTP_PORT,
    identity: Annotated[
        Path | None, typer.Option(help="Key that ssh uses.", dir_okay=False, show_default=False)
    ] = None,
    ssh_config: Annotated[
        Path | None, typer.Option(help="Configuration that ssh reads.", dir_okay=False, show_default=False)
    ] = None,
    kind: KindFlag = As.CONTAINER,
    python: PythonFlag = bare.PYTHON,
    user: UserFlag = False,
    device_root: Annotated[str, typer.Option(hidden=True)] = "",
    face: Annotated[ClusterFace, typer.Option(help="On a cluster: KServe, or a Deployment.")] = ClusterFace.OPENSHIFT,
    namespace: NamespaceFlag = "",
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Of the cluster. Left out: as kubectl.", dir_okay=False, show_default=False)
    ] = None,
    context: Annotated[str, typer.Option(help="In the kubeconfig.", show_default=False)] = "",
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over objects that are not ours.")] = False,
    storage: Annotated[str, typer.Option(help="On a cluster: where an external model lies.", show_default=False)] = "",
    monitoring: Annotated[bool, typer.Option(help="Write a ServiceMonitor.")] = True,
) -> None:
    """Put a release on a device or a cluster.

    On a device the new release is put beside the old one; one rename switches, and where it does not come up the old
    one is put back. A cluster shows what would change before anything is applied.

    Example: edgewise deploy release.json --to ssh://root@press-line.example
    """
    node = NodeKind.DEVICE if to != KUBERNETES else NodeKind(face)
    workload = described(subject, node).workload
    if to != KUBERNETES:
        layout = Layout(
            podman=DEFAULTS[Product.PODMAN],
            modelcar=modelcar,
            address=address,
            port=port,
            owner=USER if user else SYSTEM,
        )
        order = device.Order(
            face=Face(kind=kind, layout=layout, python=python), root=device_root, model=model, up_s=wait
        )
        with ssh.shared(_device(to, identity, ssh_config)) as where:
            _to_device(where, workload, order, dry_run=dry_run, yes=yes)
        return
    from edgewise.flow.deploy import api  # noqa: PLC0415 - the client of Kubernetes is an extra

    with api.Cluster(kubeconfig, context) as reached:
        target = Target(face=face, namespace=namespace_of(namespace, workload), storage=storage, monitoring=monitoring)
        objects = _objects(reached, workload, target, subject.target_version)
        _to_cluster(reached, objects, dry_run=dry_run, yes=yes, adopt=adopt, up_s=wait)


def _device(to: str, identity: Path | None, configuration: Path | None) -> ssh.Device:
    if urlsplit(to).scheme != "ssh":
        raise NodeUnreachable(f"--to {to!r} names no node", hint="ssh://root@gateway.example, or kubernetes")
    return ssh.device(to, identity=identity, configuration=configuration)


def _to_device(where: ssh.Device, workload: Workload, order: device.Order, *, dry_run: bool, yes: bool) -> None:
    found = device.ask(where, workload, order)
    for one in (*found.beside, found.file):
        typer.echo(f"{one.path}{' (the switch)' if one is found.file else ''}")
    if dry_run:
        engine = "no engine is needed" if found.face.kind is As.SERVICE else f"it has Podman {found.face.layout.podman}"
        note(f"{where}: {engine}; nothing was changed")
        return
    _confirm(f"put {workload.name} on {where}?", yes=yes)
    device.deploy(found, workload, order, note)


def _objects(reached: "api.Cluster", workload: Workload, target: Target, said: str) -> list[Object]:
    """What the cluster gets, for the version that is named, or for its own."""
    product = Product.MICROSHIFT if target.face is ClusterFace.MICROSHIFT else Product.KSERVE
    given = of_cluster(reached, product) if said in ("", KUBERNETES) else named(said, product)
    if target.face is ClusterFace.MICROSHIFT:
        return microshift.checked(workload, microshift.Layout(microshift=given, namespace=target.namespace))
    layout = openshift.Layout(
        kubernetes=reached.version,
        namespace=target.namespace,
        serving=Serving(kserve=given, storage=target.storage),
        monitoring=target.monitoring,
    )
    return openshift.checked(workload, layout)


def _to_cluster(
    reached: "api.Cluster", objects: list[Object], *, dry_run: bool, yes: bool, adopt: bool, up_s: float
) -> None:
    changes = cluster.plan(reached, objects, adopt=adopt)
    for change in changes:
        typer.echo(f"{'new' if change.new else 'changed' if change.difference else 'same'} {change.name}")
        for line in change.difference:
            typer.echo(clean(line))
    if dry_run:
        note(f"{reached.host} would take all {len(changes)}; nothing was changed")
        return
    _confirm(f"apply {len(changes)} objects to {reached.host}?", yes=yes)
    cluster.apply(reached, objects, note, adopt=adopt)
    cluster.wait(reached, objects, up_s=up_s)
    note("all of it is ready")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        note("nobody is there to be asked: --yes does it without asking")
        raise typer.Exit(2)
    typer.confirm(question, abort=True, err=True)
