"""`edgewise store gc`: give back the space of what nothing needs any more."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._transfers import size, some
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag, StoreFlag
from edgewise.cli.output import data, names, sentence
from edgewise.errors import NotFound
from edgewise.store.oci.gc import GRACE_S, collect
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from edgewise.units import TIME, parse


def run(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="An image layout, as on a USB stick; else the store.")
    ] = None,
    forget: Annotated[
        list[str] | None, typer.Option("--forget", metavar="NAME", help="First forget this name; may be given again.")
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="First forget what was computed for plans and builds, too.")
    ] = False,
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="Keep what is younger: it may be on its way into an image.")
    ] = f"{GRACE_S / 3600:.0f}h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    store: StoreFlag = None,
    output: OutputFlag = None,
) -> None:
    """Remove blobs that nothing reaches.

    What a name, a signature of a named image or a kept result of a plan reaches stays. Where a document cannot be read,
    nothing is removed.

    Example: edgewise store gc --forget meter-reader:1.1 --dry-run
    """
    found = settings(store=store, output=output)
    layout = Layout(folder or found.store)
    if not layout.folder.is_dir():
        raise NotFound(f"there is no folder {layout.folder}", hint="check its name")
    try:
        grace_s = parse(grace, TIME) / 1e3
    except ValueError as error:
        raise typer.BadParameter(f"--grace: {error}") from None
    if dry_run and (forget or steps):
        raise typer.BadParameter("--forget and --steps change the store: try them without --dry-run")
    for name in forget or ():
        layout.untag(name)
    if steps:
        Store(layout.folder).forget()
    collected = collect(layout, grace_s=grace_s, dry_run=dry_run)
    match found.output:
        case Output.TABLE | Output.WIDE:
            verb = "would be removed" if dry_run else "removed"
            gone = f"{some(len(collected.digests), 'blob')} {verb}, {size(collected.freed_bytes)}"
            sentence(f"{gone}; {collected.kept} kept")
        case Output.NAME:
            names(list(collected.digests))
        case _:
            digests = list(collected.digests)
            data({"removed": digests, "freed_bytes": collected.freed_bytes, "kept": collected.kept}, found.output)
