"""OpenShift's face, and that of any Kubernetes with KServe: plain YAML as a kustomize tree."""

from dataclasses import dataclass

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.kubernetes import kserve, parts, tree
from edgewise.build.nodes.kubernetes.kserve import Mode, Serving
from edgewise.build.nodes.kubernetes.objects import Object
from edgewise.build.nodes.versions import Feature, Product, Version, has
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Strategy

NATIVE_KUBERNETES = Version(1, 33)
"""From here on image volumes have folders in them (subPath), which oci+native:// needs."""
CLAIM, BUCKET = "pvc://", "s3://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the tree shall be.

    Attributes:
        monitoring: write a ServiceMonitor, where Prometheus Operator is.
    """

    kubernetes: Version
    namespace: str
    serving: Serving
    monitoring: bool = True


def files(workload: Workload, layout: Layout) -> list[File]:
    """The tree, below a folder of the workload's name.

    Raises:
        NotDeployable: these versions cannot do what is asked for, or it contradicts itself.
    """
    return tree.files(workload.name, checked(workload, layout))


def checked(workload: Workload, layout: Layout) -> list[Object]:
    """What is applied, in order.

    Raises:
        NotDeployable: these versions cannot do what is asked for, or it contradicts itself.
    """
    _check(workload, layout)
    return objects(workload, layout)


def objects(workload: Workload, layout: Layout) -> list[Object]:
    """What is applied, in order."""
    space, serving = layout.namespace, layout.serving
    selected = {kserve.SERVICE_LABEL: workload.name}
    found = [tree.namespace(space)]
    if serving.mode is Mode.STANDARD:  # Knative's own pods beside the server need more than this lets through
        fetches = serving.storage.startswith(BUCKET)
        found.append(parts.network_policy(workload, space, selected, egress=fetches))
    found += kserve.objects(workload, space, serving)
    found.append(parts.disruption_budget(workload, space, selected))
    return [*found, *(parts.metrics(workload, space, selected) if layout.monitoring else ())]


def _check(workload: Workload, layout: Layout) -> None:
    serving = layout.serving
    reasons = []
    if workload.strategy is Strategy.EXTERNAL and not serving.storage.startswith((CLAIM, BUCKET)):
        reasons.append("the release is external: say by --storage where its files lie, as pvc://CLAIM/FOLDER or s3://…")
    if workload.strategy is not Strategy.EXTERNAL and serving.storage:
        reasons.append(f"the release is {workload.strategy}, and brings its model itself: --storage has no meaning")
    if serving.native and not has(Product.KSERVE, Feature.NATIVE_OCI, serving.kserve):
        reasons.append(f"KServe {serving.kserve} knows no oci+native://")
    if serving.native and layout.kubernetes < NATIVE_KUBERNETES:
        reasons.append(f"oci+native:// needs Kubernetes {NATIVE_KUBERNETES}, and this is {layout.kubernetes}")
    if serving.native and workload.strategy is not Strategy.MODELCAR:
        reasons.append(f"the release is {workload.strategy}, and has no image of a model to mount")
    if serving.canary_percent is not None and serving.mode is not Mode.KNATIVE:
        reasons.append("KServe splits traffic in its Knative mode alone: --mode knative, or roll out by devices")
    if serving.max_replicas < serving.min_replicas:
        reasons.append(f"at most {serving.max_replicas} replicas are fewer than at least {serving.min_replicas}")
    if serving.min_replicas == 0 and serving.mode is not Mode.KNATIVE:
        reasons.append("only Knative mode scales to nothing")
    if reasons:
        raise NotDeployable("; ".join(reasons), hint="nothing was written")
