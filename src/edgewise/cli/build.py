"""`edgewise build`: from the last plan to images in the store."""

import os
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build import platforms
from edgewise.build.compress import Compression
from edgewise.build.epoch import source_date_epoch
from edgewise.build.strategies.bundle import Strategy
from edgewise.cli import _build_view
from edgewise.cli.config import settings
from edgewise.cli.options import EdgeFileArgument, OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.progress import drawing
from edgewise.flow import bases, edgefile
from edgewise.flow import build as building
from edgewise.flow.build import Wishes
from edgewise.flow.naming import FIRST_VERSION

PASSWORD = "EDGEWISE_KEY_PASSWORD"  # noqa: S105 - the name of a variable


def run(
    edge_yaml: EdgeFileArgument = Path("edge.yaml"),
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this site; may be repeated.")] = None,
    strategy: Annotated[Strategy | None, typer.Option(help="Instead of what edge.yaml says.")] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH", help="linux/amd64 or linux/arm64; all that the base has without it."),
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="BASE", help="debian, host (this machine's Python), or the name of an image.")
    ] = bases.DEBIAN,
    model_version: Annotated[str, typer.Option(metavar="VERSION", help="Of the model; the tag too.")] = FIRST_VERSION,
    grpc: Annotated[bool, typer.Option("--grpc", help="A server that speaks gRPC too.")] = False,
    compression: Annotated[Compression, typer.Option(help="Of the layers.")] = Compression.ZSTD,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign with this ECDSA P-256 key, a PEM file.", dir_okay=False)
    ] = None,
    sign_as: Annotated[
        str, typer.Option(metavar="HOST/REPOSITORY", help="What the signature calls the image; its name without it.")
    ] = "",
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write the model's plain files too: FOLDER/MODEL/VERSION/.", file_okay=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be built, under which names.")
    ] = False,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Build what every site needs from its last plan: images, and the model.

    All three strategies are made and counted, for they share their layers; what edge.yaml names, or the figures
    choose, gets a name in the store. No engine and no root are needed, nothing is run, and the same plan gives the same
    digests.

    Example: edgewise build edge.yaml --site press-line --key edgewise.key

    Only this machine, quickly: edgewise build --base host --strategy embedded

    A key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out edgewise.key. Its password, if it has
    one, comes from EDGEWISE_KEY_PASSWORD.
    """
    found = settings(store=store, progress=progress, output=output)
    project = edgefile.load(edge_yaml)
    sites = [project.site(name) for name in dict.fromkeys(site)] if site else project.sites
    password = os.environ.get(PASSWORD)
    wishes = Wishes(
        strategy=strategy or "",
        platforms=tuple(platforms.platform(name) for name in dict.fromkeys(platform or ())),
        base=base,
        version=model_version,
        grpc=grpc,
        compression=compression,
        created=source_date_epoch(os.environ),
        key=key,
        password=password.encode() if password else None,
        signed_as=sign_as,
        files=files,
    )
    if dry_run:
        _build_view.show_intended([building.intended(project, one, wishes) for one in sites], found.output)
        return
    with drawing(found.progress) as listener:
        outcomes = [building.build(project, one, folder=found.store, wishes=wishes, progress=listener) for one in sites]
    _build_view.show(outcomes, found.output)
