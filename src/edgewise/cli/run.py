"""`edgewise run`: an edge.yaml through plan, build, push and publish, doing only what is due."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.epoch import source_date_epoch
from edgewise.cli._hub import DatabaseFlag, HubFlag, Listener
from edgewise.cli._say import note
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import Output, settings
from edgewise.cli.options import (
    AtOnceFlag,
    EdgeFileArgument,
    MachinesFlag,
    OutputFlag,
    ProgressFlag,
    SettingOption,
    SoakOption,
    StoreFlag,
)
from edgewise.cli.output import Column, listing
from edgewise.cli.progress import drawing
from edgewise.flow import edgefile
from edgewise.flow.life.outside import Outside
from edgewise.flow.life.run import Life, work_of
from edgewise.flow.life.steps import STEPS, Asked, Decision, Step, Way
from edgewise.flow.life.wishes import Wishes
from edgewise.flow.naming import FIRST_VERSION
from edgewise.store import atomic

PASSWORD = "EDGEWISE_KEY_PASSWORD"  # noqa: S105 - the name of a variable
NEED_A_REGISTRY = (Step.PUSH, Step.PUBLISH)


def run(
    edge_yaml: EdgeFileArgument = Path("edge.yaml"),
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this site; may be repeated.")] = None,
    first: Annotated[
        Step | None, typer.Option("--from", help="The first step; those before it stand as they are.")
    ] = None,
    last: Annotated[Step, typer.Option("--until", help="The last step.")] = STEPS[-1],
    anew: Annotated[bool, typer.Option("--anew", help="Do the first step again, whatever it stands on.")] = False,
    registry: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            envvar="EDGEWISE_REGISTRY",
            help="Where images are pushed to, and devices fetch them: registry.example/plant, or oci:FOLDER.",
        ),
    ] = "",
    plain_http: Annotated[
        bool | None,
        typer.Option("--plain-http/--tls", help="The registry without TLS, or with; by default as edgewise push."),
    ] = None,
    model_version: Annotated[str, typer.Option(metavar="VERSION", help="Of the model; the tag too.")] = FIRST_VERSION,
    base: Annotated[
        str, typer.Option(metavar="BASE", help="debian, host (this machine's Python), or the name of an image.")
    ] = "debian",
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH", help="linux/amd64 or linux/arm64; all that the base has without it."),
    ] = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="A server that speaks gRPC too.")] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign images with this ECDSA P-256 key.", dir_okay=False)
    ] = None,
    at_once: AtOnceFlag = False,
    soak: SoakOption = 300.0,
    setting: SettingOption = None,
    result: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write there what the last step made, as JSON by site.", dir_okay=False),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write there what was pushed, with commas between.", dir_okay=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which steps are due, and why.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run or plan on this machine to end.")] = False,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    store: StoreFlag = None,
    machines: MachinesFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Take edge.yaml through plan, build, push and publish, doing only what is due.

    A step is due when what it stands on has changed: the model, the data, what edge.yaml says of the site, the
    toolchains, an option; or when what it made is gone. A second run does nothing, and one that was interrupted goes on
    where it stopped. Registry, tree, keys and a hub that is configured are looked at before the first long step begins.

    Example: edgewise run --registry registry.example/plant --tree s3://releases/plant

    Only as far as images in the store: edgewise run --until build
    """
    found = settings(store=store, machines=machines, progress=progress, output=output, hub=hub, database=database)
    asked = asked_for(first, last, registry, anew=anew)
    project = edgefile.load(edge_yaml)
    wishes = Wishes(
        machines=found.catalogues,
        meter=found.meter,
        version=model_version,
        base=base,
        platforms=tuple(dict.fromkeys(platform or ())),
        grpc=grpc,
        created=source_date_epoch(os.environ),
        key=key,
        password=key_password(),
        registry=registry,
        plain_http=plain_http,
        tree=tree,
        soak_s=soak,
        settings=_pairs(setting),
        at_once=at_once,
        wait=wait,
    )
    life = Life(
        project=project,
        sites=tuple(project.site(name) for name in dict.fromkeys(site)) if site else project.sites,
        wishes=wishes,
        outside=Outside(wishes, functools.partial(desk, tree, keys), Listener(found) if found.knows_hub else None),
        folder=found.store,
        worker=work_of,
    )
    if dry_run:
        show(life.survey(asked), found.output)
        return
    with drawing(found.progress) as listener:
        decisions = life.run(asked, progress=listener)
    show(decisions, found.output)
    if result is not None:
        atomic.write(
            result, json.dumps({one.site: dict(one.outputs) for one in decisions if one.step is last}).encode()
        )
    if images is not None:
        pushed = (place for one in decisions if one.step is Step.PUSH for place in one.outputs.values())
        atomic.write(images, ",".join(pushed).encode())
    if not any(one.way is Way.DONE for one in decisions):
        note("nothing was due")


def show(decisions: Sequence[Decision], output: Output) -> None:
    """Print how it is with every step."""
    listing(decisions, output, columns=COLUMNS, document=document, name=lambda one: f"{one.site}/{one.step}")


def document(one: Decision) -> dict[str, object]:
    """A step as JSON holds it."""
    return {
        "site": one.site,
        "step": one.step.value,
        "state": one.way.value,
        "why": one.why,
        "made": dict(one.outputs),
        "duration_s": one.duration_s,
    }


def key_password() -> bytes | None:
    """What opens the key that signs images; None where nothing does."""
    password = os.environ.get(PASSWORD)
    return password.encode() if password else None


def asked_for(first: Step | None, last: Step, registry: str, *, anew: bool) -> Asked:
    """Which steps are meant.

    Raises:
        typer.BadParameter: none can be, or a registry is needed for them.
    """
    asked = Asked(first=first or STEPS[0], last=last, anew=anew)
    if STEPS.index(asked.first) > STEPS.index(last):
        raise typer.BadParameter(f"{last} comes before {asked.first}: --until names a later step than --from")
    if not registry and any(step in asked for step in NEED_A_REGISTRY):
        raise typer.BadParameter("--registry says where images are pushed to; without one: --until build")
    return asked


def _pairs(setting: list[str] | None) -> dict[str, str]:
    pairs = [one.partition("=") for one in setting or ()]
    if any(not name or not equals for name, equals, _ in pairs):
        raise typer.BadParameter("--setting takes NAME=VALUE")
    return {name: value for name, _, value in pairs}


COLUMNS: list[Column[Decision]] = [
    Column(title="SITE", text=lambda one: one.site),
    Column(title="STEP", text=lambda one: one.step),
    Column(title="STATE", text=lambda one: one.way),
    Column(title="WHY", text=lambda one: one.why, least=20),
    Column(
        title="SECONDS", text=lambda one: f"{one.duration_s:.1f}" if one.way is Way.DONE else "", right=True, drop=2
    ),
    Column(title="MADE", text=lambda one: ", ".join(one.outputs.values()), wide=True),
]
