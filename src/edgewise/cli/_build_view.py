"""What `build` shows: names and digests, layers with their sizes, why this strategy, and what a server must be told."""

from collections.abc import Sequence

from edgewise.build.strategies.bundle import Part, Piece, Role
from edgewise.cli._figures import plain
from edgewise.cli._transfers import size, some
from edgewise.cli.config import Output
from edgewise.cli.output import Column, bullet, data, heading, names, sentence, table
from edgewise.flow.build import Intended, Outcome

Row = tuple[str, Part, Piece]


def show(outcomes: Sequence[Outcome], output: Output) -> None:
    """Print what was built."""
    match output:
        case Output.TABLE | Output.WIDE:
            for number, outcome in enumerate(outcomes):
                if number:
                    heading("")
                _show(outcome, wide=output is Output.WIDE)
        case Output.NAME:
            names([name for outcome in outcomes for name in outcome.names.values()])
        case _:
            found = [document(outcome) for outcome in outcomes]
            data(found[0] if len(found) == 1 else found, output)


def show_intended(found: Sequence[Intended], output: Output) -> None:
    """Print what would be built."""
    if output in (Output.JSON, Output.YAML):
        data([_plain(one) for one in found], output)
        return
    if output is Output.NAME:
        names([name for one in found for name in one.names.values()])
        return
    for one in found:
        sentence(f"{one.site}: {one.strategy}, on {one.base}, for {', '.join(one.platforms)}", "bold")
        for part, name in one.names.items():
            bullet(f"{part}: {name}")


def document(outcome: Outcome) -> dict[str, object]:
    """One site's build as JSON holds it."""
    made = outcome.made
    return {
        "site": outcome.site,
        "strategy": made.strategy.value,
        "platforms": list(outcome.platforms),
        "model": {
            "name": outcome.served.model.name,
            "version": outcome.served.model.version,
            "design": outcome.served.model.design,
            "digest": outcome.served.digest,
        },
        "images": {
            part: {"name": outcome.names[part], "digest": root.digest, "mediaType": root.media_type}
            for part, root in made.roots.items()
        },
        "environment": dict(made.variables),
        "signatures": [one.digest for one in outcome.signatures],
        "files": None if outcome.files is None else str(outcome.files),
        "bundles": [plain(bundle) for bundle in made.bundles],
        "reasons": list(outcome.choice.reasons),
        "by_figures": outcome.choice.by_figures,
    }


def _show(outcome: Outcome, *, wide: bool) -> None:
    made = outcome.made
    model = outcome.served.model
    sentence(f"{outcome.site}: {model.name} {model.version}, {made.strategy} ({model.design})", "bold")
    for part, root in made.roots.items():
        sentence(f"{part}: {outcome.names[part]}")
        sentence(f"  {root.digest}")
    heading("Layers")
    rows = [(bundle.platform, part, piece) for bundle in made.bundles for part in bundle.parts for piece in part.pieces]
    table([row for row in rows if wide or row[2].role is not Role.DOCUMENT], COLUMNS, wide=wide)
    for bundle in made.bundles:
        sentence(f"{bundle.platform}: {size(bundle.size_bytes)} to pull, {size(bundle.unpacked_bytes)} on disk")
    heading("Why")
    for reason in outcome.choice.reasons:
        bullet(reason)
    if made.variables:
        heading("What the server must be told")
        for name, value in made.variables.items():
            sentence(f"{name}={value}")
    if outcome.files is not None:
        sentence(f"\nmodel files: {outcome.files}")
    if outcome.signatures:
        sentence(f"\n{some(len(outcome.signatures), 'signature')}")


def _plain(one: Intended) -> dict[str, object]:
    return {
        "site": one.site,
        "strategy": one.strategy,
        "base": one.base,
        "platforms": list(one.platforms),
        "names": dict(one.names),
    }


COLUMNS: list[Column[Row]] = [
    Column(title="PLATFORM", text=lambda row: row[0], drop=2),
    Column(title="PART", text=lambda row: row[1].name, drop=1),
    Column(title="FOR", text=lambda row: row[2].role),
    Column(title="SIZE", text=lambda row: size(row[2].size_bytes), right=True),
    Column(title="ON DISK", text=lambda row: size(row[2].unpacked_bytes), right=True, drop=3),
    Column(title="HOLDS", text=lambda row: row[2].title, least=24),
    Column(title="DIGEST", text=lambda row: row[2].digest, wide=True),
]
