"""`edgewise demo`: from nothing to a plan, its report, and a device that refuses what is wrong, on this machine."""

import webbrowser
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
from edgewise.flow.demo import life, meter
from edgewise.flow.demo.life import BAD, GOOD, PICTURES, Happened
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
    keep: Annotated[bool, typer.Option("--keep", help="Leave the hub and the device running.")] = False,
    browse: Annotated[
        bool, typer.Option("--open", help="Open the hub's page in a browser; they are left running.")
    ] = False,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Train a small model, plan it for this machine, and let a device run it.

    The model reads the digits of a meter. What the plan chose is published twice: as it is, and with a golden that it
    does not reproduce. A real agent takes the first and refuses the second, and a real hub hears of both. It takes a
    few minutes, the second time far less, and everything that was started is ended.
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
    with drawing(found.progress) as listener:
        happened = life.live(project, folder, store=found.store, keep=keep or browse, progress=listener)
    tell(happened, folder)
    if browse:
        webbrowser.open(happened.hub)
    note(f"try next: edgewise explain {edge_yaml}")
    note(f"          edgewise inspect {project.model_paths[0]}")
    note(f"          a tighter budget in {edge_yaml}, then: edgewise plan {edge_yaml}")


def tell(happened: Happened, folder: Path) -> None:
    """What became of the two releases, and where to look."""
    right = f"{happened.right} of {PICTURES} pictures are read right over HTTP"
    note(f"release {GOOD}, {happened.design}: the device proved it and serves it; {right}")
    note(f"release {BAD}, whose golden expects other answers: refused before it answered anybody")
    note(f"  {happened.reason}")
    note(f"the hub heard of both: device {happened.device} is {happened.status}, not up to date")
    note(f"look at:  edgewise get devices --database {happened.database}")
    note(f"          edgewise agent logs --root {folder / 'device'}")
    if happened.left_running:
        token = f"edgewise create user-token me --role operator --database {happened.database}"
        note(f"          {happened.hub} with a token of: {token}")
        note(f"to end hub and device: kill {' '.join(map(str, happened.left_running))}")


def prepare(folder: Path) -> None:
    """Make `folder` the demo's own.

    Raises:
        EdgewiseError: it holds files that are not the demo's, which would be overwritten.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise EdgewiseError(f"{folder} holds files of yours", hint="name another folder: --folder DIR")
    atomic.write(folder / MARK, b"This folder belongs to `edgewise demo`, which overwrites it.\n")
