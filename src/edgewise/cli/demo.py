"""`edgewise demo`: from nothing to a plan and its report, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli import plan as planning
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.progress import drawing
from edgewise.errors import EdgewiseError
from edgewise.flow import edgefile
from edgewise.flow.demo import meter
from edgewise.store import atomic

MARK = ".edgewise-demo"


def run(
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where model, data and edge.yaml are put.", file_okay=False)
    ] = Path("edgewise-demo"),
    report: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where the report is put. Default: in the folder.", dir_okay=False),
    ] = None,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Train a small model, plan it for this machine and show the report.

    The model reads the digits of a meter. It takes a few minutes, the second time far less.
    """
    found = settings(store=store, progress=progress, output=output)
    prepare(folder)
    with drawing(found.progress) as listener:
        trained = meter.train(listener)
    edge_yaml = meter.write(folder, trained)
    project = edgefile.load(edge_yaml)
    plans = planning.make(project, project.sites, found)
    planning.show(plans, found.output)
    planning.write_report(plans, report or folder / "report.html", found)
    planning.refuse_infeasible(plans)
    note(f"try next: edgewise explain {edge_yaml}")
    note(f"          edgewise inspect {project.model_paths[0]}")
    note(f"          a tighter budget in {edge_yaml}, then: edgewise plan {edge_yaml}")


def prepare(folder: Path) -> None:
    """Make `folder` the demo's own.

    Raises:
        EdgewiseError: it holds files that are not the demo's, which would be overwritten.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise EdgewiseError(f"{folder} holds files of yours", hint="name another folder: --folder DIR")
    atomic.write(folder / MARK, b"This folder belongs to `edgewise demo`, which overwrites it.\n")
