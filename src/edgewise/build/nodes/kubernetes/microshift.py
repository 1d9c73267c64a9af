"""MicroShift's face: a kustomize tree that it applies when it starts, and a check that greenboot runs at boot.

A Deployment everywhere; an InferenceService where AI model serving is installed, which there is for x86_64 alone and
which takes models as OCI images alone. KServe there is bundled and wants the older names of its modes.
"""

from dataclasses import dataclass, field
from importlib import resources

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.kubernetes import kserve, parts, tree
from edgewise.build.nodes.kubernetes import pod as pods
from edgewise.build.nodes.kubernetes.kserve import Serving
from edgewise.build.nodes.kubernetes.objects import Object
from edgewise.build.nodes.kubernetes.pod import Modelcar, Source
from edgewise.build.nodes.versions import Feature, Product, Version, has, kubernetes_of
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Strategy

MANIFESTS = "etc/microshift/manifests.d"
CHECKS, CHECK_FILES = "etc/greenboot/check/required.d", "etc/edgewise/greenboot"
CHECK = "50_edgewise.sh"
"""Runs after MicroShift's own check, which is 40."""
BUNDLED_KSERVE = Version(0, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the tree shall be.

    Attributes:
        modelcar: None for what the version can.
        serving: an InferenceService instead of a Deployment.
        host: of the Route; "" for one that MicroShift makes.
        claim_size: of an external model's claim.
    """

    microshift: Version
    namespace: str
    modelcar: Modelcar | None = None
    serving: bool = False
    host: str = ""
    grpc: bool = False
    claim_size: str = field(default="1Gi")


def files(workload: Workload, layout: Layout) -> list[File]:
    """All files of the face, below the root of the node.

    Raises:
        NotDeployable: this version, or this machine, cannot do what is asked for.
    """
    folder = f"{MANIFESTS}/edgewise-{workload.name}"
    return [*tree.files(folder, checked(workload, layout)), *_greenboot(workload, layout)]


def checked(workload: Workload, layout: Layout) -> list[Object]:
    """What MicroShift applies, in order.

    Raises:
        NotDeployable: this version, or this machine, cannot do what is asked for.
    """
    _check(workload, layout)
    return objects(workload, layout)


def objects(workload: Workload, layout: Layout) -> list[Object]:
    """What MicroShift applies, in order."""
    space = layout.namespace
    found = [tree.namespace(space)]
    if layout.serving:
        serving = Serving(kserve=BUNDLED_KSERVE)
        selected = {kserve.SERVICE_LABEL: workload.name}
        policy = parts.network_policy(workload, space, selected)
        return [*found, policy, *kserve.objects(workload, space, serving)]
    claim = f"{workload.name}-model"
    if workload.strategy is Strategy.EXTERNAL:
        found.append(parts.claim(workload, space, claim, layout.claim_size))
    source = Source(modelcar=modelcar(layout), claim=claim, claim_folder=workload.model_digest.replace(":", "/"))
    selected = {tree.NAME_LABEL: workload.name}
    return [
        *found,
        parts.network_policy(workload, space, selected, grpc=layout.grpc),
        parts.deployment(workload, space, pods.pod(workload, source, grpc=layout.grpc)),
        parts.service(workload, space, grpc=layout.grpc),
        parts.route(workload, space, host=layout.host),
    ]


def modelcar(layout: Layout) -> Modelcar:
    """How the model's image comes: as asked for, else as the version can without further settings."""
    if layout.modelcar is not None:
        return layout.modelcar
    native = has(Product.MICROSHIFT, Feature.IMAGE_VOLUME_BY_DEFAULT, layout.microshift)
    return Modelcar.IMAGE_VOLUME if native else Modelcar.INIT_CONTAINER


def _check(workload: Workload, layout: Layout) -> None:
    kubernetes = kubernetes_of(layout.microshift)
    reasons = []
    if layout.modelcar is Modelcar.IMAGE_VOLUME and not has(Product.KUBERNETES, Feature.IMAGE_VOLUME, kubernetes):
        reasons.append(f"MicroShift {layout.microshift} (Kubernetes {kubernetes}) knows no image volumes")
    if layout.serving:
        if not has(Product.MICROSHIFT, Feature.MODEL_SERVING, layout.microshift):
            reasons.append(f"MicroShift {layout.microshift} has no AI model serving")
        if workload.architecture not in ("", "amd64"):
            reasons.append(
                f"AI model serving of MicroShift is for x86_64 alone, and the node is {workload.architecture}"
            )
        if workload.strategy is Strategy.EXTERNAL:
            reasons.append(
                "AI model serving of MicroShift takes models as OCI images alone, and the release is external"
            )
    if reasons:
        raise NotDeployable("; ".join(reasons), hint="nothing was written")


def _greenboot(workload: Workload, layout: Layout) -> list[File]:
    """The check, which is the same for all workloads, and what it reads of this one; all values are DNS labels."""
    script = resources.files("edgewise.build.nodes.kubernetes").joinpath("greenboot.sh").read_bytes()
    told = {
        "NAMESPACE": layout.namespace,
        "KIND": "inferenceservice" if layout.serving else "deployment",
        "NAME": workload.name,
        "RELEASE": tree.annotations(workload)[tree.RELEASE_ANNOTATION],
    }
    content = "".join(f"{key}={value}\n" for key, value in told.items()).encode()
    return [
        File(path=f"{CHECKS}/{CHECK}", content=script, executable=True),
        File(path=f"{CHECK_FILES}/{layout.namespace}.{workload.name}.conf", content=content),
    ]
