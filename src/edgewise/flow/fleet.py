"""`plan --fleet`: several models on the machines that are there, and on bought ones only where they must be.

Every model is planned for all machines of the fleet at once, with the store's help; every feasible design becomes an
option on its machine, as far as that has time and memory left; what goes where is decided exactly (`design/assign`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import edgewise
from edgewise.design import sharing
from edgewise.design.assign import Assignment, Demand, Kind, Option, Part, Problem, assign
from edgewise.errors import BadBudget, BadDocument, NotFound
from edgewise.flow import edgefile, fleet_why
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.flow.fleet_options import Offer, offers
from edgewise.flow.fleetfile import Fleet, Group, Wanted
from edgewise.flow.ground import THIS
from edgewise.hardware import catalogue
from edgewise.hardware.probe import probe
from edgewise.nouns import (
    FleetMachines,
    FleetPlan,
    Machine,
    MachineChoice,
    Placement,
    Plan,
    Quantity,
    Site,
    Usage,
)
from edgewise.progress import SILENT, Progress

SECONDS = 60.0
"""For the solver, after everything is measured."""
_FLEET_PLAN = TypeAdapter(FleetPlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model of the fleet with its own plan for all of the fleet's machines.

    Attributes:
        name: unique in the fleet: the model's, with the site's where one model must run for several.
    """

    name: str
    wanted: Wanted
    site: Site
    plan: Plan


def plan(
    fleet: Fleet,
    *,
    folder: Path,
    machines: Sequence[Path] = (),
    progress: Progress = SILENT,
    wait: bool = False,
    fresh: bool = False,
    meter: str = "",
    seconds: float = SECONDS,
) -> FleetPlan:
    """Which model runs where, and what to buy for it.

    Args:
        folder: the store's.
        machines: folders with the user's own catalogue files.
        wait, fresh, meter: as for `flow.plan.plan`, which is asked for every model.
        seconds: for the solver.

    Raises:
        BadInput: a file of the fleet or one that it names cannot be used.
        BadBudget: a machine for sale has no price.
        as `flow.plan.plan`.
    """
    known = {group.machine: _machine(group.machine, machines) for group in fleet.groups}
    groups = tuple(_machines(group, known[group.machine]) for group in fleet.groups)
    projects = [_project(wanted) for wanted in fleet.models]
    names = _names(projects)
    members = [
        Member(
            name=name,
            wanted=wanted,
            site=site,
            plan=planning.plan(
                project,
                _everywhere(site, tuple(known)),
                folder=folder,
                machines=machines,
                progress=progress,
                wait=wait,
                fresh=fresh,
                meter=meter,
            ),
        )
        for name, wanted, (project, site) in zip(names, fleet.models, projects, strict=True)
    ]
    progress.stage("assigning", None)
    return assigned(fleet, groups, known, members, seconds=seconds)


def assigned(
    fleet: Fleet,
    groups: Sequence[FleetMachines],
    machines: Mapping[str, Machine],
    members: Sequence[Member],
    *,
    seconds: float = SECONDS,
) -> FleetPlan:
    """The answer for `members`, each with its plan; pure but for the solver's clock.

    Args:
        machines: by the name that `groups` have for them.
    """
    found = [
        offer
        for member in members
        for group in groups
        for offer in offers(member.name, member.wanted, member.plan, group, machines[group.machine], fleet.busy_at_most)
    ]
    problem = Problem(
        demands=tuple(Demand(model=member.name, replicas=member.wanted.replicas) for member in members),
        kinds=tuple(_kind(group, machines[group.machine], fleet.busy_at_most) for group in groups),
        options=tuple(offer.option for offer in found if offer.option is not None),
    )
    answer = assign(problem, seconds=seconds)
    placements, usages = _placed(answer, members, groups, machines, found)
    bought = {
        group.name: sum(usage.machines == group.name for usage in usages)
        for group in groups
        if group.price_usd is not None and any(usage.machines == group.name for usage in usages)
    }
    price = sum((group.price_usd or 0.0) * bought.get(group.name, 0) for group in groups)
    return FleetPlan(
        edgewise=edgewise.__version__,
        machines=tuple(groups),
        placements=placements,
        usages=usages,
        bought=bought,
        price_usd=price,
        objectives=answer.objectives,
        solver=answer.formulation,
        solve_s=round(answer.seconds, 2),
        why=fleet_why.why(problem, answer, groups, found) if answer.loads is not None else (),
        lacking=() if answer.loads is not None else fleet_why.lacking(problem, answer, groups, found, seconds=seconds),
    )


def document(made: FleetPlan) -> dict[str, Any]:
    """`made` as a JSON document; its format is stable and `schema` describes it."""
    body: dict[str, Any] = _FLEET_PLAN.dump_python(made, mode="json")
    return {"apiVersion": "edgewise/v1", "kind": "FleetPlan"} | body


