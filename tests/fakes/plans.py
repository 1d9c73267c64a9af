"""Plans as a designer would find them: made up, consistent with themselves, the same on every call.

    feasible_plan()     about twenty designs in every stage, with a choice and a runner-up
    infeasible_plan()   the same designs under a budget that none can meet, with relaxations
    estimated_plan()    some figures estimated, compiled, published or declared instead of measured
    hostile_plan()      names, sentences and settings that try to break out of a page
    large_plan(60)      as many designs as asked for

`logs_of(plan)` gives a log for every design that has one.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgewise import units
from edgewise.nouns import (
    Budget,
    Conditions,
    DataSummary,
    Design,
    Finding,
    Layer,
    Limit,
    LimitFinding,
    Link,
    MachineChoice,
    Measurement,
    Metric,
    Model,
    ModelFile,
    ModelFormat,
    Plan,
    Provenance,
    ProvenanceKind,
    Quantity,
    Recipe,
    Rejection,
    Relaxation,
    RuntimeConfiguration,
    RuntimeName,
    Signature,
    Site,
    Stage,
    Tensor,
    Variant,
    Verdict,
)

DATE = "2026-03-14"
MACHINE = "this"
REFERENCE_METRIC = 0.9722
REFERENCE = "as given, ONNX Runtime, 1 thread"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"

ONNX, VINO, LITE = RuntimeName.ONNXRUNTIME, RuntimeName.OPENVINO, RuntimeName.LITERT
VERSIONS = {ONNX: "1.23.2", VINO: "2026.0.0", LITE: "2.1.0"}
TITLES = {ONNX: "ONNX Runtime", VINO: "OpenVINO", LITE: "LiteRT"}
MIB, KIB = 2**20, 2**10

AS_GIVEN = Recipe(name="as given", method="identity", format=ModelFormat.ONNX, precision="fp32")
FP16 = Recipe(name="fp16 weights", method="compress", format=ModelFormat.OPENVINO, precision="fp16")
DYNAMIC = Recipe(
    name="int8 dynamic", method="quantize-dynamic", format=ModelFormat.ONNX, precision="int8",
    settings={"weights": "s8", "per_channel": True},
)  # fmt: skip
STATIC = Recipe(
    name="int8 u8s8 percentile", method="quantize-static", format=ModelFormat.ONNX, precision="int8",
    settings={
        "activations": "u8", "weights": "s8", "calibration": "percentile", "percentile": 99.99,
        "per_channel": True, "reduce_range": False, "samples": 512,
    },
)  # fmt: skip
REDUCED = replace(
    STATIC, name="int8 u8s8 reduced", settings={**STATIC.settings, "reduce_range": True, "calibration": "minmax"}
)
NNCF = Recipe(
    name="int8 NNCF mixed", method="quantize-nncf", format=ModelFormat.OPENVINO, precision="mixed",
    settings={"preset": "mixed", "samples": 300, "fast_bias_correction": True},
)  # fmt: skip
FLOAT16 = Recipe(name="fp16", method="cast", format=ModelFormat.ONNX, precision="fp16")
TFLITE = Recipe(
    name="int8 TFLite", method="tflite-int8", format=ModelFormat.TFLITE, precision="int8",
    settings={"per_channel": True, "samples": 300},
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One design in short: p50 and p99 in ms, metric, memory in MiB, flash in KiB, load time in ms."""

    recipe: Recipe
    runtime: RuntimeName
    threads: int
    stage: Stage
    p50: float = 0.0
    p99: float = 0.0
    metric: float = 0.0
    memory: float = 0.0
    flash: float = 0.0
    load: float = 0.0
    failure: str = ""
    caveats: tuple[str, ...] = ()

    @property
    def rejection(self) -> Rejection | None:
        """Of a row without a failure none; one that never was built does not apply."""
        if not self.failure:
            return None
        return Rejection.NOT_APPLICABLE if self.stage is Stage.PROPOSED else Rejection.FAILED


