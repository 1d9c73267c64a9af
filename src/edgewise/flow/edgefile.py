"""edge.yaml: its format, and what it means.

The pydantic classes here are the format (the published JSON Schema is made from them); `load` turns a
file into a `Project` of nouns with absolute paths.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from edgewise import units
from edgewise.design.words import DIMENSIONS
from edgewise.documents import Document, InUnits
from edgewise.documents import load as load_document
from edgewise.errors import BadBudget, NotFound
from edgewise.nouns import Budget, Limit, Link, MachineChoice, Quantity, Site

Time = Annotated[float, InUnits(units.TIME)]
Size = Annotated[float, InUnits(units.SIZE)]
Power = Annotated[float, InUnits(units.POWER)]
Energy = Annotated[float, InUnits(units.ENERGY)]
Price = Annotated[float, InUnits(units.PRICE)]
Rate = Annotated[float, InUnits(units.RATE)]
Ratio = Annotated[float, InUnits(units.RATIO)]
Share = Annotated[float, InUnits(units.RATIO), Field(gt=0, le=1)]
LinkSpeed = Annotated[float, InUnits(units.LINK)]
ROUNDING = 1e-9
"""Figures that were written as equal may differ so much after conversion to base units."""
Text = Annotated[str, StringConstraints(min_length=1)]
Files = Annotated[list[Text], Field(min_length=1, max_length=8)]
Threads = Annotated[int, Field(ge=1, le=1024)]
MODEL_STEP = "model"
"""The step of a pipeline that is the model of the edge.yaml."""
Step = Annotated[str, StringConstraints(pattern=rf"^({MODEL_STEP}|[^\x00:]+\.py:[A-Za-z_]\w*|[^\x00:]+/model\.json)$")]
ThreadCounts = Annotated[list[Threads], Field(min_length=1, max_length=16)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]


def _one_as_list(given: object) -> object:
    return [given] if isinstance(given, str) else given


def _name_as_mapping(given: object) -> object:
    return {"name": given} if isinstance(given, str) else given


def _number_as_list(given: object) -> object:
    return [given] if isinstance(given, int) and not isinstance(given, bool) else given


def _each_thread_count_once(given: list[int]) -> list[int]:
    if len(set(given)) < len(given):
        raise ValueError(f"found {given}; allowed is each thread count once")
    return given


class ModelSection(Document):
    """The trained model, or what trains it, and the data that it is judged by."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["file"], "properties": {"file": {"not": {"type": "null"}}}},
                {"required": ["train"], "properties": {"train": {"not": {"type": "null"}}}},
            ]
        }
    )

    name: Name = Field(description="Name of the model: lower case letters, digits, dots and dashes.")
    file: Annotated[Files, BeforeValidator(_one_as_list, json_schema_input_type=Text | Files)] | None = Field(
        default=None,
        description="The model: .onnx or .tflite. A list names the same model in further formats (an int8"
        " .tflite from your own training, say); the first one is the reference. Either this or train.",
    )
    train: Annotated[str, StringConstraints(pattern=r"^[^\x00:]+\.py$")] | None = Field(
        default=None,
        description="Instead of file: a train.py that declares ranges in STRUCTURE and trains what is chosen of"
        " them in fit(structure), which returns the path of an ONNX file.",
    )
    data: Text = Field(
        description="Calibration and evaluation data: an .npz with arrays x and y (or one array an input, by"
        " the input's name, and y), or package.module:function or file.py:function that returns such arrays.",
    )
    metric: Text = Field(
        default="accuracy",
        description="accuracy, auc, f1, mae, rmse, or package.module:function taking (y, outputs).",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the split into calibration and evaluation data.")

    @model_validator(mode="after")
    def _file_or_train(self) -> Self:
        if (self.file is None) == (self.train is None):
            found = "neither file nor train" if self.file is None else "both file and train"
            raise ValueError(f"found {found}; allowed is exactly one of them")
        return self


class BudgetSection(Document):
    """What the site can afford. Every line is optional; a figure that nobody can give does not fit."""

    latency_p50: Time | None = Field(default=None, description="Median time of one inference.")
    latency_p90: Time | None = Field(default=None, description="90th percentile of the time of one inference.")
    latency_p99: Time | None = Field(default=None, description="99th percentile of the time of one inference.")
    throughput: Rate | None = Field(default=None, description="At least this many inferences, one at a time.")
    memory: Size | None = Field(
        default=None,
        description="Peak resident memory that loading and running add to a process that has imported the runtime.",
    )
    flash: Size | None = Field(default=None, description="Size of the model's files.")
    load_time: Time | None = Field(default=None, description="Time to load the model.")
    power: Power | None = Field(default=None, description="Power under load.")
    energy: Energy | None = Field(default=None, description="Energy of one inference.")
    price: Price | None = Field(default=None, description="Price of the machine.")
    accuracy_drop: Ratio | None = Field(
        default=None,
        description="How much worse than the model as given the metric may get, absolute (0.01 is one point)."
        " Left out: no drop that the paired test can see.",
    )


class MachineSection(Document):
    """A candidate machine with what you declare about it."""

    name: Name = Field(description="Name in the catalogue (edgewise get machines), or `this`.")
    threads: (
        Annotated[
            ThreadCounts,
            BeforeValidator(_number_as_list, json_schema_input_type=Threads | ThreadCounts),
            AfterValidator(_each_thread_count_once),
        ]
        | None
    ) = Field(
        default=None,
        description="Thread counts to try. Left out: 1 and all cores.",
    )
    power: Power | None = Field(default=None, description="Power under load, for energy on a machine without a meter.")
    price: Price | None = Field(default=None, description="What the machine costs you.")
    idle: Share | None = Field(
        default=None,
        description="Share of its cores' time that other work leaves, such as 40%. Left out: all of it.",
    )
    memory_free: Size | None = Field(default=None, description="Memory that other work leaves.")
    disk_free: Size | None = Field(
        default=None, description="Disk that images and models may take. Left out: no strategy is ruled out by it."
    )


class LinkSection(Document):
    """The way to the site."""

    bandwidth: LinkSpeed = Field(description="Speed of the link, such as 2Mbit/s.")
    updates_per_month: float = Field(
        default=1.0, ge=0, allow_inf_nan=False, description="How often a new model is expected."
    )


class SiteSection(Document):
    """A place where the model must run."""

    node: Literal["device", "microshift", "openshift"] = Field(
        default="device", description="What runs there: Podman and systemd, MicroShift, or OpenShift."
    )
    machines: list[
        Annotated[MachineSection, BeforeValidator(_name_as_mapping, json_schema_input_type=Name | MachineSection)]
    ] = Field(min_length=1, max_length=64, description="The machine, or the candidates to choose among.")
    budget: BudgetSection = Field(default=BudgetSection(), description="What the site can afford.")
    link: LinkSection | None = Field(default=None, description="The way to the site.")
    strategy: Literal["embedded", "external", "modelcar", "auto"] = Field(
        default="auto", description="How the model is packed."
    )
    devices: int = Field(
        default=1,
        ge=1,
        le=10_000_000,
        description="How many machines, or nodes of a cluster, serve the model there and share the link.",
    )

    @field_validator("machines")
    @classmethod
    def _each_machine_once(cls, machines: list[MachineSection]) -> list[MachineSection]:
        names = [machine.name for machine in machines]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"found {', '.join(twice)} more than once; allowed is each machine once")
        return machines