def read(path: Path) -> FleetPlan:
    """The plan in `path`, as `plan --fleet -o json` printed it.

    Raises:
        NotFound: there is no such file.
        BadDocument: it holds no plan of a fleet.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", hint="edgewise plan --fleet -o json") from error
    try:
        return _FLEET_PLAN.validate_json(content)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False)
        where = ".".join(map(str, first["loc"]))
        raise BadDocument(
            f"{path} holds no plan of a fleet: {where}: {first['msg']}", hint="edgewise plan --fleet -o json"
        ) from error


def schema() -> dict[str, Any]:
    """JSON Schema of `document`."""
    described = _FLEET_PLAN.json_schema(mode="serialization")
    head = {"apiVersion": {"const": "edgewise/v1"}, "kind": {"const": "FleetPlan"}}
    described["properties"] = head | described["properties"]
    described["required"] = [*head, *described["required"]]
    return described


def _machine(name: str, folders: Sequence[Path]) -> Machine:
    return probe(bandwidth=False) if name == THIS else catalogue.find(name, folders)


def _machines(group: Group, machine: Machine) -> FleetMachines:
    price = None
    if not group.owned:
        price = group.price_usd
        if price is None and machine.price is not None:
            price = machine.price.value
        if price is None:
            raise BadBudget(
                f"nobody publishes a price for {group.machine}",
                hint=f"say it: buy: [{{machine: {group.machine}, price: 130USD}}]",
            )
    memory = group.memory_free_bytes
    if memory is None and group.idle == 1 and machine.memory is not None:
        memory = machine.memory.value
    return FleetMachines(
        name=group.name,
        machine=group.machine,
        title=machine.title,
        count=group.count,
        cores=machine.cpu.cores or 1,
        idle=group.idle,
        memory_bytes=memory,
        flash_bytes=group.flash_free_bytes,
        price_usd=price,
    )


def _project(wanted: Wanted) -> tuple[Project, Site]:
    project = edgefile.load(wanted.edge)
    if wanted.site:
        return project, project.site(wanted.site)
    if len(project.sites) > 1:
        known = ", ".join(site.name for site in project.sites)
        raise NotFound(f"{wanted.edge} has several sites, and the fleet names none", hint=f"say which: site: {known}")
    return project, project.sites[0]


def _names(projects: Sequence[tuple[Project, Site]]) -> list[str]:
    """A name for each that no other has: the model's, `model at site`, and with a number where even that is double."""
    plain = [project.name for project, _ in projects]
    at_site = [
        project.name if plain.count(project.name) == 1 else f"{project.name} at {site.name}"
        for project, site in projects
    ]
    return [
        name if at_site.count(name) == 1 else f"{name} ({at_site[: index + 1].count(name)})"
        for index, name in enumerate(at_site)
    ]


def _everywhere(site: Site, machines: Sequence[str]) -> Site:
    """`site` with the fleet's machines as its candidates, free and without a limit on their price.

    What is left of them, and what they cost, is the assignment's work. The name keeps its plan apart from the site's.
    """
    declared = {choice.name: choice for choice in site.machines}
    choices = (declared.get(name, MachineChoice(name=name)) for name in machines)
    limits = tuple(limit for limit in site.budget.limits if limit.quantity is not Quantity.PRICE)
    return replace(
        site,
        name=f"{site.name} (fleet)",
        machines=tuple(replace(choice, idle=None, memory_free_bytes=None, price_usd=None) for choice in choices),
        budget=replace(site.budget, limits=limits),
    )


def _kind(group: FleetMachines, machine: Machine, busy_at_most: float) -> Kind:
    parts = {
        part.name: Part(cores=group.cores, other=1 - group.idle, most_busy=busy_at_most)
        if part is machine.cpu
        else Part(most_busy=busy_at_most)
        for part in machine.accelerators
    }
    return Kind(
        name=group.name,
        count=group.count,
        parts=parts,
        memory_bytes=group.memory_bytes,
        flash_bytes=group.flash_bytes,
        price_usd=group.price_usd or 0.0,
    )


def _placed(
    answer: Assignment,
    members: Sequence[Member],
    groups: Sequence[FleetMachines],
    machines: Mapping[str, Machine],
    found: Sequence[Offer],
) -> tuple[tuple[Placement, ...], tuple[Usage, ...]]:
    """Every machine in use, numbered within its group, with what runs on it."""
    offered = {offer.option: offer for offer in found if offer.option is not None}
    sites = {member.name: member.site.name for member in members}
    placements: list[Placement] = []
    usages: list[Usage] = []
    for group in groups:
        own = [load for load in answer.loads or () if load.kind == group.name for _ in range(load.times)]
        for number, load in enumerate(own, 1):
            usage = _usage(load.options, number, group, machines[group.machine])
            usages.append(usage)
            placements += [
                _placement(offered[option], option, sites[option.model], usage, group, machines[group.machine].cpu.name)
                for option in load.options
            ]
    return tuple(placements), tuple(usages)


def _usage(options: Sequence[Option], number: int, group: FleetMachines, machine: Machine) -> Usage:
    planned = {
        part.name: sum(option.busy_cores for option in options if option.part == part.name)
        / (group.cores if part is machine.cpu else 1)
        for part in machine.accelerators
    }
    used = {name: share for name, share in planned.items() if share and name != machine.cpu.name}
    return Usage(
        machines=group.name,
        number=number,
        other=1 - group.idle,
        planned={machine.cpu.name: planned[machine.cpu.name]} | used,
        memory_bytes=sum(option.memory_bytes for option in options),
        flash_bytes=sum(option.flash_bytes for option in options),
    )


def _placement(offer: Offer, option: Option, site: str, usage: Usage, group: FleetMachines, cpu: str) -> Placement:
    """One replica, with its figures beside everything else on its machine, itself included."""
    on_cpu = option.part == cpu
    busy = usage.planned[option.part] + (usage.other if on_cpu else 0.0)
    return Placement(
        model=option.model,
        site=site,
        design=option.design,
        machines=group.name,
        number=usage.number,
        part=option.part,
        rate_per_s=offer.rate_per_s,
        busy_cores=option.busy_cores,
        figures=sharing.left_over(
            offer.figures,
            idle=1 - busy,
            cores=group.cores if on_cpu else 1,
            threads=offer.threads if on_cpu else 1,
        ),
    )
