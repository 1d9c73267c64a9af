"""A plan over several machines: every provenance, overlapping and separate intervals, figures that nobody has.

    several_machines_plan()   nine machines; the choice is an Ethos-U, one machine has no timed design
    structures()              structures that were tried, in every stage

Made up, consistent with itself, the same on every call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Advice,
    Bottleneck,
    Budget,
    Design,
    Limit,
    Machine,
    MachineChoice,
    Measurement,
    ModelFormat,
    Plan,
    Provenance,
    ProvenanceKind,
    Quantity,
    Recipe,
    Rejection,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
    Trial,
    TrialStage,
    Verdict,
)
from fakes import plans
from fakes.plans import KIB, MIB, measured

K = ProvenanceKind
INT8 = Recipe(name="tflite-int8", method="tflite-int8", format=ModelFormat.TFLITE, precision="int8")
DECLARED = Provenance(kind=K.DECLARED, by="edge.yaml", date="2026-03-14")
VELA = Provenance(kind=K.COMPILER, by="ethos-u-vela 5.2.0", date="2026-03-14")


@dataclass(frozen=True)
class Other:
    """A machine that is not at hand: latency in ms with the share of it to either side, energy in mJ, price in USD."""

    name: str
    title: str
    kind: ProvenanceKind
    by: str
    runtime: RuntimeName
    p50: float
    widen: float
    price: float | None
    energy: float | None
    p99: bool = True
    memory: float | None = 20.0
    metric: float = 0.9694


OTHERS = (
    Other("jetson-orin-nano", "NVIDIA Jetson Orin Nano 8GB", K.CALIBRATED, "7 machines, left out in turn",
          RuntimeName.TENSORRT, 0.31, 0.62, 249.0, 1.9),
    Other("raspberry-pi-4", "Raspberry Pi 4 Model B 4GB", K.CALIBRATED, "7 machines, left out in turn",
          RuntimeName.LITERT, 1.42, 0.45, 55.0, 6.8, p99=False, memory=None),
    Other("coral-dev-board", "Google Coral Dev Board 1GB", K.PUBLISHED, "https://coral.ai/docs/edgetpu/benchmarks/",
          RuntimeName.EDGETPU, 0.94, 0.0, 149.99, None, memory=None, metric=0.9639),
    Other("systolic-16x16", "Systolic array, 16 x 16", K.MODELLED, "a weight-stationary array of 16 x 16",
          RuntimeName.TFLITE_MICRO, 0.52, 0.3, None, 0.11, metric=0.9639),
    Other("hailo-8", "Hailo-8 M.2", K.DECLARED, "edge.yaml", RuntimeName.HAILO, 0.2, 0.2, 179.0, 0.5, metric=0.9667),
)  # fmt: skip


def _around(value: float, unit: str, source: Provenance, widen: float = 0.0) -> Measurement:
    return Measurement(
        value=value, low=value * (1 - widen), high=value * (1 + widen), unit=unit, n=1, provenance=source
    )


def _quality(metric: float) -> dict[Quantity, Measurement]:
    drop = plans.REFERENCE_METRIC - metric
    return {
        Quantity.METRIC: measured(metric, "", half=0.018, n=360),
        Quantity.DROP: measured(drop, "", half=abs(drop) * 0.8, n=360),
    }


def _elsewhere(other: Other) -> Design:
    source = Provenance(kind=other.kind, by=other.by, date="2026-02-01")
    latencies = (Quantity.LATENCY_P50, Quantity.LATENCY_P99) if other.p99 else (Quantity.LATENCY_P50,)
    figures = {quantity: _around(other.p50, "ms", source, other.widen) for quantity in latencies}
    if other.energy:
        figures[Quantity.ENERGY] = _around(other.energy, "mJ", source, max(other.widen, 0.25))
    if other.price:
        figures[Quantity.PRICE] = _around(other.price, "USD", replace(source, kind=K.PUBLISHED))
    if other.memory:
        figures[Quantity.MEMORY] = _around(other.memory * MIB, "B", source)
    return Design(
        name=f"{other.runtime.value}/tflite-int8@{other.name}", machine=other.name, recipe=INT8, stage=Stage.TIMED,
        configuration=RuntimeConfiguration(runtime=other.runtime, version="", threads=1),
        figures=figures | _quality(other.metric),
    )  # fmt: skip


def compiled(machine: str, macs: int, mode: str, *, ms: float, kib: float, **settings: str) -> Design:
    """A design for an Ethos-U55 as Vela would report it, 10 % to either side of its latency."""
    options = {
        "npu": f"ethos-u55-{macs}", "memory_mode": mode, "strategy": "Performance",
        "arena_limit_bytes": str(2**32), "disabled": "", **settings,
    }  # fmt: skip
    figures = {quantity: _around(ms, "ms", VELA, 0.1) for quantity in (Quantity.LATENCY_P50, Quantity.LATENCY_P99)}
    figures |= {Quantity.MEMORY: _around(kib * KIB, "B", VELA), Quantity.FLASH: _around(84 * KIB, "B", VELA)}
    if machine == "alif-ensemble-e3":
        figures[Quantity.PRICE] = _around(15.0, "USD", DECLARED)
        figures[Quantity.ENERGY] = _around(ms * 0.05, "mJ", replace(DECLARED, by="edge.yaml: 50 mW"), 0.1)
    short = f"u55-{macs}+{mode.lower().replace('_', '-')}" + "".join(f"+{value.lower()}" for value in settings.values())
    return Design(
        name=f"vela/tflite-int8+{short}@{machine}", machine=machine, recipe=INT8, stage=Stage.TIMED,
        configuration=RuntimeConfiguration(runtime=RuntimeName.VELA, version="5.2.0", threads=1, options=options),
        figures=figures | _quality(0.9639),
    )  # fmt: skip


def _npus() -> list[Design]:
    sizes = {32: 1.40, 64: 0.72, 128: 0.40, 256: 0.283}
    designs = [compiled("alif-ensemble-e3", 256, "Shared_Sram", ms=0.354, kib=50.6),
               compiled("alif-ensemble-e3", 256, "Sram_Only", ms=0.263, kib=112.4, strategy="Size"),
               compiled("alif-ensemble-e3", 128, "Shared_Sram", ms=1.26, kib=50.6)]  # fmt: skip
    for macs, ms in sizes.items():
        designs += [
            compiled("arm-corstone-300-u55", macs, "Shared_Sram", ms=ms, kib=50.6),
            compiled("arm-corstone-300-u55", macs, "Shared_Sram", ms=ms * 1.02, kib=40.2, arena_limit_bytes="41488"),
            compiled("arm-corstone-300-u55", macs, "Shared_Sram", ms=ms * 1.5, kib=35.0, strategy="Size"),
            compiled("arm-corstone-300-u55", macs, "Sram_Only", ms=ms * 0.9, kib=112.4, strategy="Size"),
        ]
    return designs


def _here() -> list[Design]:
    """Designs of the machine at hand, with a meter's energy and a declared price."""
    designs = []
    for row in plans.ROWS:
        design = plans.design_of(row)
        if row.stage is Stage.TIMED:
            energy = measured(row.p50 * 21.0, "mJ", half=row.p50 * 1.6, n=20)
            extra = {Quantity.ENERGY: energy, Quantity.PRICE: _around(300.0, "USD", DECLARED)}
            design = replace(design, figures={**design.figures, **extra})
        designs.append(design)
    return designs


