"""A workload as KServe takes it: a ServingRuntime for our server in the namespace, and an InferenceService.

| strategy | the model comes by |
|---|---|
| embedded | the image itself: a predictor that is a container, without storage |
| modelcar | `oci://` (a modelcar), or `oci+native://` (an image volume) |
| external | `pvc://CLAIM/FOLDER`, or `s3://BUCKET/FOLDER` with a service account that may read it |

KServe shows a model at /mnt/models.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from edgewise.build.nodes.description import DIGEST_VARIABLE, HTTP_PORT, MODELS, MOUNTED, TMPFS_BYTES, Workload
from edgewise.build.nodes.kubernetes import pod as pods
from edgewise.build.nodes.kubernetes import tree
from edgewise.build.nodes.kubernetes.extensions import (
    InferenceServiceSpec,
    Model,
    ModelFormat,
    Predictor,
    ServingRuntimeSpec,
)
from edgewise.build.nodes.kubernetes.objects import (
    Container,
    ContainerPort,
    Object,
    Resources,
    SizeLimited,
    Toleration,
    Variable,
    Volume,
)
from edgewise.build.nodes.versions import Feature, Product, Version, has
from edgewise.exchange.release import Strategy

MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
"""On every pod of an InferenceService, with its name."""
CONTAINER = "kserve-container"
FORMAT, FORMAT_VERSION = "edgewise", "1"


class Mode(StrEnum):
    """What KServe makes of an InferenceService."""

    STANDARD = "standard"
    """A Deployment and a HorizontalPodAutoscaler."""
    KNATIVE = "knative"
    """A service of Knative, which can scale to nothing and send a share of the traffic to a canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How KServe shall serve.

    Attributes:
        storage: of an external model: pvc://… or s3://….
        service_account: that may read it; "" for the namespace's default.
        native: image volumes instead of modelcars.
        canary_percent: share of the traffic that the new revision gets; None for all of it.
    """

    kserve: Version
    mode: Mode = Mode.STANDARD
    storage: str = ""
    service_account: str = ""
    native: bool = False
    min_replicas: int = 1
    max_replicas: int = 1
    canary_percent: int | None = None


def mode_name(serving: Serving) -> str:
    """What this version of KServe calls the mode."""
    new = has(Product.KSERVE, Feature.STANDARD_MODE, serving.kserve)
    if serving.mode is Mode.STANDARD:
        return "Standard" if new else "RawDeployment"
    return "Knative" if new else "Serverless"


def objects(workload: Workload, namespace: str, serving: Serving) -> list[Object]:
    """The ServingRuntime, where there is a model to serve by it, and the InferenceService."""
    service = _inference_service(workload, namespace, serving)
    if workload.strategy is Strategy.EMBEDDED:
        return [service]
    return [_runtime(workload, namespace), service]


def _runtime(workload: Workload, namespace: str) -> Object:
    server = _container(replace(workload, device=None, memory_bytes=None, cpus=None), MOUNTED)
    general = tuple(variable for variable in server.env if variable.name != DIGEST_VARIABLE)
    return Object(
        api_version="serving.kserve.io/v1alpha1",
        kind="ServingRuntime",
        metadata=tree.metadata(workload, "ServingRuntime", namespace),
        spec=ServingRuntimeSpec(
            supported_model_formats=(ModelFormat(name=FORMAT, version=FORMAT_VERSION, auto_select=False),),
            protocol_versions=("v2",),
            containers=(replace(server, env=general, resources=Resources()),),
            volumes=(_temporary(),),
        ),
    )


def _inference_service(workload: Workload, namespace: str, serving: Serving) -> Object:
    device = workload.device
    scaled = serving.max_replicas > serving.min_replicas
    predictor = Predictor(
        min_replicas=serving.min_replicas,
        max_replicas=serving.max_replicas,
        scale_metric=("cpu" if serving.mode is Mode.STANDARD else "concurrency") if scaled else "",
        scale_target=(80 if serving.mode is Mode.STANDARD else 4) if scaled else None,
        canary_traffic_percent=serving.canary_percent,
        service_account_name=serving.service_account,
        node_selector=dict(device.labels) if device else {},
        tolerations=tuple(Toleration(key=key) for key in device.tolerations) if device else (),
        automount_service_account_token=None if serving.service_account else False,
    )
    if workload.strategy is Strategy.EMBEDDED:
        predictor = replace(predictor, containers=(_container(workload, MODELS),), volumes=(_temporary(),))
    else:
        predictor = replace(predictor, model=_model(workload, serving))
    return Object(
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=tree.metadata(workload, "InferenceService", namespace, more={MODE_ANNOTATION: mode_name(serving)}),
        spec=InferenceServiceSpec(predictor=predictor),
    )


def _model(workload: Workload, serving: Serving) -> Model:
    return Model(
        model_format=ModelFormat(name=FORMAT, version=FORMAT_VERSION),
        runtime=workload.name,
        protocol_version="v2",
        storage_uri=_storage(workload, serving),
        env=(Variable(name=DIGEST_VARIABLE, value=workload.model_digest),),
        resources=pods.resources(workload),
    )


def _storage(workload: Workload, serving: Serving) -> str:
    if workload.strategy is Strategy.EXTERNAL:
        return serving.storage
    assert workload.model is not None
    scheme = "oci+native" if serving.native else "oci"
    return f"{scheme}://{workload.model.reference}"


def _container(workload: Workload, model: str) -> Container:
    port = ContainerPort(name="http1", container_port=HTTP_PORT)  # Knative wants this name
    return replace(pods.server(workload, model, name=CONTAINER), ports=(port,))


def _temporary() -> Volume:
    return Volume(name=pods.TEMPORARY, empty_dir=SizeLimited(size_limit=pods.mebibytes(TMPFS_BYTES)))
