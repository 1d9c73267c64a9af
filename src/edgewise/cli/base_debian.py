"""`edgewise base debian`: a small base from Debian packages."""

from typing import Annotated

import typer

from edgewise.build import platforms, sbom
from edgewise.build.bases import debian, image
from edgewise.build.compress import Compression
from edgewise.cli._base import TargetArgument, about, place, publish
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, StoreFlag
from edgewise.store.steps import Store


def run(
    target: TargetArgument,
    platform: Annotated[
        list[str] | None, typer.Option(metavar="PLATFORM", help="linux/amd64 or linux/arm64; both without it.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="LINE", help="Line of sources.list(5); Debian 12 without it.")
    ] = None,
    compression: Annotated[Compression, typer.Option(help="Of the layer.")] = Compression.ZSTD,
    output: OutputFlag = None,
    store: StoreFlag = None,
) -> None:
    """Make a base image from Debian packages: Python, no shell.

    Packages come through mmdebstrap once and are kept; the same packages make the same digest on every machine.
    Nothing of another platform is run, so that none needs emulation.
    """
    place(target)
    found = settings(store=store, output=output)
    kept = Store(found.store)
    said = about("debian", "Python on Debian 12 without a shell")
    images = []
    for wanted in [platforms.platform(name) for name in platform or platforms.PLATFORMS]:
        debs = debian.resolve(wanted, kept, sources=source or ())
        note(f"{wanted}: {len(debs)} packages")
        made = debian.base(debs, wanted, kept, mtime=said.created, compression=compression)
        images.append(image.of(made, said, kept, components=[sbom.of_deb(deb) for deb in debs]))
    publish(images, said, target, kept, found.output)