P, B, E, T = Stage.PROPOSED, Stage.BUILT, Stage.EVALUATED, Stage.TIMED
ROWS: tuple[Row, ...] = (
    Row(NNCF, VINO, 1, T, 0.0712, 0.0984, 0.9694, 58.2, 41.3, 92, caveats=(
        "The first and the last layer stay in fp32: NNCF found that they lose most.",)),
    Row(NNCF, VINO, 2, T, 0.0841, 0.1893, 0.9694, 59.0, 41.3, 95),
    Row(STATIC, ONNX, 1, T, 0.1043, 0.1388, 0.9667, 31.6, 37.9, 21, caveats=(
        "This CPU has no VNNI: 8-bit products may saturate, and did so for 2 of 360 samples.",)),
    Row(STATIC, ONNX, 2, T, 0.1211, 0.2476, 0.9667, 31.9, 37.9, 22),
    Row(FP16, VINO, 1, T, 0.1177, 0.1602, 0.9722, 61.4, 62.7, 104),
    Row(FP16, VINO, 2, T, 0.1106, 0.2219, 0.9722, 62.3, 62.7, 107),
    Row(AS_GIVEN, ONNX, 1, T, 0.1598, 0.2214, 0.9722, 33.1, 106.4, 14),
    Row(AS_GIVEN, ONNX, 2, T, 0.1436, 0.3127, 0.9722, 33.4, 106.4, 15),
    Row(AS_GIVEN, VINO, 1, T, 0.1181, 0.1633, 0.9722, 61.2, 109.8, 101),
    Row(AS_GIVEN, VINO, 2, T, 0.1122, 0.2301, 0.9722, 62.0, 109.8, 103),
    Row(DYNAMIC, ONNX, 1, T, 0.2284, 0.3467, 0.9711, 32.2, 38.2, 19),
    Row(DYNAMIC, ONNX, 2, T, 0.2496, 1.4120, 0.9711, 32.5, 38.2, 19),
    Row(TFLITE, LITE, 1, T, 0.3418, 0.4420, 0.9639, 12.4, 34.1, 3),
    Row(TFLITE, LITE, 2, T, 0.3037, 0.9216, 0.9639, 12.8, 34.1, 3),
    Row(replace(STATIC, name="int8 u8s8 percentile, QDQ"), VINO, 1, T, 0.0746, 0.1120, 0.9583, 57.9, 44.0, 90),
    Row(replace(STATIC, name="int8 s8s8 minmax"), ONNX, 1, E, metric=0.9389, flash=37.9),
    Row(REDUCED, ONNX, 1, E, metric=0.9472, flash=37.9),
    Row(replace(STATIC, name="int8 u8s8 entropy"), ONNX, 1, B, flash=37.9,
        failure="The process was killed after 120 s: calibration by entropy did not finish in the time allowed."),
    Row(replace(TFLITE, name="int16x8 TFLite"), LITE, 1, B, flash=52.6,
        failure="LiteRT has no kernel for CONV_2D with int16 activations on this CPU (exit 134)."),
    Row(FLOAT16, ONNX, 1, P,
        failure="Does not apply: this CPU has no fp16 arithmetic (no avx512_fp16), so ONNX Runtime would cast back."),
    Row(replace(TFLITE, name="fp32 TFLite"), LITE, 1, P,
        failure="Does not apply: operator GridSample has no counterpart in TFLite."),
)  # fmt: skip


# --- Figures ----------------------------------------------------------------------------------


def measured(value: float, unit: str, *, half: float = 0.0, n: int = 1, spread: float | None = None) -> Measurement:
    """A figure measured on the machine at hand, `value` give or take `half`."""
    by = Provenance(kind=ProvenanceKind.MEASURED, by=MACHINE, date=DATE, load=0.21 if n > 1 else None)
    return Measurement(value=value, low=value - half, high=value + half, unit=unit, n=n, provenance=by, spread=spread)


def from_elsewhere(figure: Measurement, kind: ProvenanceKind, by: str, *, widen: float = 0.25) -> Measurement:
    """`figure` as another source gives it, with `widen` of its value to either side."""
    half = figure.value * widen
    return replace(
        figure, low=figure.value - half, high=figure.value + half, n=1, spread=None,
        provenance=Provenance(kind=kind, by=by, date="2025-11-02"),
    )  # fmt: skip


