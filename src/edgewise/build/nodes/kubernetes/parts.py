"""What stands beside the pods of a workload: Service, Route, NetworkPolicy, claim, disruption budget, monitor."""

from collections.abc import Mapping

from edgewise.build.nodes.description import GRPC_PORT, HTTP_PORT, Workload
from edgewise.build.nodes.kubernetes import tree
from edgewise.build.nodes.kubernetes.extensions import (
    Endpoint,
    RoutePort,
    RouteSpec,
    RouteTarget,
    RouteTls,
    ServiceMonitorSpec,
)
from edgewise.build.nodes.kubernetes.objects import (
    ClaimSpec,
    DeploymentSpec,
    DisruptionBudgetSpec,
    Egress,
    Ingress,
    NetworkPolicySpec,
    Object,
    Peer,
    PodSpec,
    PolicyPort,
    Resources,
    Selector,
    ServicePort,
    ServiceSpec,
    Strategy,
    Template,
)

NAMESPACE_NAME = "kubernetes.io/metadata.name"
MONITORING_NAMESPACE = "openshift-user-workload-monitoring"
PROGRESS_S = 600
ROUTERS = (
    Peer(namespace_selector=Selector(match_labels={NAMESPACE_NAME: "openshift-ingress"})),
    Peer(namespace_selector=Selector(match_labels={"policy-group.network.openshift.io/host-network": ""})),
)
"""Where Routes come from: the router's namespace, or the network of its host."""


def deployment(workload: Workload, namespace: str, pod: PodSpec, *, replicas: int = 1) -> Object:
    """The pods of a workload. One replica on one node is replaced after it has gone, for two may not fit."""
    selected = {tree.NAME_LABEL: workload.name}
    template = Template(
        metadata={"labels": tree.labels(workload), "annotations": tree.annotations(workload)},
        spec=pod,
    )
    return Object(
        api_version="apps/v1",
        kind="Deployment",
        metadata=tree.metadata(workload, "Deployment", namespace),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=Selector(match_labels=selected),
            template=template,
            strategy=Strategy(type="Recreate" if replicas == 1 else "RollingUpdate"),
            progress_deadline_seconds=PROGRESS_S,
        ),
    )


def service(workload: Workload, namespace: str, *, grpc: bool = False) -> Object:
    """The address of a workload in its cluster."""
    ports = [ServicePort(name="http", port=80, target_port=HTTP_PORT)]
    if grpc:
        ports.append(ServicePort(name="grpc", port=GRPC_PORT, target_port=GRPC_PORT))
    return Object(
        api_version="v1",
        kind="Service",
        metadata=tree.metadata(workload, "Service", namespace),
        spec=ServiceSpec(selector={tree.NAME_LABEL: workload.name}, ports=tuple(ports)),
    )


def route(workload: Workload, namespace: str, *, host: str = "") -> Object:
    """The way in from outside, with TLS."""
    return Object(
        api_version="route.openshift.io/v1",
        kind="Route",
        metadata=tree.metadata(workload, "Route", namespace),
        spec=RouteSpec(
            to=RouteTarget(name=workload.name), port=RoutePort(target_port="http"), host=host, tls=RouteTls()
        ),
    )


def claim(workload: Workload, namespace: str, name: str, size: str, storage_class: str = "") -> Object:
    """The claim that holds an external model."""
    return Object(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=tree.metadata(workload, "PersistentVolumeClaim", namespace, name),
        spec=ClaimSpec(
            access_modes=("ReadWriteOnce",),
            resources=Resources(requests={"storage": size}),
            storage_class_name=storage_class,
        ),
    )


def network_policy(
    workload: Workload, namespace: str, selected: Mapping[str, str], *, grpc: bool = False, egress: bool = False
) -> Object:
    """In: from the namespace, the router and the monitoring. Out: nowhere, unless the model is fetched by the pod."""
    ports = [PolicyPort(port=HTTP_PORT), *([PolicyPort(port=GRPC_PORT)] if grpc else [])]
    inside = Peer(pod_selector=Selector(match_labels={tree.PART_LABEL: tree.MANAGER}))
    monitoring = Peer(namespace_selector=Selector(match_labels={NAMESPACE_NAME: MONITORING_NAMESPACE}))
    return Object(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=tree.metadata(workload, "NetworkPolicy", namespace),
        spec=NetworkPolicySpec(
            pod_selector=Selector(match_labels=selected),
            policy_types=("Ingress", "Egress"),
            ingress=(Ingress(from_=(inside, *ROUTERS, monitoring), ports=tuple(ports)),),
            egress=(Egress(),) if egress else (),
        ),
    )


def disruption_budget(workload: Workload, namespace: str, selected: Mapping[str, str]) -> Object:
    """At most one pod is taken away at a time."""
    return Object(
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        metadata=tree.metadata(workload, "PodDisruptionBudget", namespace),
        spec=DisruptionBudgetSpec(selector=Selector(match_labels=selected), max_unavailable=1),
    )


def metrics(workload: Workload, namespace: str, selected: Mapping[str, str]) -> tuple[Object, Object]:
    """A Service for every pod's metrics, and the ServiceMonitor that reads it."""
    name = f"{workload.name}-metrics"
    own = Object(
        api_version="v1",
        kind="Service",
        metadata=tree.metadata(workload, "Service", namespace, name),
        spec=ServiceSpec(
            selector=selected,
            ports=(ServicePort(name="metrics", port=HTTP_PORT, target_port=HTTP_PORT),),
            cluster_ip="None",
        ),
    )
    monitor = Object(
        api_version="monitoring.coreos.com/v1",
        kind="ServiceMonitor",
        metadata=tree.metadata(workload, "ServiceMonitor", namespace),
        spec=ServiceMonitorSpec(
            selector=Selector(match_labels={tree.NAME_LABEL: workload.name}),
            endpoints=(Endpoint(port="metrics"),),
        ),
    )
    return own, monitor
