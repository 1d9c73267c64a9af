"""What the verbs that make a node's files share: options, the description, and how files are shown or written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import File, NodeKind, Workload
from edgewise.cli._say import clean, note
from edgewise.cli.config import settings
from edgewise.errors import NotDeployable
from edgewise.exchange.fields import NAME
from edgewise.flow import generate
from edgewise.hardware import catalogue
from edgewise.store.oci import reference
from edgewise.units import SIZE, parse

ReleaseArgument = Annotated[
    Path, typer.Argument(metavar="RELEASE", help="A release document: what edgewise publish signs.", dir_okay=False)
]
OutFlag = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Folder to write to. Left out: print the files.",
        file_okay=False,
        show_default=False,
    ),
]
NameFlag = Annotated[
    str, typer.Option("--name", help="Name of units and objects. Left out: the model's.", show_default=False)
]
MachineFlag = Annotated[
    str,
    typer.Option("--machine", help="What the node is, by the catalogue (edgewise get machines).", show_default=False),
]
AcceleratorFlag = Annotated[
    str, typer.Option("--accelerator", help="Accelerator of the machine that the server gets.", show_default=False)
]
ShareFlag = Annotated[
    str, typer.Option("--share", help="Share of the accelerator: a MIG profile, as 1g.10gb.", show_default=False)
]
CpusFlag = Annotated[
    float | None, typer.Option("--cpus", help="Cores that the server may take.", min=0.01, show_default=False)
]
MemoryFlag = Annotated[
    str,
    typer.Option(
        "--memory", help="Memory that the server may take. Left out: as measured, with headroom.", show_default=False
    ),
]
NamespaceFlag = Annotated[
    str, typer.Option("--namespace", help="That the objects are in. Left out: edgewise-SITE.", show_default=False)
]
HostFlag = Annotated[str, typer.Option("--host", help="Of the Route. Left out: the cluster's own.", show_default=False)]
VersionFlag = Annotated[
    str, typer.Option("--target-version", help="Version of what runs on the node.", show_default=False)
]


def described(
    release: Path,
    node: NodeKind,
    *,
    name: str,
    machine: str,
    accelerator: str,
    share: str,
    cpus: float | None,
    memory: str,
) -> Workload:
    """The workload of the release document `release`.

    Raises:
        NotDeployable: the node cannot run it.
        NotFound, BadMessage: there is no release.
        UnknownMachine: the catalogue does not have it.
    """
    found, digest = generate.read_release(release)
    wish = Wish(
        name=name,
        machine=catalogue.find(machine, settings().catalogues) if machine else None,
        accelerator=accelerator,
        share=share,
        cpus=cpus,
        memory_bytes=_memory(memory),
    )
    return describe(found, digest, node, wish)


def deliver(files: Sequence[File], out: Path | None) -> None:
    """Write `files` below `out`, or print them, each under its path."""
    if out is not None:
        generate.write(files, out)
        for one in files:
            typer.echo(str(out / one.path))
        note(f"{len(files)} files in {out}")
        return
    for index, one in enumerate(files):
        typer.echo(("\n" if index else "") + f"# {clean(one.path)}")
        typer.echo(one.content.decode().removesuffix("\n"))


def namespace_of(given: str, workload: Workload) -> str:
    """The namespace of the workload's objects.

    Raises:
        NotDeployable: it is no DNS label.
    """
    return check_label(given or f"edgewise-{workload.site}", "--namespace")


def check_label(text: str, flag: str) -> str:
    """`text` if it is a DNS label, as names of objects are.

    Raises:
        NotDeployable: it is none.
    """
    if not NAME.fullmatch(text):
        raise NotDeployable(f"{flag} {text!r} is no DNS label", hint="small letters, digits and dashes, at most 63")
    return text


def pinned(text: str, flag: str) -> str:
    """`text` if it names an image by digest.

    Raises:
        NotDeployable: it names one by tag, or in a folder.
        BadReference: it names none.
    """
    found = reference.parse(text)
    if not isinstance(found, reference.InRegistry) or not found.digest:
        raise NotDeployable(f"{flag} {text!r} has no digest", hint="a tag can change: host/app@sha256:…")
    return f"{found.host}/{found.repository}@{found.digest}"


def _memory(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(parse(text, SIZE))
    except ValueError as error:
        raise NotDeployable(f"--memory {text!r} is no size: {error}", hint="such as 256MiB") from error
