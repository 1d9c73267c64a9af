"""First fit: a quick answer without any proof, which the exact one is never worse than."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgewise.design.assign.problem import Kind, Loaded, Option, Problem, fits


@dataclass(slots=True, eq=False)
class _Open:
    kind: Kind
    options: list[Option] = field(default_factory=list)


def first_fit(problem: Problem) -> tuple[Loaded, ...] | None:
    """Models that need most first, each replica on the first machine that carries it, owned ones first.

    None where that leaves a replica without a machine, which proves nothing.
    """
    offered = problem.offered()
    kinds = sorted(problem.kinds, key=lambda kind: kind.price_usd)
    need = {
        demand.model: min((o.busy_cores for o in problem.options if o.model == demand.model), default=0.0)
        for demand in problem.demands
    }
    machines: dict[str, list[_Open]] = {kind.name: [] for kind in kinds}
    for demand in sorted(problem.demands, key=lambda demand: -need[demand.model]):
        for _ in range(demand.replicas):
            if not any(_put(kind, demand.model, offered[kind.name], machines[kind.name]) for kind in kinds):
                return None
    return tuple(
        Loaded(kind=machine.kind.name, options=tuple(machine.options))
        for opened in machines.values()
        for machine in opened
    )


def _put(kind: Kind, model: str, offered: Sequence[Option], opened: list[_Open]) -> bool:
    """Put one replica of `model` on a machine of `kind`, on a new one where the others are full; False if none is."""
    own = [option for option in offered if option.model == model]
    candidates = [*opened, _Open(kind)] if len(opened) < kind.count else opened
    for machine in candidates:
        for option in own:
            if fits(kind, [*machine.options, option]):
                machine.options.append(option)
                if machine not in opened:
                    opened.append(machine)
                return True
    return False
