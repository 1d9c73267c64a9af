"""What an API server would say of manifests, offline: unknown keys, wrong types, what is missing.

Built-in kinds by the schemas of kubernetes-validate for the version of the target, to the word of its own strict
validation, which reads them anew for every object. KServe's and Tekton's objects, Route and ServiceMonitor by the
schemas beside this module, which refer to the same definitions. Needs the extra `kubernetes`.
Not checked: what stands in no schema, such as the admission policies of a cluster.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jsonschema
import kubernetes_validate
from referencing import Registry, Resource

from edgewise.build.nodes.versions import Version

Json = Any
OURS: Mapping[tuple[str, str], str] = {
    ("serving.kserve.io/v1beta1", "InferenceService"): "inferenceservice",
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "servingruntime",
    ("route.openshift.io/v1", "Route"): "route",
    ("tekton.dev/v1", "Task"): "tekton-task",
    ("tekton.dev/v1", "Pipeline"): "tekton-pipeline",
    ("tekton.dev/v1", "PipelineRun"): "tekton-pipelinerun",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitor",
}
KUSTOMIZE = "kustomize.config.k8s.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An object that an API server would refuse."""

    file: str
    reason: str


def validate(documents: Sequence[tuple[str, Json]], kubernetes: Version) -> list[Fault]:
    """Faults of `documents`, each with the name of its file, against the API of `kubernetes`."""
    faults = []
    for name, one in documents:
        reason = _reason(one, kubernetes)
        if reason:
            faults.append(Fault(file=name, reason=reason))
    return faults


def _reason(one: Json, kubernetes: Version) -> str:
    if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("apiVersion", "kind")):
        return "it has no apiVersion or no kind"
    if one["apiVersion"].startswith(KUSTOMIZE):
        return ""
    try:
        if name := OURS.get((one["apiVersion"], one["kind"])):
            _validator(name, kubernetes).validate(one)
        else:
            _builtin(one["apiVersion"], one["kind"], kubernetes).validate(one)
    except FileNotFoundError:
        return f"there is no {one['kind']} in {one['apiVersion']}"
    except jsonschema.ValidationError as error:
        place = ".".join(str(step) for step in error.absolute_path) or "the object"
        return f"{place}: {error.message[:300]}"
    return ""


@functools.lru_cache(maxsize=16)
def _validator(name: str, kubernetes: Version) -> jsonschema.Draft202012Validator:
    text = resources.files("edgewise.build.nodes.kubernetes.schemas").joinpath(f"{name}.json").read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(text), registry=_definitions(kubernetes))


@functools.lru_cache(maxsize=64)
def _builtin(api_version: str, kind: str, kubernetes: Version) -> jsonschema.Draft202012Validator:
    group, slash, version = api_version.rpartition("/")
    name = f"{kind.lower()}-{group.partition('.')[0]}{'-' if slash else ''}{version}.json"
    schema = kubernetes_validate.utils.schema_contents(f"{_folder(kubernetes)}/{name}", str(kubernetes))
    return jsonschema.Draft202012Validator(schema, registry=_definitions(kubernetes))


@functools.lru_cache(maxsize=4)
def _definitions(kubernetes: Version) -> "Registry[Any]":
    found = kubernetes_validate.utils.schema_contents(f"{_folder(kubernetes)}/_definitions.json", str(kubernetes))
    definitions: Resource[Any] = Resource.from_contents(found)
    return definitions @ Registry()


def _folder(kubernetes: Version) -> str:
    known = [tuple(map(int, one.split(".")[:2])) for one in kubernetes_validate.utils.all_versions()]
    major, minor = max(one for one in known if one <= (kubernetes.major, kubernetes.minor))
    return f"kubernetes-json-schema/v{major}.{minor}.0-local-strict"