class ServeSection(Document):
    """How the model is served."""

    steps: list[Step] = Field(
        min_length=1,
        max_length=32,
        description="A pipeline: what runs one after the other. `model` is the model of this file, and stands there"
        " once; `file.py:function` is a Python function whose annotations say what it takes and gives;"
        " `folder/model.json` is another model, as edgewise build writes it.",
    )

    @field_validator("steps")
    @classmethod
    def _the_model_once(cls, steps: list[str]) -> list[str]:
        if steps.count(MODEL_STEP) != 1:
            raise ValueError(f"found {steps.count(MODEL_STEP)} steps called model; allowed is exactly one")
        return steps


Word = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class RetrainSection(Document):
    """How the model learns from what people said of its held-back predictions."""

    command: list[Word] = Field(
        min_length=1,
        max_length=64,
        description="What trains, as words, run in this file's folder: [python, train.py]. It reads the cases in the"
        " folder EDGEWISE_CASES and the model EDGEWISE_MODEL, and writes the new model to EDGEWISE_OUT.",
    )
    cases: Text = Field(default="cases", description="Folder that judged cases are written to.")
    at_least: int = Field(default=1, ge=1, description="A round begins when so many new cases were judged.")
    timeout: Time = Field(default=3.6e6, gt=0, description="The command is ended after this time. Left out: 1h.")


