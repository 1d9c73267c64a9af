"""`plan` where edge.yaml names a training: the flags, the search, and what a dry run shows."""

from collections.abc import Sequence
from typing import Annotated

import typer

from edgewise.cli._figures import plain
from edgewise.cli._say import note
from edgewise.cli.config import Settings
from edgewise.cli.output import Column, Json, listing
from edgewise.cli.progress import drawing
from edgewise.design.structure import search, training
from edgewise.design.structure.space import Choices, Dimension, Integers, Reals
from edgewise.flow import engines, structures
from edgewise.flow.edgefile import Project
from edgewise.nouns import Plan, Site

PANEL = "Structures (model.train)"

EngineFlag = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="local|ray://HOST",
        help="Where structures are trained: here, or on the workers of a Ray cluster.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
TrialsFlag = Annotated[
    int | None,
    typer.Option(
        "--trials",
        metavar="N",
        min=1,
        max=100_000,
        help=f"Structures to train at most; {structures.TRIALS} where left out.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]


def check(project: Project, engine: str | None, trials: int | None) -> None:
    """See that the flags mean something for `project`.

    Raises:
        typer.BadParameter: it trains nothing.
    """
    if project.train is None and not (engine is None and trials is None):
        raise typer.BadParameter("--engine and --trials are for a model.train, and edge.yaml names a model.file")


def make(
    project: Project,
    sites: Sequence[Site],
    found: Settings,
    *,
    engine: str | None,
    trials: int | None,
    wait: bool,
    fresh: bool,
) -> list[Plan]:
    """The plan of each of `sites`, over all structures."""
    catalogues = found.catalogues
    with engines.opened(engine or engines.LOCAL) as opened, drawing(found.progress) as listener:
        return [
            structures.plan(
                project,
                site,
                engine=opened,
                folder=found.store,
                trials=trials or structures.TRIALS,
                machines=catalogues,
                progress=listener,
                wait=wait,
                fresh=fresh,
                meter=found.meter,
            )
            for site in sites
        ]


def propose(project: Project, found: Settings) -> None:
    """Print the dimensions that would be searched, without training anything."""
    assert project.train is not None
    declared = training.look(project.train)
    size = declared.space.size
    listing(declared.space.dimensions, found.output, columns=COLUMNS, document=_document, name=lambda each: each.name)
    built = "all are built before any is trained" if size and size <= search.ENUMERABLE else "searched by TPE"
    note(f"{'endless' if size is None else size} structures, {built}")


def _document(dimension: Dimension) -> Json:
    document = plain(dimension)
    assert isinstance(document, dict)
    return document


def _values(dimension: Dimension) -> str:
    match dimension:
        case Choices():
            return ", ".join(map(str, dimension.values))
        case Integers():
            return f"every integer from {dimension.low} to {dimension.high}"
        case Reals():
            return f"every number from {dimension.low:g} to {dimension.high:g}"


COLUMNS: list[Column[Dimension]] = [
    Column(title="DIMENSION", text=lambda dimension: dimension.name),
    Column(title="VALUES", text=_values),
]