def _figures(row: Row) -> dict[Quantity, Measurement]:
    figures: dict[Quantity, Measurement] = {}
    if row.flash:
        figures[Quantity.FLASH] = measured(row.flash * KIB, "B")
    if row.metric:
        half = 1.96 * math.sqrt(row.metric * (1 - row.metric) / 360)
        drop = REFERENCE_METRIC - row.metric
        figures[Quantity.METRIC] = measured(row.metric, "", half=half, n=360)
        figures[Quantity.DROP] = measured(drop, "", half=abs(drop) * 0.8, n=360)
    if row.p50:
        figures |= {
            Quantity.LATENCY_MIN: measured(row.p50 * 0.93, "ms"),
            Quantity.LATENCY_P50: measured(row.p50, "ms", half=row.p50 * 0.012, n=4000, spread=row.p50 * 0.06),
            Quantity.LATENCY_P90: measured(row.p50 * 1.1, "ms", half=row.p50 * 0.02, n=4000),
            Quantity.LATENCY_P99: measured(row.p99, "ms", half=row.p99 * 0.05, n=4000),
            Quantity.THROUGHPUT: measured(950 / row.p50, "/s", half=20 / row.p50, n=20, spread=15 / row.p50),
            Quantity.MEMORY: measured(row.memory * MIB, "B", half=0.4 * MIB, n=3, spread=0.2 * MIB),
            Quantity.LOAD_TIME: measured(row.load, "ms", half=row.load * 0.08, n=5, spread=row.load * 0.05),
        }
    return figures


# --- Designs and verdicts ---------------------------------------------------------------------


