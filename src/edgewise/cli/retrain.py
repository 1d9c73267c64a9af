"""`edgewise retrain`: a round from judged cases to what a fleet runs."""

import functools
import os
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.epoch import source_date_epoch
from edgewise.cli import run as running
from edgewise.cli._figures import plain
from edgewise.cli._hub import TOKEN, DatabaseFlag, HubFlag, Listener
from edgewise.cli._say import note
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import Output, Settings, settings
from edgewise.cli.options import AtOnceFlag, EdgeFileArgument, MachinesFlag, OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import data, sentence
from edgewise.cli.progress import drawing
from edgewise.core.database import migrate
from edgewise.flow import edgefile
from edgewise.flow.edgefile import Project
from edgewise.flow.life.outside import Outside
from edgewise.flow.life.run import Life, work_of
from edgewise.flow.life.steps import STEPS, Step
from edgewise.flow.life.wishes import Wishes
from edgewise.flow.retrain import hub as hubs
from edgewise.flow.retrain.round import Round, Rounds, State


def run(
    edge_yaml: EdgeFileArgument = Path("edge.yaml"),
    last: Annotated[Step, typer.Option("--until", help="The last step after the training.")] = STEPS[-1],
    registry: Annotated[
        str,
        typer.Option(
            metavar="PLACE", envvar="EDGEWISE_REGISTRY", help="Where images are pushed to: registry.example/plant."
        ),
    ] = "",
    base: Annotated[str, typer.Option(metavar="BASE", help="What images stand on, as in build.")] = "debian",
    platform: Annotated[
        list[str] | None, typer.Option(metavar="OS/ARCH", help="linux/amd64 or linux/arm64; as in build.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign images with this ECDSA P-256 key.", dir_okay=False)
    ] = None,
    at_once: AtOnceFlag = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what was judged and what is due.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another round or plan on this machine.")] = False,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    store: StoreFlag = None,
    machines: MachinesFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Train the model anew with judged cases, and take it through plan, build, push and publish.

    edge.yaml names the command, retrain.command. It reads the cases in the folder EDGEWISE_CASES and the model
    EDGEWISE_MODEL, and writes the new model to EDGEWISE_OUT. A model that is worse on the evaluation data is refused
    (exit code 54); one that is not takes the place of model.file, and is registered with its lineage.

    Let a job run it: where nothing new was judged, it does nothing, and one that was interrupted goes on.

    Example: edgewise retrain --hub https://hub.example --registry registry.example/plant --tree s3://releases/plant
    """
    found = settings(store=store, machines=machines, progress=progress, output=output, hub=hub, database=database)
    asked = running.asked_for(None, last, registry, anew=False)
    project = edgefile.load(edge_yaml)
    wishes = Wishes(
        machines=found.catalogues,
        meter=found.meter,
        base=base,
        platforms=tuple(dict.fromkeys(platform or ())),
        created=source_date_epoch(os.environ),
        key=key,
        password=running.key_password(),
        registry=registry,
        tree=tree,
        at_once=at_once,
        wait=wait,
    )
    opened = None if found.hub else migrate.opened(found.database)
    try:
        asks = hubs.over_http(found.hub, os.environ.get(TOKEN, "")) if opened is None else hubs.at_home(opened)
        rounds = Rounds(
            project=project,
            hub=asks,
            folder=found.store,
            life=lambda version: _life(project, wishes.of(version), found, tree, keys),
        )
        if dry_run:
            _show(rounds.look(), found.output)
            return
        with drawing(found.progress) as listener:
            done = rounds.run(asked, progress=listener, wait=wait)
    finally:
        if opened is not None:
            opened.close()
    _show(done, found.output)


def _life(project: Project, wishes: Wishes, found: Settings, tree: str, keys: Path) -> Life:
    return Life(
        project=project,
        sites=project.sites,
        wishes=wishes,
        outside=Outside(wishes, functools.partial(desk, tree, keys), Listener(found)),
        folder=found.store,
        worker=work_of,
    )


def _show(found: Round, output: Output) -> None:
    if output not in (Output.TABLE, Output.WIDE):
        data(document(found), output)
        return
    sentence(f"{found.cases} judged cases, {found.fresh} of them new: {found.state}")
    if found.judgement is not None:
        told = found.judgement
        sentence(f"{told.metric} {told.new.value:.4g}, before {told.old.value:.4g}, on {told.drop.n} samples")
    if found.version:
        sentence(f"version {found.version}, in the place of {found.parent}")
        sentence(f"  {found.model_digest}")
    if found.steps:
        running.show(found.steps, output)
    if found.state is State.WAITING:
        note("a round is due: edgewise retrain without --dry-run")


def document(found: Round) -> dict[str, object]:
    """A round as JSON holds it."""
    return {
        "state": found.state.value,
        "cases": found.cases,
        "fresh": found.fresh,
        "data_digest": found.data_digest,
        "dataset": None if found.dataset is None else str(found.dataset),
        "version": found.version,
        "parent": found.parent,
        "model_digest": found.model_digest,
        "judgement": None if found.judgement is None else plain(found.judgement),
        "steps": [running.document(one) for one in found.steps],
    }
