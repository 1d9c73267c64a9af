"""fleet.yaml: machines that are there, machines that may be bought, and the models that they must run.

The pydantic classes here are the format (the published JSON Schema is made from them); `load` turns a file into a
`Fleet` with absolute paths. What its machines are, the catalogue knows: `fleet.py` looks there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from edgewise.documents import Document
from edgewise.documents import load as load_document
from edgewise.flow.edgefile import Name, Price, Rate, Share, Size, Text

Count = Annotated[int, Field(ge=1, le=10_000)]
BUSY_AT_MOST = 0.9


class OwnedSection(Document):
    """Machines that are there: alike, and equally busy."""

    name: Name = Field(description="What these machines are called here.")
    machine: Name | None = Field(
        default=None, description="What they are: a name in the catalogue, or `this`. Left out: `name` says it."
    )
    count: Count = Field(default=1, description="How many of them there are.")
    idle: Share | None = Field(
        default=None, description="Share of their cores' time that other work leaves, such as 40%. Left out: all of it."
    )
    memory_free: Size | None = Field(
        default=None,
        description="Memory that other work leaves on each. Left out: all that the catalogue says they have, and where"
        " they are busy, no limit.",
    )
    flash_free: Size | None = Field(default=None, description="Storage that is free on each. Left out: no limit.")


class BuySection(Document):
    """A machine that may be bought."""

    machine: Name = Field(description="Name in the catalogue.")
    price: Price | None = Field(default=None, description="Price of one. Left out: the catalogue's.")
    at_most: Count = Field(default=100, description="How many may be bought.")


class ModelSection(Document):
    """A model that must run somewhere."""

    edge: Text = Field(description="Its edge.yaml.")
    site: Name | None = Field(
        default=None, description="The site whose budget it must keep. Left out: the only one that edge.yaml has."
    )
    demand: Rate = Field(gt=0, description="Inferences in a time that must be answered, all replicas together.")
    replicas: Count = Field(
        default=1, description="On how many machines it runs; each answers an equal part of the demand."
    )
    at: list[Name] | None = Field(
        default=None, min_length=1, max_length=256, description="Names of the machines where it may run. Left out: any."
    )


class FleetFile(Document):
    """Machines and the models that they must run."""

    api_version: Literal["edgewise/v1"] = Field(alias="apiVersion", description="Version of this format.")
    machines: list[OwnedSection] = Field(default=[], max_length=256, description="The machines that are owned.")
    buy: list[BuySection] = Field(default=[], max_length=64, description="The machines that may be bought.")
    models: list[ModelSection] = Field(min_length=1, max_length=256, description="The models that must run.")
    busy_at_most: Share = Field(
        default=BUSY_AT_MOST,
        description="Share of a machine's cores' time, other work included, that may be filled; peaks need the rest.",
    )

    @model_validator(mode="after")
    def _names_are_clear(self) -> Self:
        names = [*(owned.name for owned in self.machines), *(sold.machine for sold in self.buy)]
        if not names:
            raise ValueError("found neither machines nor buy; allowed is one of them or both")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"found {', '.join(twice)} more than once; allowed is each name once in machines and buy")
        for model in self.models:
            unknown = [name for name in model.at or () if name not in names]
            if unknown:
                raise ValueError(f"found at: {', '.join(unknown)} for {model.edge}; allowed are {', '.join(names)}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Machines that are alike; `price_usd` is None where the catalogue's counts, `owned` says whether any does."""

    name: str
    machine: str
    count: int
    owned: bool
    idle: float = 1.0
    memory_free_bytes: float | None = None
    flash_free_bytes: float | None = None
    price_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model that must run: its edge.yaml, absolute, and `site` "" where that has only one."""

    edge: Path
    site: str
    rate_per_s: float
    replicas: int
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What a fleet.yaml means; owned machines come first."""

    path: Path
    groups: tuple[Group, ...]
    models: tuple[Wanted, ...]
    busy_at_most: float


def load(path: Path) -> Fleet:
    """The fleet that the fleet.yaml at `path` describes.

    Raises:
        NotFound: no such file.
        BadDocument: the file has faults; all of them are listed.
    """
    document = load_document(path, FleetFile, what="fleet.yaml")
    folder = path.resolve().parent
    names = tuple(group.name for group in _groups(document))
    return Fleet(
        path=path,
        groups=_groups(document),
        models=tuple(
            Wanted(
                edge=folder / model.edge,
                site=model.site or "",
                rate_per_s=model.demand,
                replicas=model.replicas,
                at=tuple(model.at or names),
            )
            for model in document.models
        ),
        busy_at_most=document.busy_at_most,
    )


def schema() -> dict[str, Any]:
    """JSON Schema of fleet.yaml."""
    return FleetFile.model_json_schema(by_alias=True)


def _groups(document: FleetFile) -> tuple[Group, ...]:
    owned = (
        Group(
            name=section.name,
            machine=section.machine or section.name,
            count=section.count,
            owned=True,
            idle=1.0 if section.idle is None else section.idle,
            memory_free_bytes=section.memory_free,
            flash_free_bytes=section.flash_free,
        )
        for section in document.machines
    )
    sold = (
        Group(
            name=section.machine,
            machine=section.machine,
            count=section.at_most,
            owned=False,
            price_usd=section.price,
        )
        for section in document.buy
    )
    return (*owned, *sold)
