"""`edgewise pull`: an image from a registry or a folder into the store."""

from typing import Annotated

import typer

from edgewise.cli._references import PlainHttpFlag, PlatformsFlag, ReferrersFlag, name_for, report
from edgewise.cli._transfers import drawing
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
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
    """
    found = settings(store=store, progress=progress, output=output)
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
