"""`edgewise push`: an image of the store to a registry or a folder."""

from typing import Annotated

import typer

from edgewise.cli._references import PlainHttpFlag, PlatformsFlag, ReferrersFlag, in_store, name_at, near, report
from edgewise.cli._transfers import drawing
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
from edgewise.store.oci.copy import copy
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import parse


def run(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="A name in the store, or a folder: app:1.2, oci:/path:app.")
    ],
    destination: Annotated[
        str,
        typer.Argument(metavar="DEST", help="registry.example/team/app:1.2, or a folder: oci:/media/usb, ./folder."),
    ],
    platforms: PlatformsFlag = None,
    referrers: ReferrersFlag = True,
    plain_http: PlainHttpFlag = None,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Copy an image from the store to a registry or a folder.

    Only what is missing there is sent; every blob is checked on its way, and the name is set last. A push that broke
    off goes on when it is run again. Passwords are those of `skopeo login`, `podman login` or `docker login`.

    Example: edgewise push meter-reader:1.2 registry.example/plant/meter-reader:1.2

    A USB stick is a folder: edgewise push meter-reader:1.2 oci:/media/usb/images
    """
    found = settings(store=store, progress=progress, output=output)
    source, target = in_store(reference, found.store), parse(destination)
    name = name_at(target, source)
    with (
        opened(source) as here,
        opened(target, plain_http=plain_http, near=near(found.store)) as there,
        drawing(found.progress) as transfers,
    ):
        copied = copy(
            here,
            there,
            source.name,
            to=name,
            platforms=platforms,
            with_referrers=referrers,
            transfers=transfers,
        )
    report(copied, destination, found.output)
