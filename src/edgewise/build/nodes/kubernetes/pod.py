"""The pod of a workload: the server, hardened and probed, and how the model comes to it.

A restricted security context without a fixed user: OpenShift gives every namespace users of its own.
"""

from dataclasses import dataclass
from enum import StrEnum

from edgewise.build.nodes.description import (
    GRPC_PORT,
    HTTP_PORT,
    MODELCAR,
    MODELS,
    MOUNTED,
    TMPFS_BYTES,
    Workload,
)
from edgewise.build.nodes.kubernetes.objects import (
    ClaimSource,
    Container,
    ContainerPort,
    HttpGet,
    ImageSource,
    PodSpec,
    Probe,
    Resources,
    SizeLimited,
    Toleration,
    Variable,
    Volume,
    VolumeMount,
)
from edgewise.exchange.release import Strategy

SERVER, TEMPORARY, MODEL = "server", "tmp", "model"
MEBIBYTE = 1 << 20
GRACE_S = 30
START_ATTEMPTS = 60
"""Times 5 s: how long a model may take to load and to prove itself."""


class Modelcar(StrEnum):
    """How a model's image comes to a pod."""

    IMAGE_VOLUME = "image-volume"
    INIT_CONTAINER = "init-container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How the model comes.

    Attributes:
        modelcar: where the strategy is modelcar.
        claim: name of the claim with the model folder, where it is external.
        claim_folder: of the model in it.
    """

    modelcar: Modelcar = Modelcar.INIT_CONTAINER
    claim: str = ""
    claim_folder: str = ""


def pod(workload: Workload, source: Source, *, grpc: bool = False) -> PodSpec:
    """The pod that serves `workload`."""
    volume, mount, model = _model(workload, source)
    temporary = Volume(name=TEMPORARY, empty_dir=SizeLimited(size_limit=mebibytes(TMPFS_BYTES)))
    device = workload.device
    return PodSpec(
        init_containers=(_copying(workload),) if _copies(workload, source) else (),
        containers=(server(workload, model, mount, grpc=grpc),),
        volumes=(temporary, *volume),
        node_selector=dict(device.labels) if device else {},
        tolerations=tuple(Toleration(key=key) for key in device.tolerations) if device else (),
        termination_grace_period_seconds=GRACE_S,
    )


def server(
    workload: Workload, model: str, mounts: tuple[VolumeMount, ...] = (), *, grpc: bool = False, name: str = SERVER
) -> Container:
    """The server's container; `model` is where it finds the model."""
    listening = ("--http", f"0.0.0.0:{HTTP_PORT}", *(("--grpc", f"0.0.0.0:{GRPC_PORT}") if grpc else ()))
    ready = HttpGet(path="/v2/health/ready", port=HTTP_PORT)
    return Container(
        name=name,
        image=workload.server.reference,
        args=listening,
        env=tuple(Variable(name=key, value=value) for key, value in workload.environment(model).items()),
        ports=ports(grpc=grpc),
        resources=resources(workload),
        volume_mounts=(VolumeMount(name=TEMPORARY, mount_path="/tmp"), *mounts),  # noqa: S108 - in the container
        startup_probe=Probe(http_get=ready, period_seconds=5, timeout_seconds=5, failure_threshold=START_ATTEMPTS),
        readiness_probe=Probe(http_get=ready, period_seconds=10, timeout_seconds=5, failure_threshold=3),
        liveness_probe=Probe(
            http_get=HttpGet(path="/v2/health/live", port=HTTP_PORT),
            period_seconds=30,
            timeout_seconds=5,
            failure_threshold=3,
        ),
    )


def ports(*, grpc: bool) -> tuple[ContainerPort, ...]:
    """Ports of the server."""
    rest = ContainerPort(name="http", container_port=HTTP_PORT)
    return (rest, ContainerPort(name="grpc", container_port=GRPC_PORT)) if grpc else (rest,)


def resources(workload: Workload) -> Resources:
    """Requests are limits: what was measured is what is reserved. Accelerators are counted by their plugin's name."""
    found: dict[str, str] = {}
    if workload.cpus is not None:
        found["cpu"] = f"{workload.cpus:g}" if workload.cpus == int(workload.cpus) else f"{workload.cpus * 1000:.0f}m"
    if workload.memory_bytes is not None:
        found["memory"] = mebibytes(workload.memory_bytes)
    devices = {workload.device.resource: str(workload.device.count)} if workload.device else {}
    return Resources(requests={**found, **devices}, limits={**found, **devices})


def mebibytes(size_bytes: int) -> str:
    """As Kubernetes writes sizes."""
    return f"{-(-size_bytes // MEBIBYTE)}Mi"


def _model(workload: Workload, source: Source) -> tuple[tuple[Volume, ...], tuple[VolumeMount, ...], str]:
    """Volume, mount, and where the server finds the model."""
    match workload.strategy:
        case Strategy.EXTERNAL:
            claim = ClaimSource(claim_name=source.claim, read_only=True)
            mount = VolumeMount(name=MODEL, mount_path=MOUNTED, read_only=True)
            folder = "/".join(part for part in (MOUNTED, source.claim_folder) if part)
            return (Volume(name=MODEL, persistent_volume_claim=claim),), (mount,), folder
        case Strategy.MODELCAR if source.modelcar is Modelcar.IMAGE_VOLUME:
            assert workload.model is not None
            image = ImageSource(reference=workload.model.reference)
            mount = VolumeMount(name=MODEL, mount_path=MODELCAR, read_only=True)
            return (Volume(name=MODEL, image=image),), (mount,), f"{MODELCAR}{MODELS}"
        case Strategy.MODELCAR:
            mount = VolumeMount(name=MODEL, mount_path=MOUNTED, read_only=True)
            return (Volume(name=MODEL, empty_dir=SizeLimited(size_limit="64Gi")),), (mount,), MOUNTED
        case _:
            return (), (), MODELS


def _copying(workload: Workload) -> Container:
    assert workload.model is not None
    limits = {"cpu": "1", "memory": "64Mi"}
    return Container(
        name="copy-model",
        image=workload.model.reference,
        command=("/bin/cp", "-R", f"{MODELS}/.", "/out"),
        resources=Resources(requests=limits, limits=limits),
        volume_mounts=(VolumeMount(name=MODEL, mount_path="/out"),),
    )


def _copies(workload: Workload, source: Source) -> bool:
    return workload.strategy is Strategy.MODELCAR and source.modelcar is Modelcar.INIT_CONTAINER
