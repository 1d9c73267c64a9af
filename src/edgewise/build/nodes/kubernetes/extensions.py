"""Objects of others' APIs as far as we write them: KServe, OpenShift's Route, Prometheus Operator, Kustomize.

Their published schemas, as far as we use them, are in `schemas/`; tests hold what we write against them.
"""

from dataclasses import dataclass, field

from edgewise.build.nodes.kubernetes.objects import Container, Labels, Resources, Selector, Toleration, Variable, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTarget:
    """Where a Route leads."""

    name: str
    kind: str = "Service"
    weight: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePort:
    """Which port of the Service."""

    target_port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTls:
    """Where TLS ends."""

    termination: str = "edge"
    insecure_edge_termination_policy: str = "Redirect"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """Of a Route (route.openshift.io/v1)."""

    to: RouteTarget
    port: RoutePort
    host: str = ""
    tls: RouteTls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What Prometheus reads."""

    port: str
    path: str = "/metrics"
    interval: str = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMonitorSpec:
    """Of a ServiceMonitor (monitoring.coreos.com/v1)."""

    selector: Selector
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFormat:
    """A format of models that a runtime serves."""

    name: str
    version: str
    auto_select: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRuntimeSpec:
    """Of a ServingRuntime (serving.kserve.io/v1alpha1)."""

    supported_model_formats: tuple[ModelFormat, ...]
    protocol_versions: tuple[str, ...]
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a predictor serves, and by which runtime."""

    model_format: ModelFormat
    runtime: str
    protocol_version: str
    storage_uri: str
    env: tuple[Variable, ...] = ()
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """The part of an InferenceService that predicts: a model for a runtime, or a container."""

    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_metric: str = ""
    scale_target: int | None = None
    canary_traffic_percent: int | None = None
    service_account_name: str = ""
    model: Model | None = None
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_selector: Labels = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    automount_service_account_token: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceServiceSpec:
    """Of an InferenceService (serving.kserve.io/v1beta1)."""

    predictor: Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Kustomization:
    """A kustomization.yaml (kustomize.config.k8s.io/v1beta1)."""

    resources: tuple[str, ...]
    namespace: str = ""
    api_version: str = "kustomize.config.k8s.io/v1beta1"
    kind: str = "Kustomization"
