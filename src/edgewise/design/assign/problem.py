"""What is assigned to what: demands, kinds of machines, and the options of one on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewise.nouns import Objective

ROUNDING = 1e-6
"""Sums of shares may exceed what there is by so much: to that the solver keeps its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A model that must run, as `replicas` alike, each on another machine."""

    model: str
    replicas: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What computes in a machine: its CPU, or an accelerator, which does one thing at a time.

    Attributes:
        cores: 1 for an accelerator.
        other: share of the cores' time that other work takes, 0 to 1.
        most_busy: share of the cores' time, other work included, that may be planned, 0 to 1.
    """

    cores: int = 1
    other: float = 0.0
    most_busy: float = 1.0


CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Machines that are alike.

    Attributes:
        count: how many there are, or how many may be bought.
        parts: what computes in one machine, by name.
        memory_bytes, flash_bytes: free on one machine, None where there is no limit.
        price_usd: of one machine, 0 where it is owned.
    """

    name: str
    count: int
    parts: Mapping[str, Part] = field(default_factory=lambda: {CPU: Part()})
    memory_bytes: float | None = None
    flash_bytes: float | None = None
    price_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One replica of a model as one design on one machine of a kind.

    Attributes:
        part: name of the part that it computes on.
        busy_cores: cores of that part that it keeps busy on average: rate x time of one inference x threads.
        watt: what it draws on average, None where nobody knows.
        most_busy: share of the part's cores' time, other work and itself included, up to which it keeps its limits;
            1 where it has none.
    """

    model: str
    kind: str
    design: str
    busy_cores: float
    part: str = CPU
    memory_bytes: float = 0.0
    flash_bytes: float = 0.0
    watt: float | None = None
    most_busy: float = 1.0

    def dominates(self, other: "Option") -> bool:
        """True where this one asks for no more than `other` in anything, at the same place for the same model."""
        if (self.model, self.kind, self.part) != (other.model, other.kind, other.part) or (self.watt is None) != (
            other.watt is None
        ):
            return False
        mine = (self.busy_cores, self.memory_bytes, self.flash_bytes, self.watt or 0.0, -self.most_busy)
        theirs = (other.busy_cores, other.memory_bytes, other.flash_bytes, other.watt or 0.0, -other.most_busy)
        return all(a <= b for a, b in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """All that is to be decided. Options name demands and kinds that there are; best designs first."""

    demands: tuple[Demand, ...]
    kinds: tuple[Kind, ...]
    options: tuple[Option, ...]

    @property
    def replicas(self) -> int:
        """All replicas of all models."""
        return sum(demand.replicas for demand in self.demands)

    def offered(self) -> Mapping[str, Sequence[Option]]:
        """By kind, the options that fit an otherwise empty machine of it and that no other dominates."""
        kinds = {kind.name: kind for kind in self.kinds}
        found: dict[str, list[Option]] = {name: [] for name in kinds}
        for option in self.options:
            chosen = found[option.kind]
            if fits(kinds[option.kind], [option]) and not any(other.dominates(option) for other in chosen):
                found[option.kind] = [*(other for other in chosen if not option.dominates(other)), option]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`times` machines of a kind that all carry `options`."""

    kind: str
    options: tuple[Option, ...]
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The answer to a problem.

    Attributes:
        loads: None where there is none: proven where `impossible`, else not found in time.
        objectives: what was reached and what is proven, in order of importance.
        formulation: how the question was put to the solver.
        seconds: taken.
    """

    loads: tuple[Loaded, ...] | None
    objectives: tuple[Objective, ...] = ()
    impossible: bool = False
    formulation: str = ""
    seconds: float = 0.0


def fits(kind: Kind, options: Sequence[Option]) -> bool:
    """True where one machine of `kind` carries all of `options` at a time, each model at most once."""
    if len({option.model for option in options}) < len(options):
        return False
    if not all(_has_time(kind.parts[name], options, name) for name in {option.part for option in options}):
        return False
    memory, flash = (
        sum(getattr(option, resource) for option in options) for resource in ("memory_bytes", "flash_bytes")
    )
    return _room(memory, kind.memory_bytes) and _room(flash, kind.flash_bytes)


def power_known(options: Sequence[Option]) -> bool:
    """True where every option's power is known, so that power can be minimised."""
    return bool(options) and all(option.watt is not None for option in options)


def costs(kind: Kind, options: Sequence[Option], *, in_watt: bool) -> tuple[float, float, float]:
    """What one machine adds to each objective: USD, watts or busy cores, machines."""
    work = sum((option.watt or 0.0) if in_watt else option.busy_cores for option in options)
    return (kind.price_usd, work, 1.0) if options else (0.0, 0.0, 0.0)


def names(*, in_watt: bool) -> tuple[tuple[str, str], ...]:
    """The objectives in their order, each with its unit."""
    work = ("power", "W") if in_watt else ("busy cores", "")
    return (("price of what is bought", "USD"), work, ("machines in use", ""))


def total(problem: Problem, loads: Sequence[Loaded], *, in_watt: bool) -> tuple[float, ...]:
    """What `loads` reach in each objective."""
    kinds = {kind.name: kind for kind in problem.kinds}
    rows = [[load.times * cost for cost in costs(kinds[load.kind], load.options, in_watt=in_watt)] for load in loads]
    return tuple(sum(column) for column in zip(*rows, strict=True)) if rows else (0.0, 0.0, 0.0)


def _has_time(part: Part, options: Sequence[Option], name: str) -> bool:
    own = [option for option in options if option.part == name]
    busy = part.other + sum(option.busy_cores for option in own) / part.cores
    return busy <= min([part.most_busy, *(option.most_busy for option in own)]) + ROUNDING


def _room(taken: float, free: float | None) -> bool:
    return free is None or taken <= free * (1 + ROUNDING)
