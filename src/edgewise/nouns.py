"""The words of Edgewise as frozen dataclasses.

Plain values: no I/O, no third-party types. Documents from outside are validated where they enter and
become these; inside, they are trusted. Mappings in here are never changed after construction.

Names carry their unit where the unit is fixed (`size_bytes`); a `Measurement` carries its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from edgewise.served_nouns import (
    Golden,
    ModelFile,
    ModelFormat,
    RuntimeConfiguration,
    RuntimeName,
    ServedModel,
    ServedStep,
    Signature,
    Tensor,
)

__all__ = [
    "Golden",
    "ModelFile",
    "ModelFormat",
    "RuntimeConfiguration",
    "RuntimeName",
    "ServedModel",
    "ServedStep",
    "Signature",
    "Tensor",
]
"""Words of what is served, which stand beside, are words all the same."""

# --- Figures ----------------------------------------------------------------------------------


class Quantity(StrEnum):
    """What a figure is about. The value is the name in documents."""

    METRIC = "metric"
    DROP = "accuracy_drop"
    LATENCY_MIN = "latency_min"
    LATENCY_P50 = "latency_p50"
    LATENCY_P90 = "latency_p90"
    LATENCY_P99 = "latency_p99"
    THROUGHPUT = "throughput"
    MEMORY = "memory"
    FLASH = "flash"
    LOAD_TIME = "load_time"
    POWER = "power"
    ENERGY = "energy"
    PRICE = "price"

    @property
    def higher_is_better(self) -> bool:
        """True for throughput alone; the metric's own direction is known to `Plan.metric`."""
        return self is Quantity.THROUGHPUT


class ProvenanceKind(StrEnum):
    """Where a figure comes from; no figure exists without one."""

    MEASURED = "measured"
    COMPILER = "compiler"
    CALIBRATED = "calibrated"
    MODELLED = "modelled"
    PUBLISHED = "published"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where one figure comes from.

    Attributes:
        kind: measured here, from a vendor's compiler, estimated, computed by a model of a machine that nobody has
            built, published, or declared by the user.
        by: the machine measured on, the tool with version, or the source's address.
        date: ISO 8601 day (or moment) of the figure.
        load: one-minute load average while measuring, None where it means nothing.
    """

    kind: ProvenanceKind
    by: str
    date: str = ""
    load: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One figure with its unit, interval and provenance.

    Attributes:
        value: point estimate, in `unit`.
        low, high: 95 % confidence interval of `value`; equal to it for exact figures.
        unit: base unit of the quantity's dimension (see `units.py`); "" for a pure number.
        n: observations behind it; 1 for figures that were read, not sampled.
        spread: interquartile range of the single observations, in `unit`; None where there is one.
    """

    value: float
    low: float
    high: float
    unit: str
    n: int
    provenance: Provenance
    spread: float | None = None

    @classmethod
    def exact(cls, value: float, unit: str, provenance: Provenance) -> "Measurement":
        """A figure without an interval."""
        return cls(value=value, low=value, high=value, unit=unit, n=1, provenance=provenance)

    def overlaps(self, other: "Measurement") -> bool:
        """True where the intervals share a point, so that neither figure may be called the better."""
        return self.low <= other.high and other.low <= self.high


# --- Models and what is made of them ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """What a layer multiplies and accumulates at batch 1, as a convolution over a height and a width.

    A matrix product [m, k] x [k, n] is one with a 1 x 1 kernel: height m, width 1, k input and n output channels; a
    batch of products, each with its own right side, are its groups. Sizes of the input are without padding.
    """

    input_height: int
    input_width: int
    input_channels: int
    output_height: int
    output_width: int
    output_channels: int
    kernel_height: int
    kernel_width: int
    stride_height: int = 1
    stride_width: int = 1
    groups: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        window = self.kernel_height * self.kernel_width * self.input_channels // self.groups
        return self.output_height * self.output_width * self.output_channels * window


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operator of the graph, and what it asks of a machine in one inference at batch 1.

    Attributes:
        parameters: elements that it reads and that the file stores.
        macs: None where they are not known; 0 for operators that do not multiply and accumulate.
        read_elements, written_elements: of activations, None where a shape is not known.
        convolution: its multiply-accumulates as a convolution, None for other operators.
    """

    name: str
    operator: str
    output_shape: tuple[int | str, ...]
    parameters: int
    macs: int | None
    read_elements: int | None = None
    written_elements: int | None = None
    convolution: Convolution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A trained model as it was given to us.

    Attributes:
        files: the model file first, then what it refers to (external weights).
        parameters_by_dtype: how many parameters of each dtype, e.g. {"float32": 26122}.
    """

    name: str
    format: ModelFormat
    files: tuple[ModelFile, ...]
    opset: int | None
    signature: Signature
    layers: tuple[Layer, ...]
    parameters_by_dtype: Mapping[str, int]

    @property
    def digest(self) -> str:
        """Digest of the model file."""
        return self.files[0].digest

    @property
    def parameters(self) -> int:
        """All parameters, whatever their dtype."""
        return sum(self.parameters_by_dtype.values())

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one inference; None where any layer's are unknown."""
        known = [layer.macs for layer in self.layers if layer.macs is not None]
        return sum(known) if len(known) == len(self.layers) else None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a Variant is made from a Model.

    Attributes:
        name: short and unique, as shown to people: "int8-u8s8-reduced-percentile".
        method: the transformation that makes it, a key of `METHODS` in design/variants/_worker.py, or "given".
        format: what comes out.
        settings: the transformation's own settings.
        precision: arithmetic of most of the work: "fp32", "fp16", "int8", "mixed".
    """

    name: str
    method: str
    format: ModelFormat
    precision: str
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A Model after a Recipe; hardware-neutral. `notes` are what the transformation wants known."""

    recipe: Recipe
    files: tuple[ModelFile, ...]
    notes: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


