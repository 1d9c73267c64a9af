"""One workload, as every face of it is made: which images by digest, what the server is told, what it may take.

Pure values. Made by `describe.py` from a release, and nowhere else checked again: names in here are DNS labels, images
are pinned by digest, and the node can run the strategy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgewise.exchange.release import Strategy

HTTP_PORT = 8080
GRPC_PORT = 8081
USER = 65532
"""User and group that every image of ours runs as."""
MODELS = "/models"
"""Folder of the model in images that hold one (docs/adr/0015)."""
MOUNTED = "/mnt/models"
"""Where a server finds a model that is not in its image, by KServe's convention."""
MODELCAR = "/modelcar"
"""Where the whole of a model's image is seen by the server; the model folder is `/modelcar/models`."""
MODEL_VARIABLE, DIGEST_VARIABLE = "EDGEWISE_MODEL", "EDGEWISE_MODEL_DIGEST"
HEALTH_COMMAND = ("/usr/bin/python3", "-m", "edgewise.edge.serve.health")
"""Asks the server in its own container; images have no shell."""
TMPFS_BYTES = 64 << 20
"""Of /tmp, the only place that a server may write to."""


class NodeKind(StrEnum):
    """What runs at a site; the value is the word in edge.yaml."""

    DEVICE = "device"
    MICROSHIFT = "microshift"
    OPENSHIFT = "openshift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image in a registry, by digest: what runs must not change because a tag does."""

    source: str
    digest: str

    @property
    def reference(self) -> str:
        """As engines and Kubernetes take it."""
        return f"{self.source}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An accelerator as a container gets it.

    Attributes:
        name: of the accelerator, for people: "nvidia-gpu".
        cdi: name of the device by the Container Device Interface: "nvidia.com/gpu=all".
        nodes: device files that a CDI specification of ours names; none where the vendor's tool writes it.
        resource: as Kubernetes counts it: "nvidia.com/gpu".
        labels: of nodes that have it.
        tolerations: keys of taints that such nodes carry.
        count: how many, of `resource`.
    """

    name: str
    cdi: str
    resource: str
    nodes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[str, ...] = ()
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A model and its server, as a node shall run them.

    Attributes:
        name: of units and objects; a DNS label.
        release: digest of the release document.
        version: for people.
        server: image of the server; the model is in it where the strategy is `embedded`.
        model: image or artifact of the model, None where it is in the server's.
        model_name: as clients call it.
        model_digest: of model.json.
        architecture: as OCI names it: "amd64", "arm64"; "" where images are for several.
        memory_bytes: that the server may take, with headroom; None for no limit.
        cpus: cores that the server may take; None for no limit.
        replicas: machines, or pods of a cluster, that run it.
        settings: environment of the server.
    """

    name: str
    site: str
    release: str
    version: str
    strategy: Strategy
    server: Image
    model: Image | None
    model_name: str
    model_version: str
    model_digest: str
    architecture: str = ""
    memory_bytes: int | None = None
    cpus: float | None = None
    device: Device | None = None
    replicas: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self, model: str) -> dict[str, str]:
        """What the server is told, the model being at `model` in its container; sorted by name."""
        told = {**self.settings, MODEL_VARIABLE: model, DIGEST_VARIABLE: self.model_digest}
        return dict(sorted(told.items()))

    @property
    def short_digest(self) -> str:
        """Twelve digits of the release's digest."""
        return self.release.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a face.

    Attributes:
        path: below the root of the node, without a leading slash: "etc/containers/systemd/meter.container".
        executable: for checks that a node runs.
    """

    path: str
    content: bytes
    executable: bool = False
