"""`edgewise generate microshift`: what MicroShift applies at its start, and the check that greenboot runs."""

from typing import Annotated

import typer

from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.kubernetes import microshift
from edgewise.build.nodes.kubernetes.microshift import Layout
from edgewise.build.nodes.kubernetes.pod import Modelcar
from edgewise.build.nodes.versions import Product
from edgewise.cli._nodes import HostFlag, NamespaceFlag, OutFlag, deliver, namespace_of
from edgewise.cli._subject import Subject, described, of_subject
from edgewise.cli._target import on_cluster


@of_subject
def run(
    subject: Subject,
    out: OutFlag = None,
    namespace: NamespaceFlag = "",
    kserve: Annotated[
        bool, typer.Option("--kserve", help="An InferenceService, where AI model serving is installed (x86_64).")
    ] = False,
    modelcar: Annotated[
        Modelcar | None,
        typer.Option(help="How a model's image reaches the server. Left out: as the version can.", show_default=False),
    ] = None,
    host: HostFlag = "",
    grpc: Annotated[bool, typer.Option("--grpc", help="Serve gRPC too.")] = False,
    claim_size: Annotated[str, typer.Option(help="Size of the claim that holds an external model.")] = "1Gi",
) -> None:
    """Write what MicroShift runs.

    A kustomize tree for /etc/microshift/manifests.d, and a check that greenboot runs at every boot.

    Example: edgewise generate microshift release.json --target-version 4.20 --out gateway
    """
    workload = described(subject, NodeKind.MICROSHIFT).workload
    layout = Layout(
        microshift=on_cluster(subject.target_version, Product.MICROSHIFT)[0],
        namespace=namespace_of(namespace, workload),
        modelcar=modelcar,
        serving=kserve,
        host=host,
        grpc=grpc,
        claim_size=claim_size,
    )
    deliver(microshift.files(workload, layout), out)
