"""Objects of Tekton's API (tekton.dev/v1) as far as we write them. See `kubernetes.objects` for how they are spelled.

What the API allows, as far as we use it, stands in `schemas/`; tests hold what we write against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.build.nodes.kubernetes.objects import (
    ClaimSource,
    ContainerSecurity,
    Labels,
    Resources,
    Variable,
    Volume,
    VolumeMount,
)

API = "tekton.dev/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """A parameter that is declared."""

    name: str
    description: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter that is given."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a Task gives, or with `value` a Pipeline."""

    name: str
    description: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder that is declared; read-only and mount path are a Task's to say."""

    name: str
    description: str = ""
    read_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceUse:
    """Which folder of the Pipeline a Task's is."""

    name: str
    workspace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """A secret seen as files."""

    secret_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceBinding:
    """What a folder of a run is; one of the sources is given."""

    name: str
    sub_path: str = ""
    persistent_volume_claim: ClaimSource | None = None
    secret: SecretSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretName:
    """A secret, by name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFrom:
    """Variables that a secret holds, by their names."""

    secret_ref: SecretName


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A container of a Task."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    working_dir: str = ""
    env: tuple[Variable, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    compute_resources: Resources = field(default_factory=Resources)
    volume_mounts: tuple[VolumeMount, ...] = ()
    security_context: ContainerSecurity = field(default_factory=ContainerSecurity)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """Of a Task."""

    description: str
    params: tuple[ParamSpec, ...]
    workspaces: tuple[Workspace, ...]
    results: tuple[Result, ...]
    steps: tuple[Step, ...]
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """A Task of the same namespace."""

    name: str
    kind: str = "Task"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineTask:
    """A Task in its place."""

    name: str
    task_ref: TaskRef
    params: tuple[Param, ...]
    workspaces: tuple[WorkspaceUse, ...]
    run_after: tuple[str, ...] = ()
    timeout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """Of a Pipeline."""

    description: str
    params: tuple[ParamSpec, ...]
    workspaces: tuple[Workspace, ...]
    tasks: tuple[PipelineTask, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRef:
    """A Pipeline of the same namespace."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGroup:
    """The group that owns the volumes, so that who is not root may write to them."""

    fs_group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """What all pods of a run have."""

    node_selector: Labels = field(default_factory=dict)
    security_context: FileGroup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunTemplate:
    """What all Tasks of a run have."""

    service_account_name: str = ""
    pod_template: PodTemplate = field(default_factory=PodTemplate)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRunSpec:
    """Of a PipelineRun."""

    pipeline_ref: PipelineRef
    params: tuple[Param, ...]
    workspaces: tuple[WorkspaceBinding, ...]
    task_run_template: TaskRunTemplate
    timeouts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetadata:
    """Metadata of an object that gets its name when it is created."""

    generate_name: str
    namespace: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """A run, which is created and never applied."""

    api_version: str = API
    kind: str = "PipelineRun"
    metadata: RunMetadata
    spec: PipelineRunSpec