def digest(text: str) -> str:
    """A digest such as the store would give to `text`."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def design_of(row: Row) -> Design:
    """The design that `row` is short for."""
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    name = f"{row.recipe.name}, {TITLES[row.runtime]}, {threads}"
    suffix = {ModelFormat.ONNX: ".onnx", ModelFormat.TFLITE: ".tflite", ModelFormat.OPENVINO: ".xml"}
    variant = None
    if row.stage is not Stage.PROPOSED:
        file = ModelFile(
            name="model" + suffix[row.recipe.format], digest=digest(row.recipe.name),
            size_bytes=round(row.flash * KIB),
        )  # fmt: skip
        variant = Variant(recipe=row.recipe, files=(file,))
    options = {"graph": "all", "precise_int8": "1"} if row.runtime is ONNX else {}
    return Design(
        name=name, machine=MACHINE, recipe=row.recipe, stage=row.stage, variant=variant,
        configuration=RuntimeConfiguration(
            runtime=row.runtime, version=VERSIONS[row.runtime], threads=row.threads, options=options
        ),
        figures=_figures(row), failure=row.failure, rejection=row.rejection,
        caveats=row.caveats, log=digest("log of " + name),
    )  # fmt: skip


def _dimension(unit: str) -> units.Dimension:
    return {"ms": units.TIME, "B": units.SIZE, "USD": units.PRICE, "mJ": units.ENERGY}.get(unit, units.RATIO)


def _finding(limit: Limit, design: Design) -> LimitFinding:
    title = limit.quantity.value.replace("_", " ")
    asked = units.show(limit.value, _dimension(limit.unit))
    figure = design.figures.get(limit.quantity)
    if figure is None:
        return LimitFinding(limit=limit, finding=Finding.UNKNOWN, sentence=f"{title}: no figure, {asked} allowed.")
    found = units.show(figure.value, _dimension(figure.unit))
    if limit.admits(figure.low) and limit.admits(figure.high):
        return LimitFinding(
            limit=limit, finding=Finding.FITS, sentence=f"{title} {found} is within {asked} with its whole interval."
        )
    if limit.admits(figure.value):
        return LimitFinding(
            limit=limit, finding=Finding.UNPROVEN,
            sentence=f"{title} {found} is within {asked}, but its interval reaches beyond.",
        )  # fmt: skip
    return LimitFinding(limit=limit, finding=Finding.MISSES, sentence=f"{title} {found} is more than {asked}.")


def verdict_of(design: Design, budget: Budget) -> Verdict:
    """What `budget` says about `design`, by the plain rule: every interval within its limit."""
    findings = tuple(_finding(limit, design) for limit in budget.limits)
    worst_first = (Finding.MISSES, Finding.UNPROVEN, Finding.UNKNOWN)
    bad = [found.sentence for kind in worst_first for found in findings if found.finding is kind]
    feasible = not design.failure and not bad
    reason = design.failure or (bad[0] if bad else "Fits every limit with its whole interval.")
    return Verdict(design=design, feasible=feasible, reason=reason, findings=findings, on_frontier=feasible)


def _ranked(designs: Sequence[Design], budget: Budget) -> tuple[Verdict, ...]:
    def rank(verdict: Verdict) -> tuple[bool, float]:
        latency = verdict.design.figures.get(Quantity.LATENCY_P50)
        return (not verdict.feasible, latency.value if latency else math.inf)

    return tuple(sorted((verdict_of(design, budget) for design in designs), key=rank))


# --- Plans ------------------------------------------------------------------------------------


def budget(*, p99_ms: float = 0.3, memory_mib: float = 64, drop: float = 0.01) -> Budget:
    """A budget of three limits."""
    return Budget(
        limits=(
            Limit(quantity=Quantity.LATENCY_P99, value=p99_ms, unit="ms"),
            Limit(quantity=Quantity.MEMORY, value=memory_mib * MIB, unit="B"),
            Limit(quantity=Quantity.DROP, value=drop, unit=""),
        )
    )


def model() -> Model:
    """A small convolutional network that reads the digits of a meter."""
    shapes: tuple[tuple[str, str, int, int], ...] = (
        ("conv1", "Conv", 320, 250_880), ("conv2", "Conv", 4_640, 903_168), ("dense", "Gemm", 21_162, 21_120)
    )  # fmt: skip
    return Model(
        name="meter-reader", format=ModelFormat.ONNX, opset=17, parameters_by_dtype={"float32": 26_122},
        files=(ModelFile(name="model.onnx", digest=digest("model"), size_bytes=108_954),),
        signature=Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=("batch", 1, 28, 28)),),
            outputs=(Tensor(name="scores", dtype="float32", shape=("batch", 10)),),
        ),
        layers=tuple(
            Layer(name=name, operator=operator, output_shape=("batch", 10), parameters=parameters, macs=macs)
            for name, operator, parameters, macs in shapes
        ),
    )  # fmt: skip


def plan_of(designs: Sequence[Design], allowed: Budget, *, site: str = "press-line") -> Plan:
    """The plan for `designs` under `allowed`: fastest feasible design first, relaxations where none is."""
    verdicts = _ranked(designs, allowed)
    feasible = [verdict.design.name for verdict in verdicts if verdict.feasible]
    return Plan(
        edgewise="0.1.0", model=model(), reference=REFERENCE, verdicts=verdicts,
        site=Site(
            name=site, node="device", budget=allowed,
            machines=(MachineChoice(name=MACHINE, threads=(1, 2)), MachineChoice(name="coral-dev-board")),
            link=Link(bandwidth_bit_per_s=2e6, updates_per_month=4),
        ),
        metric=Metric(name="accuracy", higher_is_better=True, against="labels"),
        data=DataSummary(digest=digest("data"), samples=1797, calibration=512, evaluation=360, seed=7),
        conditions=Conditions(
            machine=MACHINE, cpu="Intel Xeon Processor (Skylake, IBRS)", cores=2, isa=("avx2", "avx512f", "fma"),
            load_before=0.08, load_after=0.21, date=DATE, duration_s=143.0,
            versions={"edgewise": "0.1.0", "nncf": "3.0.0", "onnxruntime": "1.23.2", "openvino": "2026.0.0",
                      "ai-edge-litert": "2.1.0", "python": "3.11.2"},
        ),
        choice=feasible[0] if feasible else None, runner_up=feasible[1] if len(feasible) > 1 else None,
        why=_why(feasible), relaxations=() if feasible else _relaxations(verdicts),
        not_planned={"coral-dev-board": "Its figures need the Edge TPU compiler, which is not installed here."},
    )  # fmt: skip


def _why(feasible: Sequence[str]) -> tuple[str, ...]:
    if len(feasible) < 2:
        return ()
    return (
        f"Of {len(feasible)} designs that fit the budget it has the lowest median latency, and the interval of the "
        "runner-up does not touch it.",
        f"{feasible[1]} is 18% slower; it would be the choice if its interval did not lie apart.",
    )


def _relaxations(verdicts: Sequence[Verdict]) -> tuple[Relaxation, ...]:
    """For each limit, the least change that admits a design which fits all the others."""
    found: dict[Quantity, Relaxation] = {}
    for verdict in verdicts:
        misses = [f for f in verdict.findings if f.finding is not Finding.FITS]
        if verdict.design.failure or len(misses) != 1 or misses[0].finding is Finding.UNKNOWN:
            continue
        limit, needed = misses[0].limit, verdict.design.figures[misses[0].limit.quantity].high
        if limit.quantity not in found or needed < found[limit.quantity].needed:
            title, shown = limit.quantity.value.replace("_", " "), units.show(needed, _dimension(limit.unit))
            found[limit.quantity] = Relaxation(
                limit=limit, needed=needed, design=verdict.design.name,
                sentence=f"With {title} of {shown}, {verdict.design.name} would fit.",
            )  # fmt: skip
    return tuple(found.values())


def feasible_plan() -> Plan:
    """Every kind of outcome: chosen, runner-up, fits, unproven, misses, failed, not applicable."""
    return plan_of([design_of(row) for row in ROWS], budget())


def infeasible_plan() -> Plan:
    """Nothing fits: fast, accurate and small at once is too much."""
    allowed = budget(p99_ms=0.15, memory_mib=32, drop=0.005)
    designs = [design_of(row) for row in ROWS]
    return plan_of(designs, allowed, site="gate-camera")


def estimated_plan() -> Plan:
    """Another machine, whose speed nobody could measure here."""
    kinds = (
        (ProvenanceKind.CALIBRATED, "nearest of 6 measured machines, left out in turn"),
        (ProvenanceKind.COMPILER, "vela 4.2.0, ethos-u55-128"),
        (ProvenanceKind.PUBLISHED, "https://example.org/datasheet.pdf"),
        (ProvenanceKind.DECLARED, "edge.yaml"),
    )
    designs = []
    for number, row in enumerate(ROWS):
        design = design_of(row)
        if row.stage is Stage.TIMED and number % 2:
            kind, by = kinds[number // 2 % len(kinds)]
            figures = {
                quantity: from_elsewhere(figure, kind, by) if figure.unit == "ms" else figure
                for quantity, figure in design.figures.items()
            }
            design = replace(design, figures=figures)
        if row.stage is Stage.TIMED:
            energy = from_elsewhere(measured(row.p50 * 4.1, "mJ"), ProvenanceKind.DECLARED, "edge.yaml: 4.1 W")
            price = from_elsewhere(measured(89.0 + number, "USD"), ProvenanceKind.PUBLISHED, "maker's list", widen=0)
            figures = {**design.figures, Quantity.ENERGY: energy, Quantity.PRICE: price}
            design = replace(design, figures=figures)
        designs.append(design)
    return plan_of(designs, budget(p99_ms=2, memory_mib=64, drop=0.02), site="field-unit")


def hostile_plan() -> Plan:
    """Everything that a person can name carries markup, control characters or a change of direction."""
    plan = feasible_plan()

    def poison(design: Design) -> Design:
        recipe = replace(design.recipe, name=HOSTILE + design.recipe.name, settings={HOSTILE: HOSTILE})
        configuration = replace(design.configuration, options={HOSTILE: HOSTILE})
        return replace(
            design, name=HOSTILE + design.name + "\x00\u202e", recipe=recipe, configuration=configuration,
            caveats=(HOSTILE,), failure=design.failure and HOSTILE + design.failure,
        )  # fmt: skip

    verdicts = tuple(
        replace(verdict, design=poison(verdict.design), reason=HOSTILE + verdict.reason) for verdict in plan.verdicts
    )
    return replace(
        plan, verdicts=verdicts, why=(HOSTILE,), not_planned={HOSTILE: HOSTILE},
        model=replace(plan.model, name=HOSTILE), site=replace(plan.site, name=HOSTILE),
        metric=replace(plan.metric, name=HOSTILE), choice=verdicts[0].design.name,
        runner_up=verdicts[1].design.name, reference=HOSTILE + plan.reference + "\x00\u202e",
        conditions=replace(plan.conditions, cpu=HOSTILE, versions={HOSTILE: HOSTILE}),
    )  # fmt: skip


def large_plan(designs: int = 60) -> Plan:
    """`designs` designs, all timed: the largest page that is expected."""
    timed = [row for row in ROWS if row.stage is Stage.TIMED]
    many = []
    for number in range(designs):
        row, lap = timed[number % len(timed)], number // len(timed)
        scale = 1 + 0.37 * lap
        recipe = replace(row.recipe, name=row.recipe.name + f", percentile {99 + lap / 10}" * bool(lap))
        many.append(design_of(replace(row, recipe=recipe, p50=row.p50 * scale, p99=row.p99 * scale)))
    return plan_of(many, budget())


def logs_of(plan: Plan, *, lines: int = 12) -> dict[str, str]:
    """A log of `lines` lines for every design that has one, newest line last."""
    logs = {}
    for verdict in plan.verdicts:
        if verdict.design.log:
            body = [f"[{n:05d}] step {n} of {lines}: {verdict.design.recipe.method} <ok> & done" for n in range(lines)]
            logs[verdict.design.log] = "\n".join([*body, "last line: finished " + verdict.design.recipe.name])
    return logs
