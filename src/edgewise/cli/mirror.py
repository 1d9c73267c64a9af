"""`edgewise mirror`: releases, with all that devices need of them, carried to where there is no network."""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._transfers import drawing, size, some
from edgewise.cli._trees import KEYS, TREE
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag, ProgressFlag
from edgewise.cli.output import data, names, sentence
from edgewise.core.releases import images, mirror
from edgewise.core.releases.found import TRUSTED_ROOT
from edgewise.core.releases.mirror import Load
from edgewise.core.releases.places import opened
from edgewise.core.releases.web import Folder, Web
from edgewise.errors import BadReference, NotFound
from edgewise.exchange.fetch import Fetch
from edgewise.store.oci.layout import Layout


def run(
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="A folder, as on a USB stick; or a bucket or a web root.")
    ],
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="TREE", envvar="EDGEWISE_TREE", help="A folder, or an address http(s)://HOST/PATH."
        ),
    ] = TREE,
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this site, and those that DEST has; may be repeated."),
    ] = None,
    root: Annotated[
        Path, typer.Option(metavar="FILE", help="What devices trust from the beginning.", dir_okay=False)
    ] = KEYS / TRUSTED_ROOT,
    with_images: Annotated[
        bool, typer.Option("--images/--no-images", help="Images too, or metadata alone, as for a bucket or a web root.")
    ] = True,
    prune: Annotated[bool, typer.Option("--prune", help="Then remove what no release on offer uses.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing, and write nothing.")] = False,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Carry the releases of a tree, with their images, to where there is no network.

    What comes is verified from the root on, as a device does it, and only what is missing is copied; what broke off
    goes on. Images lie in the folder images beside the metadata, so that this one folder is all that a device needs.
    The timestamp is written last: who reads, or pulls the stick, at any instant has the old releases or the new.

    Example: edgewise mirror /media/usb/releases --from https://releases.example/plant
    """
    found = settings(progress=progress, output=output)
    base, trusted = _address(source), _root(root)
    with contextlib.closing(Fetch()) as fetch, opened(destination) as place:
        layout = _layout(place, with_images, prune)
        with contextlib.nullcontext() if dry_run else place.held(), drawing(found.progress) as transfers:
            load = mirror.survey(base, trusted, site or (), place, layout, fetch=fetch)
            if not dry_run:
                mirror.carry(load, place, layout, transfers=transfers)
            freed = 0
            if prune and isinstance(place, Folder):
                freed = mirror.prune(load.source, place, layout, dry_run=dry_run)
    _report(load, destination, freed, dry_run, found.output)


def _address(source: str) -> str:
    if source.startswith(("http://", "https://", "file://")):
        return source.rstrip("/")
    if "://" in source:
        raise BadReference(f"{source!r} cannot be read from", hint="a bucket has an address https://…, too")
    return Path(source).expanduser().resolve().as_uri()


def _root(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}", hint="--root names what edgewise keys init hands out to devices"
        ) from error


def _layout(place: Web, with_images: bool, prune: bool) -> Layout | None:
    if isinstance(place, Folder):
        return images.layout_of(place.folder) if with_images else None
    if with_images or prune:
        raise typer.BadParameter("a bucket or a web root takes metadata alone: --no-images, and no --prune")
    return None


def _report(load: Load, destination: str, freed: int, dry_run: bool, output: Output) -> None:
    found = load.source
    match output:
        case Output.NAME:
            names(list(found.releases))
        case Output.JSON | Output.YAML:
            document = {
                "destination": destination,
                "version": found.version,
                "expires_s": found.expires_s,
                "sites": list(found.carries),
                "releases": list(found.releases),
                "files": len(load.files),
                "file_bytes": load.file_bytes,
                "blobs": len(load.blobs),
                "blob_bytes": load.blob_bytes,
                "pruned_bytes": freed,
                "dry_run": dry_run,
            }
            data(document, output)
        case _:
            for digest, one in found.releases.items():
                sentence(f"{one.site}: {one.version}, {digest}")
            what = (
                f"{some(len(load.files), 'file')} of the tree ({size(load.file_bytes)}) and "
                f"{some(len(load.blobs), 'blob')} of images ({size(load.blob_bytes)})"
            )
            until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(found.expires_s))
            if not load.files and not load.blobs:
                sentence(f"{destination} has everything already")
            else:
                sentence(f"{what} {'are missing at' if dry_run else 'were carried to'} {destination}")
            if freed:
                sentence(f"{size(freed)} {'would be' if dry_run else 'were'} given back: no release uses it")
            sentence(f"version {found.version}, in force until {until} UTC")
