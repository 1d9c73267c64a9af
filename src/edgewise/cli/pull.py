"""`edgewise pull`: an image from a registry or a folder into the store."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.strategies.fetch import fetch
from edgewise.cli._references import PlainHttpFlag, PlatformsFlag, ReferrersFlag, name_for, report, somewhere
from edgewise.cli._transfers import drawing
from edgewise.cli.config import Output, Settings, settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import data, names, sentence
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import check_name, parse


def run(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="registry.example/team/app:1.2, or a folder: oci:/media/usb:app.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name in the store; by default what SRC says.")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a model artifact's plain files there instead.", file_okay=False),
    ] = None,
    platforms: PlatformsFlag = None,
    referrers: ReferrersFlag = True,
    plain_http: PlainHttpFlag = None,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Copy an image from a registry or a folder into the store.

    Only what is missing here is fetched; every blob is checked on its way, and the name is set last. What broke off is
    kept, and goes on from there when the same command is run again.

    Example: edgewise pull registry.example/plant/meter-reader:1.2 --platform linux/arm64

    By digest, so that nobody can move the name: edgewise pull registry.example/plant/meter-reader@sha256:...

    A model for a volume or a bucket: edgewise pull registry.example/plant/meter-reader/model:1 --files ./model
    """
    found = settings(store=store, progress=progress, output=output)
    if files is not None:
        _files(source, files, found, plain_http=plain_http)
        return
    wanted = parse(source)
    called = check_name(name if name is not None else name_for(wanted))
    with opened(wanted, plain_http=plain_http) as there, drawing(found.progress) as transfers:
        copied = copy(
            there,
            Layout(found.store),
            wanted.name,
            to=called,
            platforms=platforms,
            with_referrers=referrers,
            transfers=transfers,
        )
    report(copied, called, found.output)


def _files(source: str, folder: Path, found: Settings, *, plain_http: bool | None) -> None:
    wanted = somewhere(source, found.store)
    with opened(wanted, plain_http=plain_http) as there:
        digest = fetch(there, wanted.name, folder)
    match found.output:
        case Output.NAME:
            names([digest])
        case Output.TABLE | Output.WIDE:
            sentence(f"{folder} is {digest}")
        case _:
            data({"folder": str(folder), "model": digest}, found.output)
