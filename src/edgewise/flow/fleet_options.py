"""What a model's plan offers on the machines of a fleet: options that keep up, and why the others do not. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgewise import units
from edgewise.design import sharing
from edgewise.design.assign import Option
from edgewise.flow.fleetfile import Wanted
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Design,
    FleetMachines,
    Machine,
    Measurement,
    Plan,
    Quantity,
    RuntimeName,
)

MS_PER_S = 1e3
MJ_PER_J = 1e3
ON_CPU = frozenset({RuntimeName.ONNXRUNTIME, RuntimeName.OPENVINO, RuntimeName.LITERT, RuntimeName.TFLITE_MICRO})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One design of a model on one group of machines.

    Attributes:
        option: for the assignment; None where it cannot run there, and `refusal` says why.
        rate_per_s: that one replica must answer.
        replicas: from how many replicas on each would keep up; None where that is not what is wrong.
    """

    model: str
    machines: str
    option: Option | None = None
    refusal: str = ""
    rate_per_s: float = 0.0
    threads: int = 1
    replicas: int | None = None
    figures: Mapping[Quantity, Measurement] = field(default_factory=dict)


def offers(
    model: str, wanted: Wanted, plan: Plan, group: FleetMachines, machine: Machine, busy_at_most: float
) -> Iterator[Offer]:
    """What `plan` offers for `model` on machines of `group`, best designs first; one refusal where it is nothing.

    Args:
        busy_at_most: share of a part's time that one replica may fill.
    """
    if group.name not in wanted.at:
        yield Offer(model=model, machines=group.name, refusal="the fleet does not let it run there")
        return
    verdicts = [verdict for verdict in plan.verdicts if verdict.design.machine == group.machine]
    if group.machine in plan.not_planned:
        yield Offer(model=model, machines=group.name, refusal=plan.not_planned[group.machine])
        return
    feasible = [verdict.design for verdict in verdicts if verdict.feasible]
    if not feasible:
        nearest = f"; {verdicts[0].design.name}: {verdicts[0].reason}" if verdicts else ""
        refusal = f"none of {len(verdicts)} designs keeps the budget{nearest}"
        yield Offer(model=model, machines=group.name, refusal=refusal)
        return
    for design in feasible:
        yield _offer(model, wanted, plan, design, group, machine, busy_at_most)


def part_of(design: Design, machine: Machine) -> Accelerator:
    """What `design` computes on: the CPU, or the first accelerator that its runtime compiles for."""
    runtime = design.configuration.runtime
    if runtime in ON_CPU:
        return machine.cpu
    others = (part for part in machine.accelerators if part.kind is not AcceleratorKind.CPU)
    return next((part for part in others if runtime.value in part.compilers), machine.cpu)


def _offer(
    model: str, wanted: Wanted, plan: Plan, design: Design, group: FleetMachines, machine: Machine, busy_at_most: float
) -> Offer:
    rate = wanted.rate_per_s / wanted.replicas
    seconds = _seconds(design)
    if seconds is None:
        return Offer(model=model, machines=group.name, refusal=f"how long {design.name} takes is not known")
    most = busy_at_most / seconds
    if rate > most:
        return Offer(
            model=model,
            machines=group.name,
            refusal=f"one replica of {design.name} answers {units.show(most, units.RATE)} at most,"
            f" and {units.show(rate, units.RATE)} are asked for",
            replicas=math.ceil(wanted.rate_per_s * seconds / busy_at_most),
        )
    part = part_of(design, machine)
    on_cpu = part is machine.cpu
    threads = min(design.configuration.threads, group.cores) if on_cpu else 1
    option = Option(
        model=model,
        kind=group.name,
        design=design.name,
        part=part.name,
        busy_cores=rate * seconds * threads,
        memory_bytes=_high(design, Quantity.MEMORY),
        flash_bytes=_high(design, Quantity.FLASH),
        watt=_watt(design, rate),
        most_busy=sharing.busiest(design.figures, plan.site.budget),
    )
    return Offer(
        model=model,
        machines=group.name,
        option=option,
        refusal=_too_busy(option, group, busy_at_most) if on_cpu else "",
        rate_per_s=rate,
        threads=threads,
        figures=design.figures,
    )


def _seconds(design: Design) -> float | None:
    """Time of one inference at worst, in seconds: what is planned must be kept."""
    throughput = design.figures.get(Quantity.THROUGHPUT)
    if throughput is not None and throughput.low > 0:
        return 1 / throughput.low
    latency = design.figures.get(Quantity.LATENCY_P50)
    return None if latency is None else latency.high / MS_PER_S


def _high(design: Design, quantity: Quantity) -> float:
    figure = design.figures.get(quantity)
    return 0.0 if figure is None else figure.high


def _watt(design: Design, rate: float) -> float | None:
    energy = design.figures.get(Quantity.ENERGY)
    return None if energy is None else rate * energy.value / MJ_PER_J


def _too_busy(option: Option, group: FleetMachines, busy_at_most: float) -> str:
    """Why `option` would not run even alone on a machine that other work leaves as it is; "" where it would."""
    alone = 1 - group.idle + option.busy_cores / group.cores
    if alone <= option.most_busy or option.most_busy >= busy_at_most:
        return ""
    return (
        f"{option.design} keeps its limits up to a load of {max(0.0, option.most_busy):.0%} of the cores, and with it"
        f" they carry {alone:.0%}"
    )
