"""Write the JSON schemas of Tekton's objects (tekton.dev/v1) from the table below.

python docs/_make_tekton_schemas.py

The table is written by hand after the API that Tekton publishes (pkg/apis/pipeline/v1/swagger.json of
tektoncd/pipeline, Apache-2.0, Copyright The Tekton Authors), as far as it concerns what we write; names and bounds are
those of its admission webhook. Types of Kubernetes itself become references into the schemas of kubernetes-validate.
"""

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "src/edgewise/build/nodes/kubernetes/schemas"
DEFINITIONS = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s."
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
WORDS = {"type": "array", "items": {"type": "string"}}
PLAIN: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 0},
    "name": NAME,
    "word": {"type": "string", "pattern": "^[A-Za-z_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$", "maxLength": 63},
    "words": WORDS,
    "duration": {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"},
    "type": {"enum": ["string", "array", "object"]},
    "on-error": {"enum": ["continue", "stopAndFail"]},
    "operator": {"enum": ["in", "notin"]},
    "kind-of-task": {"type": "string"},
    "status": {"enum": ["Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"]},
    "value": {"anyOf": [{"type": "string"}, WORDS, {"type": "object", "additionalProperties": {"type": "string"}}]},
    "any": {"type": "object"},
}
TYPES: dict[str, str] = {
    "Task": "!metadata:meta.ObjectMeta !spec:TaskSpec",
    "TaskSpec": "description:text displayName:text params:[ParamSpec] results:[TaskResult] sidecars:[any]"
    " stepTemplate:any !steps:[Step] volumes:[core.Volume] workspaces:[WorkspaceDeclaration]",
    "ParamSpec": "!name:word type:type description:text default:value enum:words properties:any",
    "TaskResult": "!name:word type:type description:text properties:any value:value",
    "Step": "!name:name image:text command:words args:words workingDir:text script:text env:[core.EnvVar]"
    " envFrom:[core.EnvFromSource] computeResources:core.ResourceRequirements volumeMounts:[core.VolumeMount]"
    " volumeDevices:[core.VolumeDevice] imagePullPolicy:text securityContext:core.SecurityContext timeout:duration"
    " onError:on-error params:[Param] results:[StepResult] ref:any stdoutConfig:Output stderrConfig:Output"
    " when:[When] workspaces:[WorkspaceUsage]",
    "StepResult": "!name:word type:type description:text properties:any",
    "Output": "path:text",
    "WorkspaceUsage": "!name:name !mountPath:text",
    "WorkspaceDeclaration": "!name:name description:text mountPath:text readOnly:flag optional:flag",
    "Pipeline": "!metadata:meta.ObjectMeta !spec:PipelineSpec",
    "PipelineSpec": "description:text displayName:text params:[ParamSpec] workspaces:[PipelineWorkspace]"
    " !tasks:[PipelineTask] finally:[PipelineTask] results:[PipelineResult]",
    "PipelineWorkspace": "!name:name description:text optional:flag",
    "PipelineResult": "!name:word !value:value type:type description:text",
    "PipelineTask": "!name:name displayName:text description:text taskRef:TaskRef taskSpec:any pipelineRef:any"
    " pipelineSpec:any params:[Param] matrix:any workspaces:[WorkspaceUse] runAfter:words retries:count"
    " timeout:duration when:[When] onError:on-error",
    "TaskRef": "name:text kind:kind-of-task apiVersion:text resolver:text params:[Param]",
    "Param": "!name:word !value:value",
    "WorkspaceUse": "!name:name workspace:name subPath:text",
    "When": "input:text operator:operator values:words cel:text",
    "PipelineRun": "!metadata:meta.ObjectMeta !spec:PipelineRunSpec",
    "PipelineRunSpec": "pipelineRef:PipelineRef pipelineSpec:any params:[Param] workspaces:[WorkspaceBinding]"
    " taskRunTemplate:TaskRunTemplate taskRunSpecs:[any] timeouts:Timeouts status:status",
    "PipelineRef": "name:text apiVersion:text resolver:text params:[Param]",
    "WorkspaceBinding": "!name:name subPath:text persistentVolumeClaim:core.PersistentVolumeClaimVolumeSource"
    " volumeClaimTemplate:core.PersistentVolumeClaim emptyDir:core.EmptyDirVolumeSource"
    " secret:core.SecretVolumeSource configMap:core.ConfigMapVolumeSource projected:core.ProjectedVolumeSource"
    " csi:core.CSIVolumeSource",
    "TaskRunTemplate": "serviceAccountName:text podTemplate:PodTemplate",
    "PodTemplate": "affinity:core.Affinity automountServiceAccountToken:flag dnsConfig:core.PodDNSConfig dnsPolicy:text"
    " enableServiceLinks:flag env:[core.EnvVar] hostAliases:[core.HostAlias] hostNetwork:flag"
    " imagePullSecrets:[core.LocalObjectReference] nodeSelector:any priorityClassName:text runtimeClassName:text"
    " schedulerName:text securityContext:core.PodSecurityContext tolerations:[core.Toleration]"
    " topologySpreadConstraints:[core.TopologySpreadConstraint] volumes:[core.Volume]",
    "Timeouts": "pipeline:duration tasks:duration finally:duration",
}
"""Fields of a type by name: `!` before one that must be there, `[…]` around the type of a list's entries."""


def main() -> None:
    """Write the schema of every kind."""
    for kind in ("Task", "Pipeline", "PipelineRun"):
        definitions: dict[str, Any] = {}
        schema = _type(kind, definitions)
        schema["properties"] |= {"apiVersion": {"const": "tekton.dev/v1"}, "kind": {"const": kind}}
        schema["required"] += ["apiVersion", "kind"]
        head = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$comment": "Made by docs/_make_tekton_schemas.py after the API of Tekton Pipelines, Apache-2.0, "
            "Copyright The Tekton Authors.",
        }
        text = json.dumps(head | schema | {"$defs": definitions}, sort_keys=True, separators=(",", ":")) + "\n"
        (SCHEMAS / f"tekton-{kind.lower()}.json").write_text(text, encoding="utf-8")


def _type(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    rows = [row.partition(":") for row in TYPES[name].split()]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.removeprefix("!"): _field(kind, definitions) for field, _, kind in rows},
        "required": [field[1:] for field, _, _ in rows if field.startswith("!")],
    }


def _field(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": _field(kind[1:-1], definitions), "minItems": 1}
    if kind in PLAIN:
        return PLAIN[kind]
    if kind.startswith("core."):
        return {"$ref": f"{DEFINITIONS}api.core.v1.{kind.removeprefix('core.')}"}
    if kind.startswith("meta."):
        return {"$ref": f"{DEFINITIONS}apimachinery.pkg.apis.meta.v1.{kind.removeprefix('meta.')}"}
    if kind not in definitions:
        definitions[kind] = {}
        definitions[kind] = _type(kind, definitions)
    return {"$ref": f"#/$defs/{kind}"}


if __name__ == "__main__":
    main()
