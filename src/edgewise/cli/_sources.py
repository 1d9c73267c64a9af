"""A table of figures with the list of where they come from below it, each source once."""

from collections.abc import Sequence

from edgewise.cli._figures import interval, source, value
from edgewise.cli.output import Column, sentence, table
from edgewise.nouns import Measurement

Row = tuple[str, Measurement]


def show(rows: Sequence[Row], *, wide: bool = False) -> None:
    """Print the figures `rows`, by name, and their sources."""
    sources = list(dict.fromkeys(source(figure) for _, figure in rows))
    sampled = any(figure.n > 1 or figure.low != figure.high for _, figure in rows)
    columns: list[Column[Row]] = [
        Column(title="FIGURE", text=lambda row: row[0], least=max(len(name) for name, _ in rows)),
        Column(title="VALUE", text=lambda row: value(row[1].value, row[1].unit), right=True),
        *(SAMPLED if sampled else ()),
        Column(title="SOURCE", text=lambda row: f"[{sources.index(source(row[1])) + 1}]"),
    ]
    table(rows, columns, wide=wide)
    for number, text in enumerate(sources, 1):
        sentence(f"[{number}] {text}")
    if sampled:
        sentence("Intervals: 95 % of what was measured; otherwise as the source says.")


def _load(figure: Measurement) -> str:
    return "" if figure.provenance.load is None else f"{figure.provenance.load:.2f}"


SAMPLED: tuple[Column[Row], ...] = (
    Column(title="INTERVAL", text=lambda row: interval(row[1])),
    Column(title="N", text=lambda row: str(row[1].n), right=True),
    Column(title="LOAD", text=lambda row: _load(row[1]), right=True, drop=1),
)
