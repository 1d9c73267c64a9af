"""The hub on a cluster: its process without state, PostgreSQL beside it, and the ways in.

Passwords stand in no manifest: the secret `NAME-database` is read, and is yours to make, with the keys `url`, `user`
and `password` (docs/how-to/deploy-to-openshift.md).
"""

from dataclasses import dataclass, field

from edgewise.build.nodes.description import File
from edgewise.build.nodes.kubernetes import tree
from edgewise.build.nodes.kubernetes.extensions import RoutePort, RouteSpec, RouteTarget, RouteTls
from edgewise.build.nodes.kubernetes.objects import (
    ClaimSource,
    ClaimSpec,
    Container,
    ContainerPort,
    ContainerSecurity,
    DeploymentSpec,
    DisruptionBudgetSpec,
    Egress,
    HttpGet,
    Ingress,
    Metadata,
    NetworkPolicySpec,
    Object,
    Peer,
    PodSpec,
    PolicyPort,
    Probe,
    Resources,
    SecretKey,
    Selector,
    ServicePort,
    ServiceSpec,
    SizeLimited,
    Strategy,
    Template,
    ValueFrom,
    Variable,
    Volume,
    VolumeMount,
)
from edgewise.build.nodes.kubernetes.parts import MONITORING_NAMESPACE, NAMESPACE_NAME, ROUTERS

PORT, DATABASE_PORT = 8480, 5432
COMPONENT_LABEL = "app.kubernetes.io/component"
HUB, DATABASE = "hub", "database"
DATA = "/var/lib/pgsql/data"
URL_KEY, USER_KEY, PASSWORD_KEY = "url", "user", "password"
DATABASE_NAME = "edgewise"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLayout:
    """How the hub shall be.

    Attributes:
        image, database_image: by digest.
        database: write PostgreSQL too; False where the secret's URL leads to one that is there.
        host: of the Route; "" for one that the cluster makes.
    """

    image: str
    namespace: str
    name: str = "edgewise-hub"
    replicas: int = 2
    database: bool = True
    database_image: str = ""
    database_size: str = "10Gi"
    host: str = ""
    settings: dict[str, str] = field(default_factory=dict)


def files(layout: HubLayout) -> list[File]:
    """The tree, below a folder of the hub's name."""
    return tree.files(layout.name, objects(layout))


def objects(layout: HubLayout) -> list[Object]:
    """What is applied, in order."""
    database = [_claim(layout), _database(layout), _database_service(layout), _database_policy(layout)]
    return [
        tree.namespace(layout.namespace),
        *(database if layout.database else []),
        _hub_policy(layout),
        _hub(layout),
        _service(layout),
        _budget(layout),
        _route(layout),
    ]


def _labels(layout: HubLayout, component: str) -> dict[str, str]:
    return {
        tree.NAME_LABEL: layout.name,
        COMPONENT_LABEL: component,
        tree.MANAGER_LABEL: tree.MANAGER,
        tree.PART_LABEL: tree.MANAGER,
    }


def _selected(layout: HubLayout, component: str) -> Selector:
    return Selector(match_labels={tree.NAME_LABEL: layout.name, COMPONENT_LABEL: component})


def _metadata(layout: HubLayout, kind: str, component: str, name: str = "") -> Metadata:
    return Metadata(
        name=name or layout.name,
        namespace=layout.namespace,
        labels=_labels(layout, component),
        annotations=tree.wave(kind),
    )


def _secret(layout: HubLayout, key: str) -> ValueFrom:
    return ValueFrom(secret_key_ref=SecretKey(name=f"{layout.name}-database", key=key))


def _hub(layout: HubLayout) -> Object:
    environment = (
        Variable(name="EDGEWISE_DATABASE", value_from=_secret(layout, URL_KEY)),
        Variable(name="EDGEWISE_HUB_LISTEN", value=f"0.0.0.0:{PORT}"),
        *(Variable(name=key, value=value) for key, value in sorted(layout.settings.items())),
    )
    ready = HttpGet(path="/readyz", port=PORT)
    server = Container(
        name=HUB,
        image=layout.image,
        command=("edgewise", "hub"),
        env=environment,
        ports=(ContainerPort(name="http", container_port=PORT),),
        resources=Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1Gi"}),
        volume_mounts=(VolumeMount(name="tmp", mount_path="/tmp"),),  # noqa: S108 - in the container
        startup_probe=Probe(http_get=ready, period_seconds=5, timeout_seconds=5, failure_threshold=60),
        readiness_probe=Probe(http_get=ready, period_seconds=10, timeout_seconds=5, failure_threshold=3),
        liveness_probe=Probe(
            http_get=HttpGet(path="/healthz", port=PORT), period_seconds=30, timeout_seconds=5, failure_threshold=3
        ),
    )
    pod = PodSpec(
        containers=(server,),
        volumes=(Volume(name="tmp", empty_dir=SizeLimited(size_limit="64Mi")),),
        termination_grace_period_seconds=30,
    )
    return _deployment(layout, HUB, layout.name, pod, layout.replicas)


