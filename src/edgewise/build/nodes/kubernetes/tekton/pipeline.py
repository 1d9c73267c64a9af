"""The four steps of `edgewise run` as Tasks of a Pipeline, each doing its own step and no other.

One claim holds the sources and the cache, in folders of their own: a Task may not mount two claims where Tekton keeps
the pods of a run on one node. What is secret is mounted as files; passphrases are variables out of the same secrets.
What a step makes is a result, by site: the digests of plans, images and releases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.build.nodes.description import File
from edgewise.build.nodes.kubernetes import tree
from edgewise.build.nodes.kubernetes.objects import (
    ClaimSource,
    ClaimSpec,
    Metadata,
    Object,
    Resources,
    SecretKey,
    SizeLimited,
    ValueFrom,
    Variable,
    Volume,
    VolumeMount,
    written,
)
from edgewise.build.nodes.kubernetes.tekton.objects import (
    API,
    EnvFrom,
    FileGroup,
    Param,
    ParamSpec,
    PipelineRef,
    PipelineRun,
    PipelineRunSpec,
    PipelineSpec,
    PipelineTask,
    PodTemplate,
    Result,
    RunMetadata,
    SecretName,
    SecretSource,
    Step,
    TaskRef,
    TaskRunTemplate,
    TaskSpec,
    Workspace,
    WorkspaceBinding,
    WorkspaceUse,
)
from edgewise.errors import NotDeployable

MOST_SITES = 8
"""Results of a Task may have 4096 bytes together, and an image's reference takes up to 400 of them."""
SOURCE, CACHE, REGISTRY, KEYS, IMAGE_KEY = "source", "cache", "registry", "keys", "image-key"
TMP = "/tmp"  # noqa: S108 - in the container
RUN_FILE = "run.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineLayout:
    """How the Pipeline shall be.

    Attributes:
        image: with Edgewise and its toolchains, by digest.
        sites: that are named to every step.
        registry: where images are pushed to; `tree`: where releases lie. Defaults of a run.
        anonymous: the registry wants no credentials.
        signed: images are signed with the key of the secret `NAME-image-key`.
        tree_secret: whose keys are variables for the tree's bucket or web root; "" for none.
        claim: that is there already, with the sources in its folder `source`; "" for one that is written.
        cpus, memory: of the plan, which measures on the node that it runs on.
        node_selector: of the nodes that all pods run on.
        fs_group: that owns the claim's files; None where the cluster says it, as OpenShift does.
        service_account: "" for the namespace's own; OpenShift Pipelines makes one that is called `pipeline`.
    """

    name: str
    namespace: str
    image: str
    sites: tuple[str, ...]
    registry: str
    tree: str
    edge_yaml: str = "edge.yaml"
    base: str = "debian"
    anonymous: bool = False
    signed: bool = False
    tree_secret: str = ""
    claim: str = ""
    size: str = "20Gi"
    cpus: str = "2"
    memory: str = "4Gi"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    fs_group: int | None = None
    service_account: str = ""

    @property
    def claim_name(self) -> str:
        """Of the claim that holds sources and cache."""
        return self.claim or f"{self.name}-work"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What is particular to a step.

    Attributes:
        result: its name, and the option of `edgewise run` that writes it.
        options: of `edgewise run`, by the parameter that each takes.
        workspaces: of secrets.
    """

    step: str
    does: str
    result: str
    says: str
    option: str = "--result"
    options: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    resources: Resources
    timeout: str


def files(layout: PipelineLayout) -> list[File]:
    """The tree, below a folder of the Pipeline's name; the run stands beside what is applied.

    Raises:
        NotDeployable: more sites than the results of a Task can tell of.
    """
    if len(layout.sites) > MOST_SITES:
        raise NotDeployable(
            f"{len(layout.sites)} sites are more than the results of a Task can hold, which are {MOST_SITES}",
            hint="write several pipelines, each for some of the sites: --site",
        )
    return [
        *tree.files(layout.name, objects(layout)),
        File(path=f"{layout.name}/{RUN_FILE}", content=written(_run(layout))),
    ]


def objects(layout: PipelineLayout) -> list[Object]:
    """What is applied, in order."""
    stages = _stages(layout)
    return [
        *([] if layout.claim else [_claim(layout)]),
        *(_task(layout, stage) for stage in stages),
        _pipeline(layout, stages),
    ]


def _stages(layout: PipelineLayout) -> tuple[_Stage, ...]:
    account = () if layout.anonymous else (REGISTRY,)
    small = Resources(requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "1Gi"})
    same = {"cpu": layout.cpus, "memory": layout.memory}
    return (
        _Stage(
            step="plan",
            does="Choose what to run at every site; measures on the node that it runs on.",
            result="plans",
            says="Digests of the plans, by site.",
            resources=Resources(requests=same, limits=same),  # a node's whole cores, and nobody else on them
            timeout="4h0m0s",
        ),
        _Stage(
            step="build",
            does="Build images and models.",
            result="images",
            says="Digests of what was built, by site.",
            options=("base", "model-version"),
            workspaces=(IMAGE_KEY,) if layout.signed else (),
            resources=Resources(requests={"cpu": "1", "memory": "2Gi"}, limits={"memory": "4Gi"}),
            timeout="1h0m0s",
        ),
        _Stage(
            step="push",
            does="Push them to the registry.",
            result="IMAGES",  # as Tekton Chains reads it
            says="What was pushed, by digest, with commas between.",
            option="--images",
            options=("model-version", "registry"),
            workspaces=account,
            resources=small,
            timeout="1h0m0s",
        ),
        _Stage(
            step="publish",
            does="Sign and publish the releases.",
            result="releases",
            says="Digests of the releases, by site.",
            options=("model-version", "registry", "tree"),
            workspaces=(*account, KEYS),
            resources=small,
            timeout="30m0s",
        ),
    )


def _labels(layout: PipelineLayout) -> dict[str, str]:
    return {tree.NAME_LABEL: layout.name, tree.MANAGER_LABEL: tree.MANAGER, tree.PART_LABEL: tree.MANAGER}


def _metadata(layout: PipelineLayout, name: str) -> Metadata:
    return Metadata(name=name, namespace=layout.namespace, labels=_labels(layout))


def _claim(layout: PipelineLayout) -> Object:
    return Object(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=_metadata(layout, layout.claim_name),
        spec=ClaimSpec(access_modes=("ReadWriteOnce",), resources=Resources(requests={"storage": layout.size})),
    )


def _params(layout: PipelineLayout, names: tuple[str, ...]) -> tuple[ParamSpec, ...]:
    every = (
        ParamSpec(
            name="edge-yaml", description="Path of the edge.yaml, from the sources on.", default=layout.edge_yaml
        ),
        ParamSpec(name="model-version", description="Version of the model; the tag too.", default="1"),
        ParamSpec(name="base", description="What images stand on.", default=layout.base),
        ParamSpec(name="registry", description="Where images are pushed to.", default=layout.registry),
        ParamSpec(name="tree", description="Where releases lie.", default=layout.tree),
    )
    return tuple(one for one in every if one.name in names)


ALL_PARAMS = ("edge-yaml", "model-version", "base", "registry", "tree")


def _task_name(layout: PipelineLayout, stage: _Stage) -> str:
    return f"{layout.name}-{stage.step}"


def _task(layout: PipelineLayout, stage: _Stage) -> Object:
    declared = [
        Workspace(name=SOURCE, description="The folder of edge.yaml, model and data.", read_only=True),
        Workspace(name=CACHE, description="The store: what was computed once is not computed again."),
        *(Workspace(name=name, description=SECRETS[name], read_only=True) for name in stage.workspaces),
    ]
    return Object(
        api_version=API,
        kind="Task",
        metadata=_metadata(layout, _task_name(layout, stage)),
        spec=TaskSpec(
            description=stage.does,
            params=_params(layout, ("edge-yaml", *stage.options)),
            workspaces=tuple(declared),
            results=(Result(name=stage.result, description=stage.says),),
            steps=(_step(layout, stage),),
            volumes=(Volume(name="tmp", empty_dir=SizeLimited(size_limit="2Gi")),),
        ),
    )


SECRETS = {
    REGISTRY: "The secret NAME-registry: credentials of the registry, of the type kubernetes.io/dockerconfigjson.",
    KEYS: "The secret NAME-keys: root.json, online.key, and the key of every site; passphrase, where they have one.",
    IMAGE_KEY: "The secret NAME-image-key: image.key, which signs images; password, where it has one.",
}


def _step(layout: PipelineLayout, stage: _Stage) -> Step:
    options = [word for name in stage.options for word in (f"--{name}", f"$(params.{name})")]
    sites = [word for site in layout.sites for word in ("--site", site)]
    options += ["--keys", f"$(workspaces.{KEYS}.path)"] if KEYS in stage.workspaces else []
    options += ["--key", f"$(workspaces.{IMAGE_KEY}.path)/image.key"] if IMAGE_KEY in stage.workspaces else []
    result = [stage.option, f"$(results.{stage.result}.path)"]
    more = layout.tree_secret if stage.step == "publish" else ""
    return Step(
        name=stage.step,
        image=layout.image,
        command=("edgewise", "run"),
        args=("$(params.edge-yaml)", "--from", stage.step, "--until", stage.step, *sites, *options, *result),
        working_dir=f"$(workspaces.{SOURCE}.path)",
        env=_environment(layout, stage),
        env_from=(EnvFrom(secret_ref=SecretName(name=more)),) if more else (),
        compute_resources=stage.resources,
        volume_mounts=(VolumeMount(name="tmp", mount_path=TMP),),
    )


def _environment(layout: PipelineLayout, stage: _Stage) -> tuple[Variable, ...]:
    found = [
        Variable(name="EDGEWISE_STORE", value=f"$(workspaces.{CACHE}.path)"),
        Variable(name="EDGEWISE_PROGRESS", value="plain"),
        Variable(name="HOME", value=TMP),
        Variable(name="PYTHONDONTWRITEBYTECODE", value="1"),
    ]
    if REGISTRY in stage.workspaces:
        found.append(Variable(name="REGISTRY_AUTH_FILE", value=f"$(workspaces.{REGISTRY}.path)/.dockerconfigjson"))
    if KEYS in stage.workspaces:
        found.append(_optional("EDGEWISE_KEY_PASSPHRASE", f"{layout.name}-{KEYS}", "passphrase"))
    if IMAGE_KEY in stage.workspaces:
        found.append(_optional("EDGEWISE_KEY_PASSWORD", f"{layout.name}-{IMAGE_KEY}", "password"))
    return tuple(found)


def _optional(variable: str, secret: str, key: str) -> Variable:
    return Variable(name=variable, value_from=ValueFrom(secret_key_ref=SecretKey(name=secret, key=key, optional=True)))


def _pipeline(layout: PipelineLayout, stages: tuple[_Stage, ...]) -> Object:
    secret = tuple(dict.fromkeys(name for stage in stages for name in stage.workspaces))
    tasks: list[PipelineTask] = []
    for stage in stages:
        given = ("edge-yaml", *stage.options)
        tasks.append(
            PipelineTask(
                name=stage.step,
                task_ref=TaskRef(name=_task_name(layout, stage)),
                params=tuple(Param(name=name, value=f"$(params.{name})") for name in ALL_PARAMS if name in given),
                workspaces=tuple(
                    WorkspaceUse(name=name, workspace=name) for name in (SOURCE, CACHE, *stage.workspaces)
                ),
                run_after=(tasks[-1].name,) if tasks else (),
                timeout=stage.timeout,
            )
        )
    return Object(
        api_version=API,
        kind="Pipeline",
        metadata=_metadata(layout, layout.name),
        spec=PipelineSpec(
            description="From an edge.yaml to signed releases. A step that finds nothing due does nothing.",
            params=_params(layout, ALL_PARAMS),
            workspaces=tuple(Workspace(name=name) for name in (SOURCE, CACHE, *secret)),
            tasks=tuple(tasks),
            results=tuple(
                Result(name=stage.result, description=stage.says, value=f"$(tasks.{stage.step}.results.{stage.result})")
                for stage in stages
            ),
        ),
    )


def _run(layout: PipelineLayout) -> PipelineRun:
    claim = ClaimSource(claim_name=layout.claim_name)
    secrets = dict.fromkeys(name for stage in _stages(layout) for name in stage.workspaces)
    return PipelineRun(
        metadata=RunMetadata(generate_name=f"{layout.name}-", namespace=layout.namespace, labels=_labels(layout)),
        spec=PipelineRunSpec(
            pipeline_ref=PipelineRef(name=layout.name),
            params=tuple(Param(name=one.name, value=one.default or "") for one in _params(layout, ALL_PARAMS)),
            workspaces=(
                *(
                    WorkspaceBinding(name=name, sub_path=name, persistent_volume_claim=claim)
                    for name in (SOURCE, CACHE)
                ),
                *(
                    WorkspaceBinding(name=name, secret=SecretSource(secret_name=f"{layout.name}-{name}"))
                    for name in secrets
                ),
            ),
            task_run_template=TaskRunTemplate(
                service_account_name=layout.service_account,
                pod_template=PodTemplate(
                    node_selector=layout.node_selector,
                    security_context=None if layout.fs_group is None else FileGroup(fs_group=layout.fs_group),
                ),
            ),
            timeouts={"pipeline": "8h0m0s"},
        ),
    )
