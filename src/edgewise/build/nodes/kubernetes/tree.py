"""What all objects of a workload share, and a kustomize tree of them: one object a file, the namespace first."""

from collections.abc import Mapping, Sequence

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.kubernetes.extensions import Kustomization
from edgewise.build.nodes.kubernetes.objects import Metadata, Object, written

NAME_LABEL, MANAGER_LABEL, PART_LABEL = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
)
MANAGER = "edgewise"
SITE_LABEL, RELEASE_ANNOTATION = "edgewise.io/site", "edgewise.io/release"
VERSION_ANNOTATION, MODEL_ANNOTATION = "edgewise.io/version", "edgewise.io/model"
WAVE_ANNOTATION = "argocd.argoproj.io/sync-wave"
_WAVES = {"Namespace": "-2", "PersistentVolumeClaim": "-1", "NetworkPolicy": "-1", "ServingRuntime": "-1"}
"""Argo CD applies lower waves first; what is not here is in wave 0."""


def labels(workload: Workload) -> dict[str, str]:
    """What every object of the workload carries; all are valid label values, for their source is DNS labels."""
    return {
        NAME_LABEL: workload.name,
        MANAGER_LABEL: MANAGER,
        PART_LABEL: MANAGER,
        SITE_LABEL: workload.site,
    }


def annotations(workload: Workload) -> dict[str, str]:
    """What says which release runs; free text stands here, never in labels."""
    return {
        RELEASE_ANNOTATION: workload.release,
        VERSION_ANNOTATION: workload.version,
        MODEL_ANNOTATION: f"{workload.model_name} {workload.model_version}",
    }


def metadata(
    workload: Workload, kind: str, namespace: str, name: str = "", more: Mapping[str, str] | None = None
) -> Metadata:
    """Metadata of an object of the workload; `more` has further annotations."""
    return Metadata(
        name=name or workload.name,
        namespace=namespace,
        labels=labels(workload),
        annotations={**annotations(workload), **wave(kind), **(more or {})},
    )


def wave(kind: str) -> dict[str, str]:
    """The annotation by which Argo CD applies objects of `kind` before those that need them; none for the last."""
    return {WAVE_ANNOTATION: _WAVES[kind]} if kind in _WAVES else {}


def namespace(name: str) -> Object:
    """The namespace, held to the restricted pod security standard. It may hold several workloads and names none."""
    return Object(
        api_version="v1",
        kind="Namespace",
        metadata=Metadata(
            name=name,
            labels={MANAGER_LABEL: MANAGER, PART_LABEL: MANAGER, "pod-security.kubernetes.io/enforce": "restricted"},
            annotations=wave("Namespace"),
        ),
    )


def files(folder: str, objects: Sequence[Object]) -> list[File]:
    """One file an object below `folder`, and a kustomization.yaml that names them in order."""
    found = [File(path=f"{folder}/{one.file_name}", content=written(one)) for one in objects]
    kustomization = Kustomization(resources=tuple(one.file_name for one in objects))
    return [File(path=f"{folder}/kustomization.yaml", content=written(kustomization)), *found]