def _refused() -> Design:
    """The only design of a machine that nothing could be made for."""
    return Design(
        name="vitis-ai/int8@kria-kv260", machine="kria-kv260", recipe=replace(INT8, name="int8"), stage=Stage.PROPOSED,
        configuration=RuntimeConfiguration(runtime=RuntimeName.VITIS_AI, version="", threads=1),
        failure="its compiler is not here, and nothing is published for this network",
        rejection=Rejection.NOT_APPLICABLE,
    )  # fmt: skip


def budget() -> Budget:
    """Limits on latency, price and accuracy."""
    return Budget(limits=(
        Limit(quantity=Quantity.LATENCY_P99, value=1.0, unit="ms"),
        Limit(quantity=Quantity.PRICE, value=200.0, unit="USD"),
        Limit(quantity=Quantity.DROP, value=0.02, unit=""),
    ))  # fmt: skip


def _machine(name: str, title: str, configurations: Mapping[str, tuple[str, ...]] | None = None) -> Machine:
    part = Accelerator(name="cpu", kind=AcceleratorKind.CPU, title="CPU", dtypes=("float32",))
    npu = Accelerator(
        name="npu", kind=AcceleratorKind.NPU, title="NPU", dtypes=("int8",), configurations=configurations or {}
    )
    return Machine(name=name, title=title, vendor="made up", architecture="any", accelerators=(part, npu))


