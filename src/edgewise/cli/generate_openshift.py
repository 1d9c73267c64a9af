"""`edgewise generate openshift`: what a cluster with KServe runs, as plain YAML."""

from typing import Annotated

import typer

from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.kubernetes import openshift
from edgewise.build.nodes.kubernetes.kserve import Mode, Serving
from edgewise.build.nodes.kubernetes.openshift import Layout
from edgewise.build.nodes.versions import Product, version
from edgewise.cli._nodes import NamespaceFlag, OutFlag, deliver, namespace_of
from edgewise.cli._say import note
from edgewise.cli._subject import Described, Subject, described, of_subject
from edgewise.cli._target import on_cluster


@of_subject
def run(
    subject: Subject,
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
    min_replicas: Annotated[
        int | None,
        typer.Option(help="At least so many. Left out: as the fleet's plan has it, or 1.", min=0, show_default=False),
    ] = None,
    max_replicas: Annotated[int, typer.Option(help="At most so many; more than the least scales by load.", min=1)] = 1,
    canary: Annotated[
        int | None,
        typer.Option(
            help="Percent of the traffic for this release. Left out: that of the rollout's stage, in Knative mode.",
            min=0,
            max=100,
            show_default=False,
        ),
    ] = None,
    monitoring: Annotated[bool, typer.Option(help="Write a ServiceMonitor.")] = True,
    kubernetes_version: Annotated[
        str, typer.Option("--kubernetes-version", help="Version of the cluster.", show_default=False)
    ] = "",
) -> None:
    """Write what a cluster with KServe runs.

    A kustomize tree of plain YAML for OpenShift or any Kubernetes; --target-version is KServe's.

    Example: edgewise generate openshift release.json --target-version 0.17 --out cluster
    """
    found = described(subject, NodeKind.OPENSHIFT)
    workload = found.workload
    least = workload.replicas if min_replicas is None else min_replicas
    kserve, kubernetes = on_cluster(subject.target_version, Product.KSERVE, Product.KUBERNETES)
    serving = Serving(
        kserve=kserve,
        mode=mode,
        storage=storage,
        service_account=service_account,
        native=native,
        min_replicas=least,
        max_replicas=max(max_replicas, least),
        canary_percent=_share(found, mode) if canary is None else canary,
    )
    layout = Layout(
        kubernetes=version(kubernetes_version) if kubernetes_version else kubernetes,
        namespace=namespace_of(namespace, workload),
        serving=serving,
        monitoring=monitoring,
    )
    deliver(openshift.files(workload, layout), out)


def _share(found: Described, mode: Mode) -> int | None:
    """Percent of the traffic by the rollout's stage; whole, as rollouts and KServe have it."""
    if found.percent is None:
        return None
    if mode is not Mode.KNATIVE:
        note(f"the rollout is at {found.percent:g} %, and KServe splits traffic with --mode knative alone: this is all")
        return None
    return int(found.percent)
