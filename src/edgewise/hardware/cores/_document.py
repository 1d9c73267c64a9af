"""What tables of cores and boards look like as files, and as nouns."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from edgewise import units
from edgewise.documents import Document, InUnits
from edgewise.nouns import Cluster, Measurement, Provenance, ProvenanceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Multiply-accumulates of one core in a cycle.

    Attributes:
        how: "measured" where somebody timed the instructions, "derived" where it follows from what is documented.
        why: the figures or the fact that it comes from.
    """

    value: float
    how: Literal["measured", "derived"]
    why: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """A microarchitecture.

    Attributes:
        family: cores that run the same kernels: "x86", "Arm A", "Arm M".
        macs_per_cycle: by dtype; what nobody publishes is left out.
    """

    name: str
    title: str
    family: str
    macs_per_cycle: Mapping[str, Rate]


def _date(value: object) -> str:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    raise ValueError(f"found {value!r}; allowed is a day such as 2024-12-17")


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
Dtype = Literal["float32", "float16", "int8"]
MOST_MACS = 4096
"""Of a core's vector units in a cycle: more is a matrix unit or a mistake."""


class SourceDocument(Document):
    """Where figures were read, and on what day they were published or, where that is not told, read."""

    title: Text
    url: Annotated[str, Field(pattern="^https://")]
    date: Annotated[str, BeforeValidator(_date)]

    def provenance(self) -> Provenance:
        return Provenance(kind=ProvenanceKind.PUBLISHED, by=self.url, date=self.date)


class RateDocument(Document):
    """A rate with its source."""

    value: Annotated[float, Field(gt=0, le=MOST_MACS)]
    how: Literal["measured", "derived"]
    source: Name
    why: Text


class CoreDocument(Document):
    """A core."""

    title: Text
    macs_per_cycle: Annotated[dict[Dtype, RateDocument], Field(min_length=1)]


class CoresDocument(Document):
    """A file of cores."""

    family: Literal["x86", "Arm A", "Arm M"]
    sources: dict[Name, SourceDocument]
    cores: Annotated[dict[Name, CoreDocument], Field(min_length=1)]

    @model_validator(mode="after")
    def _sources_are_there(self) -> "CoresDocument":
        used = {rate.source for core in self.cores.values() for rate in core.macs_per_cycle.values()}
        _require_sources(used, set(self.sources))
        return self


class ClockDocument(Document):
    """A clock with its source."""

    value: Annotated[float, InUnits(units.FREQUENCY), Field(gt=0)]
    source: Name


class ClusterDocument(Document):
    """Cores of one kind."""

    core: Name
    cores: Annotated[int, Field(gt=0)]
    clock: ClockDocument


class BoardsDocument(Document):
    """A file of boards: clusters by name of the machine and of the accelerator, the fastest first."""

    sources: dict[Name, SourceDocument]
    boards: dict[Name, dict[Name, Annotated[list[ClusterDocument], Field(min_length=1)]]]

    @model_validator(mode="after")
    def _sources_are_there(self) -> "BoardsDocument":
        parts = [cluster for board in self.boards.values() for part in board.values() for cluster in part]
        _require_sources({cluster.clock.source for cluster in parts}, set(self.sources))
        return self


def _require_sources(used: set[str], known: set[str]) -> None:
    if strangers := used - known:
        raise ValueError(f"found the sources {', '.join(sorted(strangers))}; allowed are {', '.join(sorted(known))}")


def to_cores(document: CoresDocument) -> dict[str, Core]:
    """The cores of a file by name."""
    origins = {key: source.provenance() for key, source in document.sources.items()}
    return {
        name: Core(
            name=name,
            title=core.title,
            family=document.family,
            macs_per_cycle={
                str(dtype): Rate(value=rate.value, how=rate.how, why=rate.why, provenance=origins[rate.source])
                for dtype, rate in core.macs_per_cycle.items()
            },
        )
        for name, core in document.cores.items()
    }


def to_boards(document: BoardsDocument) -> dict[tuple[str, str], tuple[Cluster, ...]]:
    """Clusters by machine and accelerator."""
    origins = {key: source.provenance() for key, source in document.sources.items()}
    return {
        (board, part): tuple(_cluster(cluster, origins) for cluster in clusters)
        for board, parts in document.boards.items()
        for part, clusters in parts.items()
    }


def _cluster(document: ClusterDocument, origins: Mapping[str, Provenance]) -> Cluster:
    clock = Measurement.exact(document.clock.value, units.FREQUENCY.base, origins[document.clock.source])
    return Cluster(core=document.core, cores=document.cores, clock=clock)
