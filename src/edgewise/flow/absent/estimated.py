"""Designs for machines whose compilers cannot be had here, estimated from published figures.

A variant that was evaluated here is taken to the machine: its accuracy goes with it, its latency and energy are
estimated, and what nobody can tell is left out. Where nothing supports an estimate, the design says which rows would.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise import units
from edgewise.design import estimate, figures, models, sharing
from edgewise.design.estimate import Estimated, Observation
from edgewise.errors import NoBasis
from edgewise.flow.absent.sources import NoSource, Source
from edgewise.flow.candidates import Evaluated, Work
from edgewise.flow.ground import Absent
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Design,
    Measurement,
    ModelFormat,
    ProvenanceKind,
    Quantity,
    Rejection,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
)

INTEGER = frozenset({RuntimeName.EDGETPU, RuntimeName.TFLITE_MICRO, RuntimeName.NEUTRON, RuntimeName.TIM_VX})
"""Compilers that take a full-int8 TFLite file."""
HALF = frozenset({RuntimeName.TENSORRT, RuntimeName.MIGRAPHX})
"""Compilers that compute in fp16 where they may."""
QUANTISES = frozenset({RuntimeName.TENSORRT, RuntimeName.VITIS_AI, RuntimeName.HAILO})
"""Compilers that take an ONNX file with int8 by scales."""
DYNAMIC = "dynamic-int8"
"""Quantises activations as it runs, which no published row and no other compiler does."""
BARE_METAL = ("armv8.1-m",)
"""Architectures without an operating system, where all calls are alike."""
TAIL = (Quantity.LATENCY_P90, Quantity.LATENCY_P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A variant on its way to another machine: what is known of it, whatever runs it."""

    source: Source
    precision: str
    memory: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Estimated designs, with what each estimate stands on, and whose drop the paired test calls one."""

    designs: tuple[Design, ...]
    significant: frozenset[str]
    estimated: Mapping[str, Estimated]


def designs(
    here: Sequence[Design],
    evaluated: Evaluated,
    integer: Source | NoSource | None,
    half: Source | NoSource | None,
    absent: Absent,
    work: Work,
    observations: Sequence[Observation],
) -> Estimates:
    """Designs for every accelerator of `absent` that no compiler here knows.

    Args:
        here: the designs for the machine at hand, timed.
        integer, half: the full-int8 TFLite file and the fp16 model, or why there is none.
    """
    tail = tails(here)
    made: list[Design] = []
    significant: set[str] = set()
    kept: dict[str, Estimated] = {}
    known = {runtime.value: runtime for runtime in RuntimeName}
    for part in absent.machine.accelerators:
        for compiler in part.compilers:
            runtime = known.get(compiler)
            if runtime is None or runtime is RuntimeName.VELA:
                continue
            for carried in _carried(runtime, part, here, evaluated, integer, half, work):
                if isinstance(carried, NoSource):
                    made.append(_without(carried, runtime, part, absent))
                    continue
                design, found = _designed(carried, runtime, part, absent, observations, tail)
                made.append(design)
                if found is not None:
                    kept[design.name] = found
                if carried.source.significant:
                    significant.add(design.name)
    return Estimates(designs=tuple(made), significant=frozenset(significant), estimated=kept)


def tails(here: Sequence[Design]) -> Mapping[Quantity, tuple[float, float]]:
    """By how many ms p90 and p99 exceed the median here, over the designs that were timed: median and most.

    A difference, not a ratio: what interrupts an inference takes its time whatever the inference takes.
    """
    found = {}
    for quantity in TAIL:
        excess = [
            max(0.0, design.figures[quantity].value - design.figures[Quantity.LATENCY_P50].value)
            for design in here
            if quantity in design.figures and Quantity.LATENCY_P50 in design.figures
        ]
        if excess:
            found[quantity] = (statistics.median(excess), max(excess))
    return found


def _carried(
    runtime: RuntimeName,
    part: Accelerator,
    here: Sequence[Design],
    evaluated: Evaluated,
    integer: Source | NoSource | None,
    half: Source | NoSource | None,
    work: Work,
) -> Iterator[Carried | NoSource]:
    """What `runtime` can be given: at most one variant a precision, the most accurate."""
    if runtime in INTEGER:
        if integer is not None:
            yield integer if isinstance(integer, NoSource) else Carried(source=integer, precision="int8")
        return
    if runtime in HALF and half is not None:
        yield half if isinstance(half, NoSource) else Carried(source=half, precision="fp16")
    taken, precisions = taken_from(runtime)
    sign = 1 if work.judge.metric.higher_is_better else -1
    for precision in sorted(precisions):
        alike = [
            design
            for design in here
            if design.configuration.runtime is taken
            and design.recipe.precision == precision
            and design.recipe.method != DYNAMIC
            and design.stage in (Stage.EVALUATED, Stage.TIMED)
            and not design.failure
        ]
        if alike:
            best = max(alike, key=lambda design: sign * design.figures[Quantity.METRIC].value)
            yield _of_design(best, evaluated, work, half=part.kind is not AcceleratorKind.CPU)


def taken_from(runtime: RuntimeName) -> tuple[RuntimeName, frozenset[str]]:
    """Whose variants here `runtime` can be given, and in which precisions."""
    if runtime in HALF | QUANTISES:
        return RuntimeName.ONNXRUNTIME, frozenset({"int8"})
    return runtime, frozenset({"fp32", "int8"})


def _of_design(design: Design, evaluated: Evaluated, work: Work, *, half: bool) -> Carried:
    assert design.variant is not None
    model = work.models[0]
    if design.recipe.format is ModelFormat.TFLITE:
        model = models.read(work.store.blobs.path(design.variant.files[0].digest))
    kept = {Quantity.METRIC, Quantity.DROP, Quantity.FLASH}
    return Carried(
        source=Source(
            variant=design.variant,
            model=model,
            figures={quantity: design.figures[quantity] for quantity in kept if quantity in design.figures},
            significant=design.name in evaluated.significant,
            caveats=design.caveats,
        ),
        precision="fp16" if half and design.recipe.precision == "fp32" else design.recipe.precision,
        memory=design.figures.get(Quantity.MEMORY),
    )


def _designed(
    carried: Carried,
    runtime: RuntimeName,
    part: Accelerator,
    absent: Absent,
    observations: Sequence[Observation],
    tail: Mapping[Quantity, tuple[float, float]],
) -> tuple[Design, Estimated | None]:
    source, machine = carried.source, absent.machine
    threads = absent.choice.threads[0] if absent.choice.threads and part.kind is AcceleratorKind.CPU else 1
    price = {
        key: figure
        for key, figure in figures.of_machine(machine, absent.choice).items()
        if key is Quantity.PRICE or part.kind is AcceleratorKind.CPU
    }
    design = Design(
        name=name(source.variant.recipe.name, runtime, part, machine.name),
        machine=machine.name,
        recipe=source.variant.recipe,
        configuration=RuntimeConfiguration(
            runtime=runtime, version="", threads=threads, options={"accelerator": part.name}
        ),
        stage=Stage.EVALUATED,
        variant=source.variant,
        figures=dict(source.figures) | price,
        caveats=source.caveats,
    )
    try:
        found = estimate.estimate(
            source.model,
            machine,
            part,
            precision=carried.precision,
            runtime=runtime.value,
            threads=threads,
            observations=observations,
            power_watt=absent.choice.power_watt,
        )
    except NoBasis as error:
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        return replace(design, failure=reason, rejection=Rejection.RULED_OUT), None
    known = dict(design.figures) | dict(found.figures) | _tail(found.figures, tail, machine.architecture)
    if absent.choice.idle is not None and part.kind is AcceleratorKind.CPU:
        known = sharing.left_over(known, idle=absent.choice.idle, cores=part.cores or 1, threads=threads)
    caveats = [*source.caveats, *found.caveats]
    if carried.memory is not None and part.kind is AcceleratorKind.CPU:
        known[Quantity.MEMORY] = carried.memory
        caveats.append("its memory is as measured here, with the same runtime")
    return replace(design, stage=Stage.TIMED, figures=known, caveats=tuple(caveats)), found


def _tail(
    found: Mapping[Quantity, Measurement], tail: Mapping[Quantity, tuple[float, float]], architecture: str
) -> dict[Quantity, Measurement]:
    """p90 and p99 by how they stand to the median here; on bare metal they are the median."""
    median = found[Quantity.LATENCY_P50]
    if architecture in BARE_METAL:
        return dict.fromkeys(TAIL, median)
    made = {}
    for quantity, (usual, most) in tail.items():
        more, at_most = (units.show(excess, units.TIME) for excess in (usual, most))
        by = f"{median.provenance.by}; {quantity.value[-3:]} is {more} more, {at_most} at most, as here"
        made[quantity] = replace(
            median,
            value=median.value + usual,
            high=median.high + most,
            provenance=replace(median.provenance, kind=ProvenanceKind.CALIBRATED, by=by),
        )
    return made


def _without(carried: NoSource, runtime: RuntimeName, part: Accelerator, absent: Absent) -> Design:
    return Design(
        name=name(carried.recipe.name, runtime, part, absent.machine.name),
        machine=absent.machine.name,
        recipe=carried.recipe,
        configuration=RuntimeConfiguration(runtime=runtime, version="", threads=1, options={"accelerator": part.name}),
        stage=Stage.PROPOSED,
        failure=carried.reason,
        rejection=Rejection.NOT_APPLICABLE,
    )


def name(recipe: str, runtime: RuntimeName, part: Accelerator, machine: str) -> str:
    """`runtime/recipe@machine`, with the accelerator where it is not the CPU."""
    return f"{runtime}/{recipe}{'' if part.kind is AcceleratorKind.CPU else f'+{part.name}'}@{machine}"