# --- Machines ---------------------------------------------------------------------------------


class AcceleratorKind(StrEnum):
    """What sort of thing computes."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"
    TPU = "tpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Like cores inside a CPU.

    Attributes:
        core: name in the table of cores (`hardware/cores`): "cortex-a53".
        clock: the highest that is published, in Hz; None where none is.
    """

    core: str
    cores: int
    clock: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """What computes, inside a Machine.

    Attributes:
        name: unique within its machine: "cpu", "gpu", "ethos-u55".
        title: the part's own name: "4x Cortex-A53 at 1.5 GHz".
        peak_rate: operations per second by dtype name (a multiply-accumulate counts as two).
        dtypes: what it computes in; includes all keys of `peak_rate`.
        clock: in Hz, None where nobody publishes it; a CPU's stand in its clusters.
        clusters: of a CPU, the fastest first; empty where its cores are not known.
        isa: instruction-set flags that decide numerics and speed ("avx2", "avx_vnni", "asimddp").
        compilers: what compiles for it ("openvino", "vela", "tensorrt", "edgetpu-compiler").
        operators: where the list of supported operators is published, or "" for a full CPU.
        configurations: what it can be built or set to: {"macs": ("32", "64"), "mig": ("1g.5gb",)}.
    """

    name: str
    kind: AcceleratorKind
    title: str
    dtypes: tuple[str, ...]
    peak_rate: Mapping[str, Measurement] = field(default_factory=dict)
    cores: int | None = None
    clock: Measurement | None = None
    clusters: tuple[Cluster, ...] = ()
    isa: tuple[str, ...] = ()
    compilers: tuple[str, ...] = ()
    operators: str = ""
    configurations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An entry of the hardware catalogue, or the machine at hand (`this`).

    A figure that nobody publishes is None, never a guess. Units: bytes, B/s, W, USD.
    """

    name: str
    title: str
    vendor: str
    architecture: str
    accelerators: tuple[Accelerator, ...]
    memory: Measurement | None = None
    memory_bandwidth: Measurement | None = None
    power_idle: Measurement | None = None
    power_loaded: Measurement | None = None
    price: Measurement | None = None
    meters: tuple[str, ...] = ()
    note: str = ""

    @property
    def cpu(self) -> Accelerator:
        """The first CPU; every machine has one."""
        return next(part for part in self.accelerators if part.kind is AcceleratorKind.CPU)


# --- What is asked for ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One line of a budget: `quantity` at most `value` (at least, for throughput), in the base unit."""

    quantity: Quantity
    value: float
    unit: str

    def admits(self, value: float) -> bool:
        """True where `value`, in the limit's unit, is within it."""
        return value >= self.value if self.quantity.higher_is_better else value <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a Site can afford: its limits, each quantity at most once."""

    limits: tuple[Limit, ...] = ()

    def limit(self, quantity: Quantity) -> Limit | None:
        """The limit on `quantity`, None where it is free."""
        return next((limit for limit in self.limits if limit.quantity is quantity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChoice:
    """A candidate machine of a site, with what the user declares about it.

    Attributes:
        threads: thread counts to try; empty means one and all cores.
        power_watt: declared power under load, for energy where there is no meter.
        price_usd: declared price.
        idle: share of its cores' time that other work leaves, above 0 and up to 1; None where all of it is free.
        memory_free_bytes: memory that other work leaves; None where nobody says.
        disk_free_bytes: disk that images and models may take; None where nobody says.
    """

    name: str
    threads: tuple[int, ...] = ()
    power_watt: float | None = None
    price_usd: float | None = None
    idle: float | None = None
    memory_free_bytes: float | None = None
    disk_free_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way to the site: speed in bit/s and how often a new model is expected."""

    bandwidth_bit_per_s: float
    updates_per_month: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where the model must run, and what it can afford.

    Attributes:
        devices: machines, or nodes of a cluster, that serve the model there and share the link.
    """

    name: str
    node: Literal["device", "microshift", "openshift"]
    machines: tuple[MachineChoice, ...]
    budget: Budget
    link: Link | None = None
    strategy: Literal["embedded", "external", "modelcar", "auto"] = "auto"
    devices: int = 1


# --- Structures -------------------------------------------------------------------------------


class TrialStage(StrEnum):
    """How far a structure came. Cheap things first: most are built, few are trained, fewer are planned."""

    PROPOSED = "proposed"
    BUILT = "built"
    TRAINED = "trained"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One structure that was tried.

    Attributes:
        name: unique within a search, as shown to people: "width=0.5,depth=3".
        structure: value of each declared dimension.
        figures: of the model in float32, one thread: latency and size; metric and drop against the best trained
            structure where it was trained.
        macs, parameters: of its graph; None where not known.
        model: digest of the trained model file, "" where it was not trained.
        failure: why it went no further than `stage`, one sentence; "" where it was not stopped.
        log: digest of what train.py printed, "" if nothing.
        duration_s: wall time of its training; None where it was not trained.
    """

    name: str
    structure: Mapping[str, str | int | float | bool]
    stage: TrialStage
    figures: Mapping[Quantity, Measurement] = field(default_factory=dict)
    macs: int | None = None
    parameters: int | None = None
    model: str = ""
    failure: str = ""
    log: str = ""
    duration_s: float | None = None


