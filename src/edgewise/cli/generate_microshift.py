"""`edgewise generate microshift`: what MicroShift applies at its start, and the check that greenboot runs."""

from typing import Annotated

import typer

from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.kubernetes import microshift
from edgewise.build.nodes.kubernetes.microshift import Layout
from edgewise.build.nodes.kubernetes.pod import Modelcar
from edgewise.build.nodes.versions import DEFAULTS, Product, version
from edgewise.cli._nodes import (
    AcceleratorFlag,
    CpusFlag,
    HostFlag,
    MachineFlag,
    MemoryFlag,
    NameFlag,
    NamespaceFlag,
    OutFlag,
    ReleaseArgument,
    ShareFlag,
    VersionFlag,
    deliver,
    described,
    namespace_of,
)


def run(
    release: ReleaseArgument,
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
    name: NameFlag = "",
    machine: MachineFlag = "",
    accelerator: AcceleratorFlag = "",
    share: ShareFlag = "",
    cpus: CpusFlag = None,
    memory: MemoryFlag = "",
    target_version: VersionFlag = "",
) -> None:
    """Write what MicroShift runs.

    A kustomize tree for /etc/microshift/manifests.d, and a check that greenboot runs at every boot.

    Example: edgewise generate microshift release.json --target-version 4.20 --out gateway
    """
    workload = described(
        release,
        NodeKind.MICROSHIFT,
        name=name,
        machine=machine,
        accelerator=accelerator,
        share=share,
        cpus=cpus,
        memory=memory,
    )
    layout = Layout(
        microshift=version(target_version) if target_version else DEFAULTS[Product.MICROSHIFT],
        namespace=namespace_of(namespace, workload),
        modelcar=modelcar,
        serving=kserve,
        host=host,
        grpc=grpc,
        claim_size=claim_size,
    )
    deliver(microshift.files(workload, layout), out)