def _database(layout: HubLayout) -> Object:
    environment = (
        Variable(name="POSTGRESQL_DATABASE", value=DATABASE_NAME),
        Variable(name="POSTGRESQL_USER", value_from=_secret(layout, USER_KEY)),
        Variable(name="POSTGRESQL_PASSWORD", value_from=_secret(layout, PASSWORD_KEY)),
    )
    alive = Probe(exec={"command": ["/usr/libexec/check-container", "--live"]}, period_seconds=10, timeout_seconds=10)
    ready = Probe(exec={"command": ["/usr/libexec/check-container"]}, period_seconds=5, timeout_seconds=10)
    server = Container(
        name="postgresql",
        image=layout.database_image,
        env=environment,
        ports=(ContainerPort(name="postgresql", container_port=DATABASE_PORT),),
        resources=Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1Gi"}),
        volume_mounts=(VolumeMount(name="data", mount_path=DATA),),
        readiness_probe=ready,
        liveness_probe=alive,
        security_context=ContainerSecurity(read_only_root_filesystem=False),  # it writes its configuration
    )
    claim = ClaimSource(claim_name=f"{layout.name}-database")
    pod = PodSpec(containers=(server,), volumes=(Volume(name="data", persistent_volume_claim=claim),))
    return _deployment(layout, DATABASE, f"{layout.name}-database", pod, 1)


def _deployment(layout: HubLayout, component: str, name: str, pod: PodSpec, replicas: int) -> Object:
    recreated = component == DATABASE  # one claim, one writer
    return Object(
        api_version="apps/v1",
        kind="Deployment",
        metadata=_metadata(layout, "Deployment", component, name),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=_selected(layout, component),
            template=Template(metadata={"labels": _labels(layout, component)}, spec=pod),
            strategy=Strategy(type="Recreate" if recreated else "RollingUpdate"),
        ),
    )


def _claim(layout: HubLayout) -> Object:
    return Object(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=_metadata(layout, "PersistentVolumeClaim", DATABASE, f"{layout.name}-database"),
        spec=ClaimSpec(
            access_modes=("ReadWriteOnce",), resources=Resources(requests={"storage": layout.database_size})
        ),
    )


def _database_service(layout: HubLayout) -> Object:
    port = ServicePort(name="postgresql", port=DATABASE_PORT, target_port=DATABASE_PORT)
    return Object(
        api_version="v1",
        kind="Service",
        metadata=_metadata(layout, "Service", DATABASE, f"{layout.name}-database"),
        spec=ServiceSpec(selector=_selected(layout, DATABASE).match_labels, ports=(port,)),
    )


def _service(layout: HubLayout) -> Object:
    return Object(
        api_version="v1",
        kind="Service",
        metadata=_metadata(layout, "Service", HUB),
        spec=ServiceSpec(
            selector=_selected(layout, HUB).match_labels,
            ports=(ServicePort(name="http", port=80, target_port=PORT),),
        ),
    )


def _database_policy(layout: HubLayout) -> Object:
    """Only the hub reaches the database, and the database reaches nobody."""
    hub = Peer(pod_selector=_selected(layout, HUB))
    return Object(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=_metadata(layout, "NetworkPolicy", DATABASE, f"{layout.name}-database"),
        spec=NetworkPolicySpec(
            pod_selector=_selected(layout, DATABASE),
            policy_types=("Ingress", "Egress"),
            ingress=(Ingress(from_=(hub,), ports=(PolicyPort(port=DATABASE_PORT),)),),
        ),
    )


def _hub_policy(layout: HubLayout) -> Object:
    """In through the router and the monitoring; out to databases and names alone."""
    monitoring = Peer(namespace_selector=Selector(match_labels={NAMESPACE_NAME: MONITORING_NAMESPACE}))
    names = tuple(PolicyPort(port=port, protocol=protocol) for port in (53, 5353) for protocol in ("UDP", "TCP"))
    return Object(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=_metadata(layout, "NetworkPolicy", HUB),
        spec=NetworkPolicySpec(
            pod_selector=_selected(layout, HUB),
            policy_types=("Ingress", "Egress"),
            ingress=(Ingress(from_=(*ROUTERS, monitoring), ports=(PolicyPort(port=PORT),)),),
            egress=(Egress(ports=(PolicyPort(port=DATABASE_PORT),)), Egress(ports=names)),
        ),
    )


def _budget(layout: HubLayout) -> Object:
    return Object(
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        metadata=_metadata(layout, "PodDisruptionBudget", HUB),
        spec=DisruptionBudgetSpec(selector=_selected(layout, HUB), max_unavailable=1),
    )


def _route(layout: HubLayout) -> Object:
    return Object(
        api_version="route.openshift.io/v1",
        kind="Route",
        metadata=_metadata(layout, "Route", HUB),
        spec=RouteSpec(
            to=RouteTarget(name=layout.name), port=RoutePort(target_port="http"), host=layout.host, tls=RouteTls()
        ),
    )