# --- Designs and verdicts ---------------------------------------------------------------------


class Stage(StrEnum):
    """How far a design came. Cheap things first: what fails early is never timed.

    Timed means that its latency is known, by whatever provenance.
    """

    PROPOSED = "proposed"
    BUILT = "built"
    EVALUATED = "evaluated"
    TIMED = "timed"


class Rejection(StrEnum):
    """Why a design went no further than its stage, as a kind; `Design.failure` has the sentence."""

    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"
    RULED_OUT = "ruled out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Variant x runtime x accelerator configuration, with its figures.

    Attributes:
        name: unique within a plan, as shown to people.
        machine: catalogue name of the machine.
        variant: None where the recipe could not be applied.
        stage: how far it came.
        failure: why it went no further than `stage`, one sentence; "" where it was not stopped.
        rejection: the same as a kind; None where it was not stopped.
        caveats: what must be known before it is used, one sentence each.
        log: digest of what the tools wrote while building and running it, "" if nothing.
    """

    name: str
    machine: str
    recipe: Recipe
    configuration: RuntimeConfiguration
    stage: Stage
    variant: Variant | None = None
    figures: Mapping[Quantity, Measurement] = field(default_factory=dict)
    failure: str = ""
    rejection: Rejection | None = None
    caveats: tuple[str, ...] = ()
    log: str = ""


class Finding(StrEnum):
    """What the figures say about one limit."""

    FITS = "fits"
    UNPROVEN = "unproven"
    MISSES = "misses"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFinding:
    """One limit of the budget against one design, with the reason in a sentence."""

    limit: Limit
    finding: Finding
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A design, feasible or rejected, with the reason in a sentence."""

    design: Design
    feasible: bool
    reason: str
    findings: tuple[LimitFinding, ...] = ()
    on_frontier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A smallest change of one limit that would make a design feasible, all other limits as they are.

    Attributes:
        limit: as it is asked for.
        needed: what it would have to be, in the limit's unit; the limit itself where the figure is not known.
        design: name of the design that it would admit.
        together: not enough on its own, only with the plan's other relaxations.
    """

    limit: Limit
    needed: float
    design: str
    sentence: str
    together: bool = False


class Bottleneck(StrEnum):
    """What a design waits for most of the time."""

    MACS = "MACs"
    MEMORY = "memory bandwidth"
    FLASH = "flash reads"
    FALLBACK = "fallback to the CPU"
    OVERHEAD = "launch overhead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What binds a design, and the one move that helps most.

    Attributes:
        design: its name.
        share: of the latency that goes into what binds, 0 to 1.
        binds_sentence: what binds, in a sentence.
        move: the one change that helps most, in a sentence; "" where none is known.
        speedup: how many times faster the move makes it, by the same figures; 1 where none is known.
    """

    design: str
    binds: Bottleneck
    share: float
    binds_sentence: str
    move: str = ""
    speedup: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How predictions are judged.

    Attributes:
        name: accuracy, auc, f1, mae, rmse, or package.module:function.
        higher_is_better: False for errors.
        against: "labels", or "reference" where the data has none and agreement with the model as
            given is judged instead.
    """

    name: str
    higher_is_better: bool
    against: Literal["labels", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """The data as it was split; the two parts never overlap."""

    digest: str
    samples: int
    calibration: int
    evaluation: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what circumstances the figures were taken.

    Attributes:
        cpu: the CPU's own name.
        load_before, load_after: one-minute load averages around the timing.
        duration_s: wall time of this plan; little where most came from the store.
    """

    machine: str
    cpu: str
    cores: int
    isa: tuple[str, ...]
    load_before: float
    load_after: float
    date: str
    versions: Mapping[str, str]
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer for one site.

    Attributes:
        advice: what binds the chosen and the nearly feasible designs, and what would help.
        machines: those that were planned for, as probed or as the catalogue has them.
        reference: name of the design that every drop is measured against: the model as given.
        verdicts: every design that was considered, best first.
        choice, runner_up: names of designs; None where nothing is feasible.
        why: why the choice and not the runner-up, and what would change it, one sentence each.
        relaxations: filled where nothing is feasible.
        not_planned: machines of the site that this plan says nothing about, with the reason.
        trials: structures that were tried where edge.yaml names a training, else none.
        edgewise: version that made the plan.
    """

    edgewise: str
    site: Site
    model: Model
    metric: Metric
    data: DataSummary
    conditions: Conditions
    reference: str
    verdicts: tuple[Verdict, ...]
    choice: str | None
    runner_up: str | None
    why: tuple[str, ...]
    relaxations: tuple[Relaxation, ...]
    not_planned: Mapping[str, str] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    advice: tuple[Advice, ...] = ()
    trials: tuple[Trial, ...] = ()

    def verdict(self, name: str) -> Verdict:
        """The verdict of the design called `name`.

        Raises:
            KeyError: no such design.
        """
        return {verdict.design.name: verdict for verdict in self.verdicts}[name]


# --- Fleets -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMachines:
    """Machines of one kind in a fleet: alike, equally busy, owned or for sale.

    Attributes:
        name: unique in its fleet.
        machine: catalogue name, or `this`.
        title: of that machine.
        count: how many are owned, or how many may be bought.
        cores: of one machine.
        idle: share of its cores' time that other work leaves.
        memory_bytes, flash_bytes: what is free of them on one machine; None where nobody says.
        price_usd: of one machine; None where it is owned.
    """

    name: str
    machine: str
    title: str
    count: int
    cores: int
    idle: float = 1.0
    memory_bytes: float | None = None
    flash_bytes: float | None = None
    price_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One replica of a model on one machine of a fleet.

    Attributes:
        design: name of the design in the model's own plan.
        machines: name of the `FleetMachines`; `number` says which one of them, from 1.
        part: name of the accelerator that it computes on, the CPU's included.
        rate_per_s: inferences per second that it must answer.
        busy_cores: cores of that part that it keeps busy on average; an accelerator counts as one.
        figures: of the design beside everything else on that machine, as planned.
    """

    model: str
    site: str
    design: str
    machines: str
    number: int
    part: str
    rate_per_s: float
    busy_cores: float
    figures: Mapping[Quantity, Measurement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of one machine of a fleet is in use, as planned; shares of time, bytes.

    Attributes:
        other: share of the CPU's cores' time that other work takes.
        planned: share of each part's time that this plan's models take, by the part's name.
        memory_bytes, flash_bytes: taken by this plan's models.
    """

    machines: str
    number: int
    other: float
    planned: Mapping[str, float]
    memory_bytes: float
    flash_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What a fleet's plan was minimised for, and what the solver proved about it.

    Attributes:
        value: reached. `bound`: no plan is below it, all earlier objectives as they are.
        gap: (value - bound) / value; 0 where the value is proven to be the least.
    """

    name: str
    value: float
    bound: float
    gap: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Which model runs on which machine of a fleet, and what must be bought for it.

    Attributes:
        machines: all that may be used, owned ones first.
        placements, usages: empty where there is no such plan.
        bought: how many to buy, by name of the `FleetMachines`.
        price_usd: of what is bought.
        objectives: in order of importance; each was minimised with the earlier ones held.
        solver: what solved it, with version and how the question was put.
        solve_s: seconds of solving.
        why: sentences on the answer.
        lacking: where there is no plan: what does not fit where, and what would help, one sentence each.
    """

    edgewise: str
    machines: tuple[FleetMachines, ...]
    placements: tuple[Placement, ...]
    usages: tuple[Usage, ...]
    bought: Mapping[str, int]
    price_usd: float
    objectives: tuple[Objective, ...]
    solver: str
    solve_s: float
    why: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def gap(self) -> float:
        """The largest optimality gap of all objectives."""
        return max((objective.gap for objective in self.objectives), default=0.0)
