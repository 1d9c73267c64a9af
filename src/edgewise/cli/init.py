"""`edgewise init`: a first edge.yaml."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._say import note
from edgewise.design import data as design_data
from edgewise.design import models
from edgewise.errors import EdgewiseError, NotFound
from edgewise.flow import starter
from edgewise.nouns import Model
from edgewise.store import atomic

USUAL_DATA = ("eval.npz", "data.npz", "test.npz")


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx or .tflite file.", dir_okay=False)],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="An .npz with arrays x and y. Left out: one beside the model.", dir_okay=False
        ),
    ] = None,
    write: Annotated[
        Path, typer.Option("--write", "-o", metavar="PATH", help="Where to write it.", dir_okay=False)
    ] = Path("edge.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it instead of writing it.")] = False,
) -> None:
    """Write an edge.yaml by looking at a model.

    The metric is guessed from the outputs and the labels; comments say what each line is for.
    """
    if data is not None and not data.is_file():
        raise NotFound(f"there is no file {data}", hint="--data names an .npz with arrays x and y")
    described = models.read(model)
    found = data or data_beside(model)
    text = starter.draft(described, model, found, write.parent)
    if dry_run:
        sys.stdout.write(text)
        return
    if os.path.lexists(write) and not force:
        raise EdgewiseError(f"{write} is already there", hint="--force replaces it, --write PATH writes elsewhere")
    atomic.write(write, text.encode())
    note(f"wrote {write}")
    if found is None:
        note(f"no data found beside the model: put an .npz there, or correct the line `data` in {write}")
    elif misfit := why_not(found, described):
        note(f"{'the data' if data else f'{found}, found beside the model,'} does not fit yet: {misfit}")
    note("next: edgewise plan" + ("" if write.name == "edge.yaml" and write.parent == Path() else f" {write}"))


def why_not(data: Path, model: Model) -> str:
    """Why `data` cannot judge `model`, "" where it can."""
    try:
        design_data.load(str(data.resolve()), model, seed=0, folder=data.resolve().parent)
    except EdgewiseError as error:
        return error.message
    return ""


def data_beside(model: Path) -> Path | None:
    """The .npz beside the model: of its own name, of a usual name, or the only one; else None."""
    beside = sorted(model.parent.glob("*.npz"))
    for name in (f"{model.stem}.npz", *USUAL_DATA):
        if model.with_name(name) in beside:
            return model.with_name(name)
    return beside[0] if len(beside) == 1 else None
