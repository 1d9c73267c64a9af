"""`edgewise generate openshift`: what a cluster with KServe runs, as plain YAML."""

from typing import Annotated

import typer

from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.kubernetes import openshift
from edgewise.build.nodes.kubernetes.kserve import Mode, Serving
from edgewise.build.nodes.kubernetes.openshift import Layout
from edgewise.build.nodes.versions import DEFAULTS, Product, version
from edgewise.cli._nodes import (
    AcceleratorFlag,
    CpusFlag,
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
    mode: Annotated[Mode, typer.Option(help="Deployments, or services of Knative.")] = Mode.STANDARD,
    storage: Annotated[
        str,
        typer.Option(
            help="Where an external model lies: pvc://CLAIM/FOLDER or s3://BUCKET/FOLDER.", show_default=False
        ),
    ] = "",
    service_account: Annotated[str, typer.Option(help="That may read the storage.", show_default=False)] = "",
    native: Annotated[bool, typer.Option("--native", help="Image volumes (oci+native://), not modelcars.")] = False,
    min_replicas: Annotated[int, typer.Option(help="At least so many.", min=0)] = 1,
    max_replicas: Annotated[int, typer.Option(help="At most so many; more than the least scales by load.", min=1)] = 1,
    canary: Annotated[
        int | None,
        typer.Option(
            help="Percent of the traffic for this release, of the rollout's stage.", min=0, max=100, show_default=False
        ),
    ] = None,
    monitoring: Annotated[bool, typer.Option(help="Write a ServiceMonitor.")] = True,
    kubernetes_version: Annotated[
        str, typer.Option("--kubernetes-version", help="Version of the cluster.", show_default=False)
    ] = "",
    name: NameFlag = "",
    machine: MachineFlag = "",
    accelerator: AcceleratorFlag = "",
    share: ShareFlag = "",
    cpus: CpusFlag = None,
    memory: MemoryFlag = "",
    target_version: VersionFlag = "",
) -> None:
    """Write what a cluster with KServe runs.

    A kustomize tree of plain YAML for OpenShift or any Kubernetes; --target-version is KServe's.

    Example: edgewise generate openshift release.json --target-version 0.17 --out cluster
    """
    workload = described(
        release,
        NodeKind.OPENSHIFT,
        name=name,
        machine=machine,
        accelerator=accelerator,
        share=share,
        cpus=cpus,
        memory=memory,
    )
    serving = Serving(
        kserve=version(target_version) if target_version else DEFAULTS[Product.KSERVE],
        mode=mode,
        storage=storage,
        service_account=service_account,
        native=native,
        min_replicas=min_replicas,
        max_replicas=max(max_replicas, min_replicas),
        canary_percent=canary,
    )
    layout = Layout(
        kubernetes=version(kubernetes_version) if kubernetes_version else DEFAULTS[Product.KUBERNETES],
        namespace=namespace_of(namespace, workload),
        serving=serving,
        monitoring=monitoring,
    )
    deliver(openshift.files(workload, layout), out)
