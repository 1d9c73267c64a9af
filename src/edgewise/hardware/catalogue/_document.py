"""What a catalogue file looks like, and how its entries become `Machine`s.

A figure is a value with its unit and the key of the source that it was read from; a figure without a
source does not exist. The format is described for users in docs/reference/catalogue.md.
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from edgewise import units
from edgewise.documents import Document
from edgewise.hardware import cores
from edgewise.nouns import Accelerator, AcceleratorKind, Cluster, Machine, Measurement, Provenance, ProvenanceKind

THIS = "this"

Dtype = Literal["float32", "float16", "bfloat16", "float8", "float4", "int16", "int8", "int4"]
Architecture = Literal["x86_64", "aarch64", "armv8l", "armv8.1-m", "any"]

_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_LARGEST_VALUE = 1e21


def _quantity(dimension: units.Dimension) -> BeforeValidator:
    def parsed(text: object) -> float:
        value = units.parse(text, dimension)
        if not 0 < value < _LARGEST_VALUE:
            raise ValueError(f"found {text!r}; a figure that nobody publishes is left out, never zero")
        return value

    return BeforeValidator(parsed)


def _name(text: object) -> str:
    if text == THIS:
        raise ValueError(f"found {text!r}, which is always the machine at hand; choose another name")
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise ValueError(f"found {text!r}; allowed are lower-case letters, digits, dots and hyphens")
    return text


def _date(value: object) -> str:
    """ISO 8601 day, or month where a publication says no more."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, str) and _MONTH.fullmatch(value):
        return value
    raise ValueError(f"found {value!r}; allowed is a day such as 2024-12-17 or a month such as 2024-12")


def _url(text: object) -> str:
    if not isinstance(text, str) or not text.startswith(("https://", "http://")):
        raise ValueError(f"found {text!r}; allowed is an address that begins with https://")
    return text


Name = Annotated[str, BeforeValidator(_name)]
Text = Annotated[str, Field(min_length=1)]
Size = Annotated[float, _quantity(units.SIZE)]
Bandwidth = Annotated[float, _quantity(units.BANDWIDTH)]
Power = Annotated[float, _quantity(units.POWER)]
Price = Annotated[float, _quantity(units.PRICE)]
Compute = Annotated[float, _quantity(units.COMPUTE)]
Frequency = Annotated[float, _quantity(units.FREQUENCY)]
Value = TypeVar("Value", bound=float)


class SourceDocument(Document):
    """Where figures come from. Without `url` they are the user's own declaration."""

    title: Text
    date: Annotated[str, BeforeValidator(_date)]
    url: Annotated[str, BeforeValidator(_url)] | None = None

    def provenance(self) -> Provenance:
        if self.url is None:
            return Provenance(kind=ProvenanceKind.DECLARED, by=self.title, date=self.date)
        return Provenance(kind=ProvenanceKind.PUBLISHED, by=self.url, date=self.date)


class FigureDocument(Document, Generic[Value]):
    """One figure: its value in the base unit and the key of its source."""

    value: Value
    source: str


class PowerDocument(Document):
    """Power of the whole machine at rest and at work."""

    idle: FigureDocument[Power] | None = None
    loaded: FigureDocument[Power] | None = None


def _core(text: object) -> str:
    known = sorted(cores.cores())
    if text in known:
        return str(text)
    near = get_close_matches(str(text)[:80], known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"found {text!r}; allowed are {', '.join(known)}{hint}; leave clusters out for any other core")


class ClusterDocument(Document):
    """Like cores of a CPU; without `clock` where none is published."""

    core: Annotated[str, BeforeValidator(_core)]
    cores: Annotated[int, Field(gt=0)]
    clock: FigureDocument[Frequency] | None = None


