"""How far off are estimates for machines that are not here?

For every kind of machine with published rows: each network is held out of *all* machines ("new network", as a user's
model is), each row is held out alone ("new row": other machines have run the network), and the held-out figures are
compared with their estimates. Coverage is the share of held-out figures inside their 90 % interval, which is made
from the errors on other networks. CPUs are held out as whole machines too ("new machine"): what a plan says of a CPU
that nobody has published a row of, by rows of the same core where there are some ("as a plan does") or always by what
cores compute in a cycle ("by its peak").

    OPENBLAS_NUM_THREADS=1 python bench/estimate.py [--kinds NAME …] [--workers N] [--write]
"""

import argparse
import datetime
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edgewise.design.estimate import by_machine, support
from edgewise.design.estimate.fitted import fitted
from edgewise.design.estimate.held_out import Score, by_network, by_row, score
from edgewise.design.estimate.hierarchy import ENERGY, shape_of
from edgewise.design.estimate.observations import energies, latencies, published
from edgewise.design.estimate.terms import MachineKind
from edgewise.nouns import Quantity

README = Path(__file__).parent / "README.md"
MARK = "<!-- written by bench/estimate.py --write -->"
MOST_ERROR = {MachineKind.CPU: 0.20, MachineKind.MICROCONTROLLER: 0.20, MachineKind.EDGE_TPU: 0.35}
LEAST_COVERAGE = 0.85
FEWEST_ROWS = 4
HEADS = ("kind", "figure", "held out", "rows", "mean error", "median", "worst", "in 90 % interval", "asked for", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table."""

    kind: MachineKind
    figure: str
    held_out: str
    score: Score
    most_error: float | None
    coverage_only: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, in the order of `HEADS`."""
        score, asked, met = self.score, "", ""
        if self.coverage_only:
            asked, met = f"at least {LEAST_COVERAGE:.0%} inside", self._met(float("inf"))
        if self.most_error is not None:
            asked = f"at most {self.most_error:.0%}, at least {LEAST_COVERAGE:.0%} inside"
            met = self._met(self.most_error)
        return (
            self.kind.value,
            self.figure,
            self.held_out,
            str(score.n),
            f"{score.mean:.1%}",
            f"{score.median:.1%}",
            f"{score.worst:.2f} times",
            f"{score.coverage:.0%}",
            asked,
            met,
        )

    def _met(self, most_error: float) -> str:
        short = []
        if self.score.mean > most_error:
            short.append(f"error over by {100 * (self.score.mean - most_error):.1f} points")
        if self.score.coverage < LEAST_COVERAGE:
            short.append(f"{100 * (LEAST_COVERAGE - self.score.coverage):.1f} points too few inside")
        return "; ".join(short) or "yes"


def main() -> None:
    """Hold out, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", type=MachineKind, default=list(MachineKind), help="some kinds only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="into bench/README.md")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.workers) as pool:
        lines = [line for found in pool.map(of_kind, arguments.kinds) for line in found]
    table = Table(*HEADS)
    for line in lines:
        table.add_row(*line.cells)
    Console(width=170).print(table)
    if arguments.write:
        write(lines)


def of_kind(kind: MachineKind) -> list[Line]:
    """Latency and energy of one kind."""
    rows, found = published(), []
    for figure, points, shape in (
        ("latency", latencies(rows, kind), shape_of(kind)),
        ("energy", energies(rows, kind), ENERGY),
    ):
        if len(points) < FEWEST_ROWS:
            continue
        asked = MOST_ERROR.get(kind) if figure == "latency" else None
        for words, hold in (("new row", by_row), ("new network", by_network)):
            errors = hold(points, shape)
            if errors:
                found.append(Line(kind=kind, figure=figure, held_out=words, score=score(errors), most_error=asked))
    return found + new_machines(kind)


def new_machines(kind: MachineKind) -> list[Line]:
    """Latency of CPUs of which no row is known."""
    known = fitted(published(), kind, Quantity.LATENCY_P50) if not kind.overlaps else None
    found = []
    for words, route in (("as a plan does", support.find), ("by its peak", support.of_cores)):
        held = by_machine.by_machine(known, route) if known is not None else []
        if held:
            machines = len({one.error.series[0] for one in held})
            found.append(
                Line(
                    kind=kind,
                    figure="latency",
                    held_out=f"new machine, {words} ({machines})",
                    score=by_machine.score(held),
                    most_error=None,
                    coverage_only=True,
                )
            )
    return found


def write(lines: Sequence[Line]) -> None:
    """Replace the marked section of bench/README.md, or add it at the end."""
    text = README.read_text()
    before, _, after = text.partition(MARK)
    following = after.find("\n## ")
    rest = after[following:] if following >= 0 else ""
    table = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    table += [f"| {' | '.join(line.cells)} |" for line in lines]
    heading = "" if MARK in text else "\n## estimate.py: how far off are estimates?\n\n"
    section = "\n".join(
        ["", "", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; published rows only.", "", *table, ""]
    )
    README.write_text(before + heading + MARK + section + rest)


if __name__ == "__main__":
    main()