class EdgeFile(Document):
    """The one file that Edgewise works from."""

    api_version: Literal["edgewise/v1"] = Field(alias="apiVersion", description="Version of this format.")
    model: ModelSection
    sites: dict[Name, SiteSection] = Field(
        min_length=1,
        max_length=256,
        description="The sites, by name.",
        json_schema_extra={"additionalProperties": False},
    )
    serve: ServeSection | None = Field(default=None, description="Steps before and after the model. Left out: none.")
    retrain: RetrainSection | None = Field(default=None, description="How the model learns from judged cases.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """What trains a model anew.

    Attributes:
        command: words; the first is the program.
        cases: folder, from edge.yaml's own on.
        at_least: new cases that a round needs.
    """

    command: tuple[str, ...]
    cases: str
    at_least: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What an edge.yaml means.

    Attributes:
        path: the edge.yaml.
        model_paths: the model file and its other formats, absolute; the first is the reference. Empty where
            there is `train`.
        train: the train.py, absolute; None where there are model files.
        data: an absolute path to an .npz, or `module:function`, or `/absolute/file.py:function`.
        steps: of the pipeline that is served, as edge.yaml has them; empty for the model alone.
        retraining: None where edge.yaml does not say how.
    """

    path: Path
    name: str
    model_paths: tuple[Path, ...]
    data: str
    metric: str
    seed: int
    sites: tuple[Site, ...]
    train: Path | None = None
    steps: tuple[str, ...] = ()
    retraining: Retraining | None = None

    def site(self, name: str) -> Site:
        """The site called `name`.

        Raises:
            NotFound: there is none.
        """
        for site in self.sites:
            if site.name == name:
                return site
        known = ", ".join(site.name for site in self.sites)
        raise NotFound(f"{self.path} has no site {name!r}", hint=f"its sites are: {known}")


def load(path: Path) -> Project:
    """The project that the edge.yaml at `path` describes.

    Raises:
        NotFound: no such file.
        BadDocument: the file has faults; all of them are listed.
        BadBudget: a budget contradicts itself.
    """
    document = load_document(path, EdgeFile, what="edge.yaml")
    folder = path.resolve().parent
    model = document.model
    return Project(
        path=path,
        name=model.name,
        model_paths=tuple(folder / file for file in model.file or ()),  # a link keeps its own name and neighbours
        data=_data(model.data, folder),
        metric=model.metric,
        seed=model.seed,
        sites=tuple(_site(name, section, model.metric) for name, section in document.sites.items()),
        train=None if model.train is None else folder / model.train,
        steps=() if document.serve is None else tuple(document.serve.steps),
        retraining=_retraining(document.retrain),
    )


def _retraining(section: RetrainSection | None) -> Retraining | None:
    if section is None:
        return None
    return Retraining(
        command=tuple(section.command),
        cases=section.cases,
        at_least=section.at_least,
        timeout_s=section.timeout / 1e3,
    )


def _data(text: str, folder: Path) -> str:
    file, colon, function = text.rpartition(":")
    if not colon or text.endswith(".npz"):
        return str(folder / text)
    if file.endswith(".py"):
        return f"{folder / file}:{function}"
    return text


def _site(name: str, section: SiteSection, metric: str) -> Site:
    link = section.link
    return Site(
        name=name,
        node=section.node,
        machines=tuple(
            MachineChoice(
                name=machine.name,
                threads=tuple(machine.threads or ()),
                power_watt=machine.power,
                price_usd=machine.price,
                idle=machine.idle,
                memory_free_bytes=machine.memory_free,
                disk_free_bytes=machine.disk_free,
            )
            for machine in section.machines
        ),
        budget=_budget(name, section.budget, metric),
        link=None
        if link is None
        else Link(bandwidth_bit_per_s=link.bandwidth, updates_per_month=link.updates_per_month),
        strategy=section.strategy,
        devices=section.devices,
    )


SHARES = ("accuracy", "auc", "f1")
"""Metrics between 0 and 1."""


def _budget(site: str, section: BudgetSection, metric: str) -> Budget:
    given = section.model_dump(exclude_none=True)
    limits = tuple(
        Limit(quantity=Quantity(name), value=value, unit=DIMENSIONS[Quantity(name)].base)
        for name, value in given.items()
    )
    budget = Budget(limits=limits)
    problems = contradictions(budget)
    drop = budget.limit(Quantity.DROP)
    if drop is not None and drop.value > 1 and metric in SHARES:
        problems.append(f"accuracy_drop is {drop.value:g}, more than all of {metric}; one point is 0.01")
    if problems:
        raise BadBudget(
            f"the budget of site {site} contradicts itself: {'; '.join(problems)}", hint="change one of the figures"
        )
    return budget


def contradictions(budget: Budget) -> list[str]:
    """What in `budget` no machine whatever could fulfil, a sentence each."""
    found = []
    value = {limit.quantity: limit.value for limit in budget.limits}
    percentiles = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99)
    for index, low in enumerate(percentiles):
        for high in percentiles[index + 1 :]:
            if low in value and high in value and value[low] > value[high]:
                found.append(
                    f"{low} may be {units.show(value[low], units.TIME)}, more than {high}"
                    f" with {units.show(value[high], units.TIME)}"
                )
    for quantity, limit in value.items():
        if limit == 0 and quantity is not Quantity.DROP:
            found.append(f"{quantity} of 0 leaves nothing to run")
    throughput, energy, power = (
        value.get(quantity) for quantity in (Quantity.THROUGHPUT, Quantity.ENERGY, Quantity.POWER)
    )
    if throughput and energy and power and energy * throughput > 1e3 * power * (1 + ROUNDING):
        found.append(
            f"{units.show(throughput, units.RATE)} at {units.show(energy, units.ENERGY)} each may draw more than"
            f" the {units.show(power, units.POWER)} of power"
        )
    return found
