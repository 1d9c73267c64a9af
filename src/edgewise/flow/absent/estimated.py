"""Designs for machines whose compilers cannot be had here, estimated from published figures.

A variant that was evaluated here is taken to the machine: its accuracy goes with it, its latency and energy are
estimated, and what nobody can tell is left out. Where nothing supports an estimate, the design says which rows would.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgewise import units
from edgewise.design import estimate, figures, models, sharing
from edgewise.design.estimate import Estimated, Observation
from edgewise.design.variants.recipes import PLAIN, may_saturate
from edgewise.errors import NoBasis
from edgewise.flow.absent.sources import NoSource, Source
from edgewise.flow.candidates import Evaluated, Work
from edgewise.flow.ground import Absent
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Design,
    Machine,
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
SYMMETRIC = "s8"
"""Activations as other compilers take them: around zero."""
MEMORY_MARGIN = 0.25
PLUGGED_IN = "any"
"""Architecture of what is no machine by itself."""
BARE_METAL = ("armv8.1-m",)
"""Architectures without an operating system, where all calls are alike."""
TAIL = (Quantity.LATENCY_P90, Quantity.LATENCY_P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A variant on its way to another machine: what is known of it, whatever runs it."""

    source: Source
    precision: str
    memory: Measurement | None = None
    options: Mapping[str, str] = field(default_factory=dict)


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
            for carried in _carried(runtime, part, absent, here, evaluated, integer, half, work):
                if isinstance(carried, NoSource):
                    made.append(_without(carried, runtime, part, absent))
                    continue
                for threads in (absent.choice.threads if part.kind is AcceleratorKind.CPU else ()) or (1,):
                    design, found = _designed(carried, runtime, part, absent, threads, observations, tail)
                    made.append(design)
                    if found is not None:
                        kept[design.name] = found
                    if carried.source.significant:
                        significant.add(design.name)
    return Estimates(designs=tuple(made), significant=frozenset(significant), estimated=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """By how much a percentile exceeds the median here: in ms, and as a share of the median; usual and most.

    What interrupts an inference takes its time whatever the inference takes, and what runs beside it slows it down in
    proportion, at most by a half where two share a core: whichever of the two is more counts.
    """

    usual_ms: float
    most_ms: float
    usual_share: float
    most_share: float

    def after(self, median: Measurement) -> tuple[float, float]:
        """The percentile that follows from `median`, in ms: its value and its upper end."""
        value = median.value + max(self.usual_ms, self.usual_share * median.value)
        return value, median.high + max(self.most_ms, self.most_share * median.high)


def tails(here: Sequence[Design]) -> Mapping[Quantity, Tail]:
    """The tails of the designs that were timed here; the shares are those of the slower half."""
    found = {}
    for quantity in TAIL:
        pairs = sorted(
            (design.figures[Quantity.LATENCY_P50].value, design.figures[quantity].value)
            for design in here
            if quantity in design.figures and Quantity.LATENCY_P50 in design.figures
        )
        if pairs:
            excess = [max(0.0, high - median) for median, high in pairs]
            shares = [min(1.0, max(0.0, high / median - 1)) for median, high in pairs[len(pairs) // 2 :]]
            found[quantity] = Tail(
                usual_ms=statistics.median(excess),
                most_ms=max(excess),
                usual_share=statistics.median(shares),
                most_share=max(shares),
            )
    return found


def _carried(
    runtime: RuntimeName,
    part: Accelerator,
    absent: Absent,
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
    if takes_half(runtime, part) and half is not None:
        yield half if isinstance(half, NoSource) else Carried(source=half, precision="fp16")
    taken, precisions = taken_from(runtime, part)
    sign = 1 if work.judge.metric.higher_is_better else -1
    for precision in sorted(precisions):
        alike = [
            design
            for design in here
            if design.configuration.runtime is taken
            and design.recipe.precision == precision
            and design.recipe.method != DYNAMIC
            and (runtime not in QUANTISES or design.recipe.settings.get("activations") == SYMMETRIC)
            and not (part.kind is AcceleratorKind.CPU and may_saturate(design, absent.machine))
            and design.stage in (Stage.EVALUATED, Stage.TIMED)
            and not design.failure
        ]
        if alike:
            best = max(alike, key=lambda design: sign * design.figures[Quantity.METRIC].value)
            yield _of_design(best, evaluated, work, own=taken is runtime)


def takes_half(runtime: RuntimeName, part: Accelerator) -> bool:
    """Whether `runtime` computes a float model in fp16 on `part`."""
    return runtime in HALF or (runtime is RuntimeName.OPENVINO and part.kind is not AcceleratorKind.CPU)


def taken_from(runtime: RuntimeName, part: Accelerator) -> tuple[RuntimeName, frozenset[str]]:
    """Whose variants here `runtime` can be given on `part`, and in which precisions."""
    if runtime in HALF | QUANTISES:
        return RuntimeName.ONNXRUNTIME, frozenset({"int8"})
    return runtime, frozenset({"int8"} if takes_half(runtime, part) else {"fp32", "int8"})


def _of_design(design: Design, evaluated: Evaluated, work: Work, *, own: bool) -> Carried:
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
        precision=design.recipe.precision,
        memory=design.figures.get(Quantity.MEMORY),
        options=design.configuration.options if own else {},
    )


def _designed(
    carried: Carried,
    runtime: RuntimeName,
    part: Accelerator,
    absent: Absent,
    threads: int,
    observations: Sequence[Observation],
    tail: Mapping[Quantity, Tail],
) -> tuple[Design, Estimated | None]:
    source, machine = carried.source, absent.machine
    several = threads if part.kind is AcceleratorKind.CPU and len(absent.choice.threads) > 1 else 0
    given = dict(source.figures)
    caveats = [*source.caveats, *_of_compiler(runtime), *_of_machine(machine)]
    if runtime in HALF | QUANTISES:
        del given[Quantity.FLASH]  # what the compiler writes is another file
    price = {
        key: figure
        for key, figure in figures.of_machine(machine, absent.choice).items()
        if key is Quantity.PRICE or part.kind is AcceleratorKind.CPU
    }
    design = Design(
        name=name(source.variant.recipe.name, runtime, part, machine.name, options=carried.options, threads=several),
        machine=machine.name,
        recipe=source.variant.recipe,
        configuration=RuntimeConfiguration(
            runtime=runtime, version="", threads=threads, options={"accelerator": part.name, **carried.options}
        ),
        stage=Stage.EVALUATED,
        variant=source.variant,
        figures=given | price,
        caveats=tuple(caveats),
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
    caveats += found.caveats
    if carried.memory is not None and part.kind is AcceleratorKind.CPU:
        known[Quantity.MEMORY] = _memory(carried.memory)
    return replace(design, stage=Stage.TIMED, figures=known, caveats=tuple(caveats)), found


def _memory(here: Measurement) -> Measurement:
    """Memory as the same runtime needs here, for another CPU: libraries and kernels differ, so by an assumed margin."""
    by = f"{here.provenance.by}, with the same runtime; {MEMORY_MARGIN:.0%} either way are assumed for another CPU"
    return replace(
        here,
        low=here.low * (1 - MEMORY_MARGIN),
        high=here.high * (1 + MEMORY_MARGIN),
        provenance=replace(here.provenance, kind=ProvenanceKind.CALIBRATED, by=by),
    )


def _of_compiler(runtime: RuntimeName) -> tuple[str, ...]:
    if runtime in QUANTISES - HALF:
        return (f"its accuracy is that of int8 by our calibration; {runtime} quantises by rules of its own",)
    return ()


def _of_machine(machine: Machine) -> tuple[str, ...]:
    if machine.architecture == PLUGGED_IN:
        return ("it is plugged into a machine whose price and power are not counted",)
    return ()


def _tail(
    found: Mapping[Quantity, Measurement], tail: Mapping[Quantity, Tail], architecture: str
) -> dict[Quantity, Measurement]:
    """p90 and p99 by how they stand to the median here; on bare metal they are the median."""
    median = found[Quantity.LATENCY_P50]
    if architecture in BARE_METAL:
        return dict.fromkeys(TAIL, median)
    made = {}
    for quantity, beyond in tail.items():
        value, high = beyond.after(median)
        more, at_most = (units.show(excess, units.TIME) for excess in (value - median.value, high - median.high))
        by = f"{median.provenance.by}; {quantity.value[-3:]} is {more} more, {at_most} at most, as seen here"
        made[quantity] = replace(
            median,
            value=value,
            high=high,
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


def name(
    recipe: str,
    runtime: RuntimeName,
    part: Accelerator,
    machine: str,
    *,
    options: Mapping[str, str] | None = None,
    threads: int = 0,
) -> str:
    """`runtime/recipe+option@machine`, with the accelerator where it is not the CPU, and threads where several are."""
    shown = [key if value == "1" else value for key, value in (options or {}).items() if value not in PLAIN]
    if part.kind is not AcceleratorKind.CPU:
        shown.append(part.name)
    ending = f"@{threads}t@{machine}" if threads else f"@{machine}"
    return "".join([f"{runtime}/{recipe}", *(f"+{one}" for one in shown), ending])
