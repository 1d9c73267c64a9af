"""What the verbs that make a node's files share: how files are shown or written, and names that are checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.device import As
from edgewise.cli._say import clean, note
from edgewise.errors import NotDeployable
from edgewise.exchange.fields import NAME
from edgewise.flow import generate
from edgewise.store.oci import reference

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
KindFlag = Annotated[
    As, typer.Option("--as", help="On a device: .container, .pod, .kube; or a service without a container engine.")
]
PythonFlag = Annotated[str, typer.Option(help="With --as service: of the environment on the device.")]
UserFlag = Annotated[bool, typer.Option("--user", help="On a device: for a user's systemd, without privileges.")]
NamespaceFlag = Annotated[
    str, typer.Option("--namespace", help="That the objects are in. Left out: edgewise-SITE.", show_default=False)
]
HostFlag = Annotated[str, typer.Option("--host", help="Of the Route. Left out: the cluster's own.", show_default=False)]


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
