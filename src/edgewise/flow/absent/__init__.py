"""Designs for the machines of a site that are not here.

What the vendor's compiler tells is taken from it; what nobody can compile here is estimated from published figures,
with the interval that such estimates have earned. Nothing is run on these machines, and every figure says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.design import estimate
from edgewise.design.estimate import Estimated, Observation
from edgewise.flow import recalibration
from edgewise.flow.absent import collapse, compiled, estimated, sources
from edgewise.flow.absent.sources import NoSource, Source
from edgewise.flow.candidates import Evaluated, Work
from edgewise.flow.ground import Absent, Ground
from edgewise.nouns import Advice, Design, Plan, RuntimeName, Site

TAKES_HALF = estimated.HALF | {RuntimeName.OPENVINO}
TAKES_INT8_TFLITE = estimated.INTEGER | {RuntimeName.VELA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Designs for machines that are not here.

    Attributes:
        significant: names of those whose drop the paired test calls one.
        not_planned: machines without any design, with the reason.
        advice: what binds the compiled designs.
        estimated: what the others stand on, by name.
    """

    designs: tuple[Design, ...]
    significant: frozenset[str]
    not_planned: dict[str, str]
    advice: tuple[Advice, ...]
    estimated: Mapping[str, Estimated]


def designs(here: Sequence[Design], evaluated: Evaluated, site: Site, base: Ground, work: Work) -> Elsewhere:
    """Designs for every machine of `site` that is not here.

    Args:
        here: the designs for the machine at hand, timed: what runs here can be taken elsewhere too.
    """
    wanted = {runtime for machine in base.absent for runtime in machine.runtimes}
    integer = sources.int8_tflite(evaluated, work) if wanted & TAKES_INT8_TFLITE else None
    half = sources.half(evaluated, work) if wanted & TAKES_HALF else None
    observations = estimate.published(base.folders) if base.absent else ()
    observations += _measured_there(base.absent, work)
    found: list[Design] = []
    advice: list[Advice] = []
    stands_on: dict[str, Estimated] = {}
    significant: set[str] = set()
    not_planned: dict[str, str] = {}
    for machine in base.absent:
        made: list[Design] = []
        for part in machine.machine.accelerators:
            if RuntimeName.VELA in part.compilers and isinstance(integer, Source):
                outcome = compiled.designs(integer, machine, part, site.budget, work)
                made += outcome.designs
                advice += outcome.advice
        others = estimated.designs(here, evaluated, integer, half, machine, work, observations)
        made += others.designs
        made += collapse.designs(here, evaluated, machine, work)
        significant |= others.significant
        stands_on |= others.estimated
        if isinstance(integer, Source) and integer.significant:
            significant |= {design.name for design in made if design.recipe == integer.variant.recipe}
        if not made:
            not_planned[machine.choice.name] = _nothing(machine, integer)
        found += made
    return Elsewhere(
        designs=tuple(found),
        significant=frozenset(significant),
        not_planned=not_planned,
        advice=tuple(advice),
        estimated=stands_on,
    )


def _measured_there(absent: Sequence[Absent], work: Work) -> tuple[Observation, ...]:
    """What `plan --device --device-name` has measured on these machines."""
    known = [recalibration.recall(work.store, machine=entry.machine.name) for entry in absent]
    layers = {network.name: network.layers for one in known for network in one.networks}
    return tuple(estimate.measured(row, layers[row.network]) for one in known for row in one.rows)


def _nothing(machine: Absent, integer: Source | NoSource | None) -> str:
    if isinstance(integer, NoSource) and machine.runtimes & TAKES_INT8_TFLITE:
        return f"{machine.machine.title} wants an int8 TFLite file; {integer.reason}"
    return f"{machine.machine.title} is not at hand, and nothing published supports an estimate for it"


def finished(plan: Plan, work: Work) -> Plan:
    """`plan` with the file of the chosen design compiled, where it is one that a compiler makes."""
    if plan.choice is None:
        return plan
    design = plan.verdict(plan.choice).design
    if design.configuration.runtime is not RuntimeName.VELA:
        return plan
    complete = compiled.finished(design, work)
    verdicts = (replace(v, design=complete) if v.design is design else v for v in plan.verdicts)
    return replace(plan, verdicts=tuple(verdicts))
