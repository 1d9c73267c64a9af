"""`edgewise generate tekton`: the steps of `edgewise run` as a Tekton Pipeline."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.nodes.kubernetes.tekton import pipeline
from edgewise.build.nodes.kubernetes.tekton.pipeline import PipelineLayout
from edgewise.cli._nodes import OutFlag, check_label, deliver, pinned
from edgewise.cli.options import EdgeFileArgument
from edgewise.flow import edgefile
from edgewise.store.oci import reference


def run(
    image: Annotated[
        str, typer.Option("--image", help="Image with edgewise[all] and its tools, by digest: host/app@sha256:…")
    ],
    registry: Annotated[
        str,
        typer.Option(
            metavar="PLACE", envvar="EDGEWISE_REGISTRY", help="Where images are pushed to: registry.example/plant."
        ),
    ],
    tree: Annotated[
        str,
        typer.Option(
            metavar="PLACE", envvar="EDGEWISE_TREE", help="Where releases lie: a bucket or a web root, as in publish."
        ),
    ],
    edge_yaml: EdgeFileArgument = Path("edge.yaml"),
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this site; may be repeated.")] = None,
    out: OutFlag = None,
    namespace: Annotated[str, typer.Option("--namespace", help="That the pipeline is in.")] = "edgewise",
    name: Annotated[
        str, typer.Option("--name", help="Of its objects. Left out: the model's.", show_default=False)
    ] = "",
    base: Annotated[str, typer.Option(metavar="BASE", help="What images stand on, as in build.")] = "debian",
    anonymous: Annotated[bool, typer.Option("--anonymous", help="The registry wants no credentials.")] = False,
    signed: Annotated[
        bool, typer.Option("--signed", help="Sign images with image.key of the secret NAME-image-key.")
    ] = False,
    tree_secret: Annotated[
        str,
        typer.Option(
            metavar="SECRET", help="Secret whose keys are variables for the tree: AWS_ACCESS_KEY_ID and so on."
        ),
    ] = "",
    claim: Annotated[
        str,
        typer.Option(metavar="NAME", help="Claim that is there already, for sources and cache.", show_default=False),
    ] = "",
    size: Annotated[str, typer.Option(help="Of the claim that is written.")] = "20Gi",
    cpus: Annotated[str, typer.Option(help="Cores of the plan, which measures on its node.")] = "2",
    memory: Annotated[str, typer.Option(help="Memory of the plan.")] = "4Gi",
    node_selector: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Label of the nodes that it runs on; may be repeated."),
    ] = None,
    fs_group: Annotated[
        int | None,
        typer.Option(help="Group that owns the claim's files; leave it out on OpenShift.", show_default=False),
    ] = None,
    service_account: Annotated[
        str, typer.Option(help="Left out: the namespace's own for pipelines.", show_default=False)
    ] = "",
) -> None:
    """Write the steps of `edgewise run` as a Tekton pipeline.

    A Task for each of plan, build, push and publish, the Pipeline, and a PipelineRun to create. No secret is written:
    make NAME-registry and NAME-keys, and put edge.yaml with model and data into the folder source of the claim.

    Example: edgewise generate tekton --image registry.example/edgewise@sha256:… --registry registry.example/plant
    --tree s3://releases/plant --out pipeline
    """
    reference.parse(registry)
    project = edgefile.load(edge_yaml)
    chosen = [project.site(one) for one in dict.fromkeys(site)] if site else project.sites
    layout = PipelineLayout(
        name=check_label(name or project.name.replace(".", "-"), "--name"),
        namespace=check_label(namespace, "--namespace"),
        image=pinned(image, "--image"),
        sites=tuple(one.name for one in chosen),
        registry=registry,
        tree=tree,
        edge_yaml=edge_yaml.name,
        base=base,
        anonymous=anonymous,
        signed=signed,
        tree_secret=check_label(tree_secret, "--tree-secret") if tree_secret else "",
        claim=check_label(claim, "--claim") if claim else "",
        size=size,
        cpus=cpus,
        memory=memory,
        node_selector=_pairs(node_selector),
        fs_group=fs_group,
        service_account=service_account,
    )
    deliver(pipeline.files(layout), out)


def _pairs(given: list[str] | None) -> dict[str, str]:
    pairs = [one.partition("=") for one in given or ()]
    if any(not name or not equals for name, equals, _ in pairs):
        raise typer.BadParameter("--node-selector takes KEY=VALUE")
    return {name: value for name, _, value in pairs}
