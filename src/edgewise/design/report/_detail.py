"""One design in full, as it is shown one click away from table and charts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.design import figure_text, words
from edgewise.design.report._marks import FINDINGS, Mark
from edgewise.design.report._text import clean_log, newest
from edgewise.nouns import Design, Measurement, Metric, Plan, Provenance, ProvenanceKind, Quantity, Stage, Verdict

RUNTIMES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "tflite-micro": "TFLite Micro",
    "vela": "Vela",
    "edgetpu-compiler": "Edge TPU Compiler",
    "tensorrt": "TensorRT",
    "vitis-ai": "Vitis AI",
    "neutron-converter": "Neutron Converter",
    "tim-vx": "TIM-VX",
    "migraphx": "MIGraphX",
    "hailo-dataflow-compiler": "Hailo Dataflow Compiler",
}
_STAGES = {
    Stage.PROPOSED: "was proposed, and could not be built",
    Stage.BUILT: "was built, and could not be evaluated",
    Stage.EVALUATED: "was built and evaluated, not timed",
    Stage.TIMED: "was built, evaluated and timed",
}
_UNTIMED = {
    ProvenanceKind.COMPILER: "was compiled for a machine that is not here; its latency is the compiler’s",
    ProvenanceKind.CALIBRATED: "is for a machine that is not here; its latency is estimated",
    ProvenanceKind.MODELLED: "is for a machine that nobody has built; its latency is computed by a model",
    ProvenanceKind.PUBLISHED: "is for a machine that is not here; its latency is published",
    ProvenanceKind.DECLARED: "is for a machine that is not here; its latency is declared",
}
_ORDER = {quantity: index for index, quantity in enumerate(Quantity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    title: str
    shown: figure_text.Shown
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureGroup:
    """Figures of one provenance."""

    provenance: str
    measured: bool
    rows: tuple[FigureRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The newest end of a log; `left_out` lines came before it. `missing` where nobody kept it."""

    text: str
    left_out: int
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    groups: tuple[FigureGroup, ...]
    findings: tuple[tuple[Mark, str], ...]
    recipe: tuple[tuple[str, str], ...]
    configuration: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str, str], ...]
    remarks: tuple[str, ...]
    failure: str
    stage: str
    on_frontier: bool
    log: Log | None
    log_digest: str


def detail(verdict: Verdict, plan: Plan, logs: Mapping[str, str], room: int) -> Detail:
    """Everything known about a design; its log in at most `room` bytes."""
    design = verdict.design
    files = design.variant.files if design.variant else ()
    notes = design.variant.notes if design.variant else ()
    return Detail(
        groups=_groups(design.figures, plan.metric),
        findings=tuple((FINDINGS[found.finding], found.sentence) for found in verdict.findings),
        recipe=_recipe(design), configuration=_configuration(design),
        files=tuple((file.name, figure_text.plain(file.size_bytes, "B"), file.digest) for file in files),
        remarks=tuple(dict.fromkeys((*design.caveats, *notes))), failure=design.failure,
        stage=_stage(design), on_frontier=verdict.on_frontier,
        log=_log(design, logs, room), log_digest=design.log,
    )  # fmt: skip


def _stage(design: Design) -> str:
    """How far it came; what nobody timed is not called so."""
    latency = design.figures.get(Quantity.LATENCY_P50)
    if design.machine != words.THIS and design.stage is Stage.TIMED and latency and latency.provenance.kind in _UNTIMED:
        return _UNTIMED[latency.provenance.kind]
    return _STAGES[design.stage]


def _groups(figures: Mapping[Quantity, Measurement], metric: Metric) -> tuple[FigureGroup, ...]:
    by_source: dict[Provenance, list[FigureRow]] = {}
    for quantity in sorted(figures, key=lambda quantity: _ORDER[quantity]):
        figure = figures[quantity]
        title = "Metric: " + metric.name if quantity is Quantity.METRIC else figure_text.title(quantity, metric)
        row = FigureRow(title=title, shown=figure_text.show(figure), n=figure.n)
        by_source.setdefault(figure.provenance, []).append(row)
    return tuple(
        FigureGroup(
            provenance=figure_text.provenance(source),
            measured=source.kind is ProvenanceKind.MEASURED, rows=tuple(rows),
        )
        for source, rows in by_source.items()
    )  # fmt: skip


def _recipe(design: Design) -> tuple[tuple[str, str], ...]:
    recipe = design.recipe
    head = [("name", recipe.name), ("method", recipe.method), ("format", recipe.format.value)]
    return (*head, ("precision", recipe.precision), *_settings(recipe.settings))


def _configuration(design: Design) -> tuple[tuple[str, str], ...]:
    chosen = design.configuration
    runtime = f"{RUNTIMES.get(chosen.runtime.value, chosen.runtime.value)} {chosen.version}".strip()
    head = [("machine", design.machine), ("runtime", runtime), ("threads", str(chosen.threads))]
    return (*head, *_settings(chosen.options))


def _settings(settings: Mapping[str, str | int | float | bool] | Mapping[str, str]) -> Sequence[tuple[str, str]]:
    def word(value: object) -> str:
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    return [(name.replace("_", " "), word(settings[name])) for name in sorted(settings)]


def _log(design: Design, logs: Mapping[str, str], room: int) -> Log | None:
    if not design.log:
        return None
    if design.log not in logs:
        return Log(text="", left_out=0, missing=True)
    text, left_out = newest(clean_log(logs[design.log]), room)
    return Log(text=text, left_out=left_out)
