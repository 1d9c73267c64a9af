"""`edgewise plan`: the answer for every site, and its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from edgewise.cli import _device, _plan_fleet, _plan_view, _structures, _trials_view
from edgewise.cli._figures import plain
from edgewise.cli._say import note
from edgewise.cli.config import Output, Settings, settings
from edgewise.cli.options import EdgeFileArgument, MachinesFlag, OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import Column, Json, data, heading, listing
from edgewise.cli.progress import drawing
from edgewise.design import report as reporting
from edgewise.design.device import Device
from edgewise.errors import NoFeasibleDesign
from edgewise.flow import edgefile
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.nouns import Design, Plan, Site
from edgewise.store import atomic


def run(
    edge_yaml: EdgeFileArgument = Path("edge.yaml"),
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this site; may be repeated.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report, a single HTML page.", dir_okay=False)
    ] = None,
    fleet: Annotated[
        Path | None,
        typer.Option(
            metavar="FLEET.YAML",
            help="Plan several models on the machines of a fleet, buying only what it lacks.",
            dir_okay=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the designs that would be tried.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another plan on this machine to end.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure anew what is already in the cache.")] = False,
    device: _device.DeviceFlag = None,
    token_file: _device.TokenFileFlag = None,
    device_name: _device.DeviceNameFlag = None,
    engine: _structures.EngineFlag = None,
    trials: _structures.TrialsFlag = None,
    store: StoreFlag = None,
    machines: MachinesFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Choose what to run at every site, within its budget.

    Builds, evaluates and times the candidates, cheap steps first; what was done before comes from the
    cache. Exit code 20 where nothing fits a site's budget. With --fleet several models are assigned to the
    machines of a fleet, exactly, and the optimality gap is printed.
    """
    found = settings(store=store, machines=machines, progress=progress, output=output)
    if device_name is not None and device is None:
        raise typer.BadParameter("--device-name belongs to --device")
    if device is not None and (fleet is not None or dry_run):
        raise typer.BadParameter("--device measures one project: leave out --fleet, --dry-run")
    if fleet is not None:
        if site or dry_run:
            raise typer.BadParameter("--fleet names its own sites and has nothing to list: leave out --site, --dry-run")
        _plan_fleet.run(fleet, found, report=report, wait=wait, fresh=fresh)
        return
    project = edgefile.load(edge_yaml)
    sites = [project.site(name) for name in dict.fromkeys(site)] if site else project.sites
    _structures.check(project, engine, trials)
    if dry_run:
        propose(project, sites, found)
        return
    planning.check(project, sites, machines=found.catalogues)
    if project.train is not None:
        if device is not None:
            raise typer.BadParameter("--device measures a model that is there: leave out model.train")
        plans = _structures.make(project, sites, found, engine=engine, trials=trials, wait=wait, fresh=fresh)
    else:
        with _device.opened(device, token_file) as place:
            plans = make(project, sites, found, wait=wait, fresh=fresh, device=place, device_name=device_name)
    show(plans, found.output)
    if report is not None:
        write_report(plans, report, found)
    refuse_infeasible(plans)


def make(
    project: Project,
    sites: Sequence[Site],
    found: Settings,
    *,
    wait: bool = False,
    fresh: bool = False,
    device: Device | None = None,
    device_name: str | None = None,
) -> list[Plan]:
    """The plan of each of `sites`, measured on `device` where there is one."""
    catalogues = found.catalogues
    with drawing(found.progress) as listener:
        return [
            planning.plan(
                project,
                site,
                folder=found.store,
                machines=catalogues,
                progress=listener,
                wait=wait,
                fresh=fresh,
                device=device,
                device_name=device_name,
                meter=found.meter,
            )
            for site in sites
        ]


def propose(project: Project, sites: Sequence[Site], found: Settings) -> None:
    """Print the designs, or the dimensions of structures, that would be tried, without trying any."""
    if project.train is not None:
        _structures.propose(project, found)
        return
    rows = [
        (site.name, design) for site in sites for design in planning.propose(project, site, machines=found.catalogues)
    ]
    listing(
        rows,
        found.output,
        columns=[Column(title="SITE", text=lambda row: row[0], wide=len(sites) == 1), *CANDIDATES],
        document=lambda row: cast(Json, {"site": row[0], **cast(dict[str, object], plain(row[1]))}),
        name=lambda row: row[1].name,
    )


def show(plans: Sequence[Plan], output: Output) -> None:
    """Print the answers."""
    match output:
        case Output.TABLE | Output.WIDE:
            for number, plan in enumerate(plans):
                if number:
                    heading("")
                _plan_view.show(plan, wide=output is Output.WIDE)
                _trials_view.show(plan, wide=output is Output.WIDE)
        case Output.NAME:
            for plan in plans:
                _plan_view.show_names(plan)
        case _:
            documents = [planning.document(plan) for plan in plans]
            data(documents[0] if len(documents) == 1 else documents, output)


def write_report(plans: Sequence[Plan], path: Path, found: Settings) -> None:
    """Write the report on `plans`, whole or not at all."""
    logs = {digest: text for plan in plans for digest, text in planning.logs(plan, folder=found.store).items()}
    atomic.write(path, reporting.render(plans, logs).encode())
    note(f"report: {path}")


def refuse_infeasible(plans: Sequence[Plan]) -> None:
    """Raises NoFeasibleDesign for the first plan that has no choice."""
    failed = [plan for plan in plans if plan.choice is None]
    if failed:
        where = ", ".join(plan.site.name for plan in failed)
        hint = "relax a limit as shown above" if failed[0].relaxations else "every reason: edgewise plan -o wide"
        raise NoFeasibleDesign(f"no design fits the budget of {where}", plan=failed[0], hint=hint)


CANDIDATES: list[Column[tuple[str, Design]]] = [
    Column(title="DESIGN", text=lambda row: row[1].name, least=30),
    Column(title="MACHINE", text=lambda row: row[1].machine, drop=1),
    Column(title="RECIPE", text=lambda row: row[1].recipe.name, wide=True),
    Column(title="PRECISION", text=lambda row: row[1].recipe.precision, drop=4),
    Column(title="RUNTIME", text=lambda row: row[1].configuration.runtime, drop=3),
    Column(title="VERSION", text=lambda row: row[1].configuration.version, wide=True),
    Column(title="THREADS", text=lambda row: str(row[1].configuration.threads), right=True, drop=5),
    Column(title="TRIED", text=lambda row: "no" if row[1].failure else "yes"),
    Column(title="WHY NOT", text=lambda row: row[1].failure, wide=True),
]
