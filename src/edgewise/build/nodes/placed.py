"""Where a fleet's plan puts a model, as its nodes are told: machine, accelerator, how many, and who shares it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.errors import NotDeployable
from edgewise.exchange.release import Release
from edgewise.nouns import FleetPlan, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A model's place in a fleet.

    Attributes:
        machine: name in the catalogue.
        accelerator: name of the machine's part.
        replicas: machines of that kind that run it.
        shared: whether another model computes on the same part of one of them.
    """

    machine: str
    accelerator: str
    replicas: int
    shared: bool


def place(plan: FleetPlan, release: Release, machine: str = "") -> Place:
    """Where `plan` has the model of `release`.

    Args:
        machine: one of the plan's machines, by its name there or in the catalogue; "" where the model is on one kind.

    Raises:
        NotDeployable: the plan has it nowhere, on several kinds of machines, or by another design.
    """
    kinds = {group.name: group.machine for group in plan.machines}
    own = [one for one in plan.placements if _is_of(one, release)]
    fitting = [one for one in own if machine in ("", one.machines, kinds[one.machines])]
    ways = sorted({(one.machines, one.part) for one in fitting})
    if len(ways) != 1:
        where = ", ".join(sorted({one.machines for one in own})) or "nowhere"
        raise NotDeployable(
            f"the fleet's plan has {release.model_name} of {release.site} on: {where}",
            hint="name one of them by --machine" if own else "was the plan made for this model and site?",
        )
    ((group, part),) = ways
    others = {one.design for one in fitting} - {release.design.name if release.design else ""}
    if release.design is not None and others:
        raise NotDeployable(
            f"the fleet's plan runs {', '.join(sorted(others))}, and the release was made from {release.design.name}",
            hint="its figures do not hold for this release: build that design, or leave the fleet's plan out",
        )
    return Place(
        machine=kinds[group],
        accelerator=part,
        replicas=len(fitting),
        shared=any(_beside(one, plan.placements) for one in fitting),
    )


def _is_of(placement: Placement, release: Release) -> bool:
    """Whether it is a replica of the release's model; where a fleet has a model twice, its site is in the name."""
    name = placement.model.partition(" at ")[0].partition(" (")[0]
    return name == release.model_name and placement.site == release.site


def _beside(one: Placement, placements: Sequence[Placement]) -> bool:
    return any(
        other.model != one.model and (other.machines, other.number, other.part) == (one.machines, one.number, one.part)
        for other in placements
    )
