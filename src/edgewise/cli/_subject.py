"""What shall run on a node: the options that every verb shares which makes or deploys its files, as a workload."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind, Workload
from edgewise.build.nodes.placed import place
from edgewise.cli._say import note
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import StoreFlag
from edgewise.errors import NotDeployable, UnknownMachine
from edgewise.exchange.fields import NAME
from edgewise.flow import edgefile, release_source
from edgewise.flow.release_source import Sought
from edgewise.hardware import catalogue
from edgewise.nouns import Machine
from edgewise.units import SIZE, parse

RELEASE = "Which release"
NODE = "What the node is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What shall run, and what is said of the node: the options that all verbs share which make a node's files."""

    release: Annotated[
        str,
        typer.Argument(
            metavar="RELEASE",
            help="A release document; an edge.yaml, for the last build of its site; or what is published, by digest or"
            " site. Left out: edge.yaml.",
            show_default=False,
        ),
    ] = ""
    site: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of edge.yaml. Left out: the one of this kind.",
            show_default=False,
            rich_help_panel=RELEASE,
        ),
    ] = ""
    source: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Of a build: where its images were pushed to, registry.example/plant.",
            show_default=False,
            rich_help_panel=RELEASE,
        ),
    ] = ""
    model_version: Annotated[str, typer.Option(metavar="VERSION", help="Of a build.", rich_help_panel=RELEASE)] = "1"
    candidate: Annotated[
        bool,
        typer.Option("--candidate", help="Of a site: the release whose rollout is under way.", rich_help_panel=RELEASE),
    ] = False
    stage: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of the rollout, from 1. Left out: the one that it is at.",
            min=1,
            show_default=False,
            rich_help_panel=RELEASE,
        ),
    ] = None
    tree: TreeFlag = TREE
    keys: KeysFlag = KEYS
    store: StoreFlag = None
    name: Annotated[
        str, typer.Option("--name", help="Name of units and objects. Left out: the model's.", show_default=False)
    ] = ""
    machine: Annotated[
        str,
        typer.Option(
            help="By the catalogue (edgewise get machines). Left out: the release's own.",
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = ""
    accelerator: Annotated[
        str,
        typer.Option(
            help="Of the machine, that the server gets. Left out: the release's own.",
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = ""
    share: Annotated[
        str,
        typer.Option(help="Of the accelerator: a MIG profile, as 1g.10gb.", show_default=False, rich_help_panel=NODE),
    ] = ""
    fleet_plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What plan --fleet -o json printed: says machine, accelerator and who shares it.",
            dir_okay=False,
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = None
    cpus: Annotated[
        float | None,
        typer.Option(
            help="Cores that the server may take. Left out: as measured.",
            min=0.01,
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = None
    memory: Annotated[
        str,
        typer.Option(
            help="Memory that it may take. Left out: as measured, with headroom.",
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = ""
    target_version: Annotated[
        str,
        typer.Option(
            metavar="VERSION|NODE",
            help="Version of what runs on the node, or where it is read: ssh://[USER@]HOST, or kubernetes.",
            show_default=False,
            rich_help_panel=NODE,
        ),
    ] = ""


Verb = Callable[..., None]


def of_subject(verb: Verb) -> Verb:
    """`verb(subject, …)` as typer takes it: the fields of `Subject` are parameters of its command line."""

    @functools.wraps(verb)
    def run(**given: object) -> None:
        own = {field.name: given.pop(field.name) for field in dataclasses.fields(Subject)}
        verb(Subject(**own), **given)  # type: ignore[arg-type]  # typer has checked them

    _, *others = inspect.signature(verb, eval_str=True).parameters.values()
    shared = inspect.signature(Subject, eval_str=True).parameters.values()
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared, *others)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A workload, and how far the rollout of its release goes: None where none is under way."""

    workload: Workload
    percent: float | None


def described(subject: Subject, node: NodeKind) -> Described:
    """The workload that `subject` is on a `node`.

    Raises:
        NotDeployable: the node cannot run it.
        NotFound, BadMessage, BadDocument, NotTrusted: there is no such release.
        UnknownMachine: the catalogue does not have the machine.
    """
    found = _sought(subject, node)
    if not found.published:
        note(f"the last build of {found.release.site}, which is not published: {found.digest}")
    return Described(workload=describe(found.release, found.digest, node, _wish(subject, found)), percent=found.percent)


def _sought(subject: Subject, node: NodeKind) -> Sought:
    name = subject.release or "edge.yaml"
    if name.endswith((".yaml", ".yml")):
        if not subject.source:
            raise typer.BadParameter("--source is needed: where the images of the build were pushed to")
        project = edgefile.load(Path(name))
        return release_source.built(
            project,
            release_source.site_of(project, subject.site, node),
            folder=settings(store=subject.store).store,
            source=subject.source,
            version=subject.model_version,
        )
    if Path(name).exists() or not (NAME.fullmatch(name) or release_source.DIGEST.fullmatch(name)):
        return release_source.in_file(Path(name))
    with desk(subject.tree, subject.keys) as where:
        return release_source.published(where, name, candidate=subject.candidate, stage=subject.stage)


def _wish(subject: Subject, found: Sought) -> Wish:
    machine, accelerator, replicas, shared = subject.machine, subject.accelerator, 1, False
    if subject.fleet_plan is not None:
        from edgewise.flow import fleet  # noqa: PLC0415 - plans need the design extra, releases do not

        placed = place(fleet.read(subject.fleet_plan), found.release, machine)
        machine, replicas, shared = placed.machine, placed.replicas, placed.shared
        accelerator = accelerator or placed.accelerator
    return Wish(
        name=subject.name,
        machine=_machine(machine, found),
        accelerator=accelerator,
        share=subject.share,
        shared=shared,
        replicas=replicas,
        cpus=subject.cpus,
        memory_bytes=_memory(subject.memory),
    )


def _machine(name: str, found: Sought) -> Machine | None:
    """What is asked for, else what the release's design ran on, as far as anybody here knows it."""
    design = found.release.design
    wanted = name or (design.machine if design else "")
    planned = next((one for one in found.machines if one.name == wanted), None)
    if planned is not None or not wanted:
        return planned
    try:
        return catalogue.find(wanted, settings().catalogues)
    except UnknownMachine:
        if name:
            raise
        return None


def _memory(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(parse(text, SIZE))
    except ValueError as error:
        raise NotDeployable(f"--memory {text!r} is no size: {error}", hint="such as 256MiB") from error