class AcceleratorDocument(Document):
    """What computes. `peak_rate` is dense: half of what is published for 2:4 sparse weights."""

    kind: Literal["cpu", "gpu", "npu", "tpu"]
    title: Text
    dtypes: Annotated[list[Dtype], Field(min_length=1)]
    peak_rate: dict[Dtype, FigureDocument[Compute]] = Field(default_factory=dict)
    cores: Annotated[int, Field(gt=0)] | None = None
    clock: FigureDocument[Frequency] | None = None
    clusters: list[ClusterDocument] = Field(default_factory=list)
    isa: list[Text] = Field(default_factory=list)
    compilers: list[Text] = Field(default_factory=list)
    operators: Annotated[str, BeforeValidator(_url)] | None = None
    configurations: dict[Text, list[Text]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rates_are_of_its_dtypes(self) -> Self:
        if strangers := set(self.peak_rate) - set(self.dtypes):
            raise ValueError(f"peak_rate has {', '.join(sorted(strangers))}, which dtypes does not list")
        return self

    @model_validator(mode="after")
    def _clusters_are_its_cores(self) -> Self:
        if self.clusters and self.kind != "cpu":
            raise ValueError(f"clusters are a CPU's; this is of the kind {self.kind}")
        total = sum(cluster.cores for cluster in self.clusters)
        if self.clusters and self.cores != total:
            raise ValueError(f"its clusters have {total} cores together, but cores is {self.cores}")
        return self


class MachineDocument(Document):
    """One machine."""

    title: Text
    vendor: Text
    architecture: Architecture
    accelerators: dict[Name, AcceleratorDocument]
    memory: FigureDocument[Size] | None = None
    memory_bandwidth: FigureDocument[Bandwidth] | None = None
    power: PowerDocument = PowerDocument()
    price: FigureDocument[Price] | None = None
    meters: list[Text] = Field(default_factory=list)
    note: str = ""

    @model_validator(mode="after")
    def _has_a_cpu(self) -> Self:
        if all(part.kind != "cpu" for part in self.accelerators.values()):
            raise ValueError("no accelerator is of the kind cpu; every machine has one, if only its host's")
        return self


class CatalogueDocument(Document):
    """A catalogue file: sources by key, machines by name."""

    sources: dict[Name, SourceDocument]
    machines: dict[Name, MachineDocument]

    @model_validator(mode="wrap")
    @classmethod
    def _sources_are_there(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Adds unknown source keys to the other faults, so that all are told at once."""
        faults = [
            InitErrorDetails(type="value_error", loc=where, input=key, ctx={"error": ValueError(problem)})
            for where, key, problem in _unknown_sources(data)
        ]
        try:
            document = handler(data)
        except ValidationError as error:
            faults += [
                InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
                for one in error.errors()
            ]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return document


def _unknown_sources(data: object) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Where, what and why, for every `source` in raw `data` that its `sources` do not have."""
    if not isinstance(data, dict) or not isinstance(data.get("sources"), dict):
        return
    known = sorted(str(key) for key in data["sources"])
    for where, key in _source_keys(data.get("machines"), ("machines",)):
        if key not in known:
            names = ", ".join(known) or "none, since sources is empty"
            near = get_close_matches(key[:80], known, n=1)
            yield where, key, f"found {key!r}; allowed are {names}{f'; did you mean {near[0]}?' if near else ''}"


def _source_keys(node: object, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "source" and isinstance(value, str):
                yield (*where, "source"), value
            else:
                yield from _source_keys(value, (*where, str(key)))


def to_machines(document: CatalogueDocument) -> dict[str, Machine]:
    """The document's machines by name."""
    origins = {key: source.provenance() for key, source in document.sources.items()}
    return {name: _machine(name, machine, origins) for name, machine in document.machines.items()}


def _machine(name: str, document: MachineDocument, origins: Mapping[str, Provenance]) -> Machine:
    return Machine(
        name=name,
        title=document.title,
        vendor=document.vendor,
        architecture=document.architecture,
        accelerators=tuple(_accelerator(key, part, origins) for key, part in document.accelerators.items()),
        memory=_figure(document.memory, units.SIZE, origins),
        memory_bandwidth=_figure(document.memory_bandwidth, units.BANDWIDTH, origins),
        power_idle=_figure(document.power.idle, units.POWER, origins),
        power_loaded=_figure(document.power.loaded, units.POWER, origins),
        price=_figure(document.price, units.PRICE, origins),
        meters=tuple(document.meters),
        note=document.note.strip(),
    )


def _accelerator(name: str, document: AcceleratorDocument, origins: Mapping[str, Provenance]) -> Accelerator:
    rates = document.peak_rate.items()
    return Accelerator(
        name=name,
        kind=AcceleratorKind(document.kind),
        title=document.title,
        dtypes=tuple(document.dtypes),
        peak_rate={str(dtype): _exact(figure, units.COMPUTE, origins) for dtype, figure in rates},
        cores=document.cores,
        clock=_figure(document.clock, units.FREQUENCY, origins),
        clusters=tuple(
            Cluster(core=one.core, cores=one.cores, clock=_figure(one.clock, units.FREQUENCY, origins))
            for one in document.clusters
        ),
        isa=tuple(document.isa),
        compilers=tuple(document.compilers),
        operators=document.operators or "",
        configurations={key: tuple(choices) for key, choices in document.configurations.items()},
    )


def _figure(
    document: FigureDocument[Value] | None, dimension: units.Dimension, origins: Mapping[str, Provenance]
) -> Measurement | None:
    return None if document is None else _exact(document, dimension, origins)


def _exact(
    document: FigureDocument[Value], dimension: units.Dimension, origins: Mapping[str, Provenance]
) -> Measurement:
    return Measurement.exact(document.value, dimension.base, origins[document.source])
