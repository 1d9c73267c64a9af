"""`edgewise plan --fleet`: several models on the machines that are there."""

from pathlib import Path

from edgewise.cli import _fleet_view
from edgewise.cli._say import note
from edgewise.cli.config import Output, Settings
from edgewise.cli.output import data
from edgewise.cli.progress import drawing
from edgewise.design.report.fleet import render_fleet
from edgewise.errors import NoFeasibleDesign
from edgewise.flow import fleet as fleets
from edgewise.flow import fleetfile
from edgewise.nouns import FleetPlan
from edgewise.store import atomic


def run(path: Path, found: Settings, *, report: Path | None, wait: bool, fresh: bool) -> None:
    """Plan the fleet of the file at `path`, and print what came out.

    Raises:
        NoFeasibleDesign: the models do not fit; what would help has been printed.
    """
    fleet = fleetfile.load(path)
    with drawing(found.progress) as listener:
        plan = fleets.plan(
            fleet,
            folder=found.store,
            machines=found.catalogues,
            progress=listener,
            wait=wait,
            fresh=fresh,
            meter=found.meter,
        )
    show(plan, found.output)
    if report is not None:
        atomic.write(report, render_fleet(plan).encode())
        note(f"report: {report}")
    if not plan.placements:
        raise NoFeasibleDesign(f"the models of {path} do not fit its machines", plan=plan, hint=_hint(plan))


def show(plan: FleetPlan, output: Output) -> None:
    """Print the answer in the format `output`."""
    match output:
        case Output.TABLE | Output.WIDE:
            _fleet_view.show(plan, wide=output is Output.WIDE)
        case Output.NAME:
            _fleet_view.show_names(plan)
        case _:
            data(fleets.document(plan), output)


def _hint(plan: FleetPlan) -> str:
    return plan.lacking[-1] if plan.lacking else ""