def several_machines_plan() -> Plan:
    """Nine machines with every provenance."""
    u55 = {"macs": ("32", "64", "128", "256"), "memory_mode": ("Shared_Sram", "Sram_Only")}
    machines = (
        _machine("this", "Intel Xeon Processor (Skylake, IBRS)"),
        _machine("alif-ensemble-e3", "Alif Ensemble E3", u55),
        _machine("arm-corstone-300-u55", "Arm Corstone-300 with Ethos-U55 (reference system)", u55),
        *(_machine(other.name, other.title) for other in OTHERS),
        _machine("kria-kv260", "AMD Kria KV260"),
    )
    designs = [*_here(), *_npus(), *(_elsewhere(other) for other in OTHERS), _refused()]
    plan = plans.plan_of(designs, budget(), site="packing-line")
    return replace(
        plan, machines=machines, not_planned={}, advice=_advice(plan.verdicts), trials=(),
        site=replace(plan.site, machines=tuple(MachineChoice(name=machine.name) for machine in machines)),
    )  # fmt: skip


def _advice(verdicts: tuple[Verdict, ...]) -> tuple[Advice, ...]:
    names = [v.design.name for v in verdicts if v.design.configuration.runtime is RuntimeName.VELA]
    return (
        Advice(
            design=names[0], binds=Bottleneck.FLASH, share=0.58, speedup=1.35,
            binds_sentence="58 % of its cycles wait for the 84 KiB of weights that it reads from flash",
            move="keep the weights in SRAM (Sram_Only): it needs 62 KiB more of it",
        ),
        Advice(
            design=names[-1], binds=Bottleneck.MACS, share=0.93,
            binds_sentence="93 % of its cycles are arithmetic: it is bound by its MACs",
        ),
    )  # fmt: skip


def structures() -> tuple[Trial, ...]:
    """Six structures: two trained, one planned, one built and not trained, two stopped."""
    trials = []
    for width, stage, metric, ms, failure in (
        (1.0, TrialStage.PLANNED, 0.9722, 0.16, ""),
        (0.75, TrialStage.TRAINED, 0.9694, 0.11, ""),
        (0.5, TrialStage.TRAINED, 0.9583, 0.07, ""),
        (0.25, TrialStage.BUILT, None, 0.04, "it is within the budget, but a wider one is as fast as is asked for"),
        (2.0, TrialStage.BUILT, None, 0.61, "its latency of 0.61 ms misses at most 0.3 ms"),
        (4.0, TrialStage.PROPOSED, None, None, "train.py says: out of memory"),
    ):
        figures = {}
        if ms:
            figures[Quantity.LATENCY_P50] = measured(ms, "ms", half=ms * 0.04, n=400)
        if metric:
            figures[Quantity.METRIC] = measured(metric, "", half=0.016, n=360)
        trials.append(
            Trial(
                name=f"width={width:g}",
                structure={"width": width},
                stage=stage,
                figures=figures,
                failure=failure,
                macs=round(1_175_168 * width),
                parameters=round(26_122 * width),
                duration_s=41.0 * width if metric else None,
            )
        )
    return tuple(trials)
