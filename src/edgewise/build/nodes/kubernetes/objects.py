"""Objects of Kubernetes as far as we write them, as typed values, and the one place where they become documents.

A field's name is the API's in our spelling (`read_only` is `readOnly`); `key` names those that do not follow. What is
None or empty is left out, for who applies must own what we say and nothing else; `Empty` is `{}` where that means
something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import yaml

Json = Any
Labels = Mapping[str, str]


def _key(name: str) -> Any:
    return field(default="", metadata={"key": name})


def document(value: object) -> Json:
    """`value` as plain data: keys in the API's spelling, nothing that is None or empty."""
    if is_dataclass(value):
        found = {}
        for one in fields(value):
            inner = getattr(value, one.name)
            said = None if inner is None else document(inner)
            if said not in (None, "", [], {}) or isinstance(inner, Empty):
                found[one.metadata.get("key", _spelled(one.name))] = said
        return found
    if isinstance(value, Mapping):
        return {str(key): document(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [document(inner) for inner in value]
    return value


def written(value: object) -> bytes:
    """The YAML of `value`: equal values are equal bytes, strings that could be anything else are quoted."""
    text: str = yaml.safe_dump(document(value), sort_keys=False, allow_unicode=True, width=1000)
    return text.encode()


def _spelled(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Name and labels of an object."""

    name: str
    namespace: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """`{}` where the API gives it a meaning: all pods, a folder that is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimited:
    """An empty folder that may grow to `size_limit`."""

    size_limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """An image seen as a volume."""

    reference: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSource:
    """A claim seen as a volume."""

    claim_name: str
    read_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPath:
    """A folder of the node."""

    path: str
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One of the sources is given."""

    name: str
    image: ImageSource | None = None
    empty_dir: SizeLimited | None = None
    persistent_volume_claim: ClaimSource | None = None
    host_path: HostPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """Where a volume is seen."""

    name: str
    mount_path: str
    read_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """A key of a secret; where it is `optional`, it need not be there."""

    name: str
    key: str
    optional: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFrom:
    """Where a variable's value comes from."""

    secret_key_ref: SecretKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the environment."""

    name: str
    value: str = ""
    value_from: ValueFrom | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A port of a container."""

    name: str
    container_port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a container may not do."""

    drop: tuple[str, ...] = ("ALL",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeccompProfile:
    """Which system calls are let through."""

    type: str = "RuntimeDefault"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSecurity:
    """The restricted pod security standard, and a root file system that nobody writes to."""

    allow_privilege_escalation: bool = False
    read_only_root_filesystem: bool = True
    run_as_non_root: bool = True
    capabilities: Capabilities = field(default_factory=Capabilities)
    seccomp_profile: SeccompProfile = field(default_factory=SeccompProfile)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """A request that a probe makes."""

    path: str
    port: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How the kubelet asks."""

    http_get: HttpGet | None = None
    exec: Mapping[str, Sequence[str]] = field(default_factory=dict)
    initial_delay_seconds: int | None = None
    period_seconds: int | None = None
    timeout_seconds: int | None = None
    failure_threshold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container is given, and what it may take."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a pod."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: Resources = field(default_factory=Resources)
    volume_mounts: tuple[VolumeMount, ...] = ()
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    security_context: ContainerSecurity | None = field(default_factory=ContainerSecurity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """A taint that pods put up with."""

    key: str
    operator: str = "Exists"
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSecurity:
    """Of all containers of a pod."""

    run_as_non_root: bool = True
    seccomp_profile: SeccompProfile = field(default_factory=SeccompProfile)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """A pod."""

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_selector: Labels = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    security_context: PodSecurity | None = field(default_factory=PodSecurity)
    automount_service_account_token: bool | None = False
    termination_grace_period_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Pods by their labels."""

    match_labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a Deployment replaces pods."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Metadata and specification of pods."""

    metadata: Mapping[str, Labels]
    spec: PodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """Of a Deployment."""

    replicas: int
    selector: Selector
    template: Template
    strategy: Strategy | None = None
    progress_deadline_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """An object that is applied.

    Attributes:
        spec: a dataclass of this module, or of a face's.
    """

    api_version: str
    kind: str
    metadata: Metadata
    spec: object = None

    @property
    def file_name(self) -> str:
        """Where it is written in a tree."""
        return f"{self.kind.lower()}-{self.metadata.name}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A port of a Service."""

    name: str
    port: int
    target_port: int | str
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """Of a Service."""

    selector: Labels
    ports: tuple[ServicePort, ...]
    cluster_ip: str = _key("clusterIP")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSpec:
    """Of a PersistentVolumeClaim."""

    access_modes: tuple[str, ...]
    resources: Resources
    storage_class_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPort:
    """A port that is let through."""

    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is let through."""

    pod_selector: Selector | Empty | None = None
    namespace_selector: Selector | Empty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """Who may come in, and where; everyone and everywhere where it says nothing."""

    from_: tuple[Peer, ...] = field(default=(), metadata={"key": "from"})
    ports: tuple[PolicyPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Where pods may go."""

    to: tuple[Peer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPolicySpec:
    """Of a NetworkPolicy."""

    pod_selector: Selector
    policy_types: tuple[str, ...]
    ingress: tuple[Ingress, ...] = ()
    egress: tuple[Egress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudgetSpec:
    """Of a PodDisruptionBudget."""

    selector: Selector
    max_unavailable: int
