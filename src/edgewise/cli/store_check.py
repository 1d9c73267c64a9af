"""`edgewise store check`: whether every byte of a store is what it was."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._say import note
from edgewise.cli._transfers import size, some
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import bullet, data, names, sentence
from edgewise.cli.progress import drawing
from edgewise.errors import NotFound, StoreCorrupt
from edgewise.store.oci.check import Checked, check, damaged_blobs
from edgewise.store.oci.layout import Layout


def run(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="An image layout, as on a USB stick; else the store.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged blobs, so that the next pull fetches them anew.")
    ] = False,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Find every flipped bit in the store.

    Hashes every blob, follows every name to its end and looks at the records of steps. Ends with code 41 where
    something is damaged or missing. Changes nothing without --remove.

    Example: edgewise store check /media/usb/images
    """
    found = settings(store=store, progress=progress, output=output)
    layout = Layout(folder or found.store)
    if not layout.folder.is_dir():
        raise NotFound(f"there is no folder {layout.folder}", hint="check its name")
    with drawing(found.progress) as steps:
        steps.stage("checking blobs", None)
        checked = check(layout, hashed=lambda path: steps.step(path.name[:12]))
    for text in checked.notes:
        note(f"note: {text}")
    _show(checked, found.output)
    if checked.findings:
        bad = damaged_blobs(checked)
        if remove:
            for digest in bad:
                with contextlib.suppress(FileNotFoundError):
                    layout.blobs.path(digest).unlink()
        hint = (
            f"{some(len(bad), 'damaged blob')} removed; pull or build again" if remove else "--remove, then pull again"
        )
        raise StoreCorrupt(f"{layout.folder} has {some(len(checked.findings), 'fault')}", hint=hint)


def _show(checked: Checked, output: Output) -> None:
    match output:
        case Output.TABLE | Output.WIDE:
            for finding in checked.findings:
                bullet(f"{finding.where}: {finding.problem}")
            seen = f"{some(checked.names, 'name')}, {some(checked.blobs, 'blob')}, {size(checked.size_bytes)}"
            sentence(f"{seen}: {some(len(checked.findings), 'fault')}")
        case Output.NAME:
            names([finding.where for finding in checked.findings])
        case _:
            findings = [{"where": one.where, "problem": one.problem} for one in checked.findings]
            document = {"names": checked.names, "blobs": checked.blobs, "size_bytes": checked.size_bytes}
            data({**document, "findings": findings, "notes": list(checked.notes)}, output)
