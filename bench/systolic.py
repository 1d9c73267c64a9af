"""Does the systolic model count the cycles that SCALE-Sim simulates, and how much sooner?

For each of SCALE-Sim's topologies in topologies/, each dataflow and several arrays, layer by layer in turn: SCALE-Sim,
then the model. Layers of at most --cycles cycles are simulated whole, memories included; up to --compute-cycles
the array alone (its time is not in the ratio); longer ones are left out and counted. Then thousands of
configurations at once, and a search over templates and precisions.

    python bench/systolic.py [--cycles N] [--compute-cycles N] [--write]
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import scalesim_peer as peer
from edgewise.design.systolic.evaluate import evaluate
from edgewise.design.systolic.search import Space, Workload, search
from edgewise.design.systolic.template import Dataflow, Template
from edgewise.design.systolic.work import Work
from edgewise.nouns import Layer

ARRAYS = ((32, 32), (64, 16), (8, 64))
KIB = 1024
MARK, END = "<!-- written by bench/systolic.py --write -->", "<!-- end of what bench/systolic.py wrote -->"
SPACE = Space(
    rows=(4, 8, 16, 32, 64, 128),
    columns=(4, 8, 16, 32, 64, 128),
    ifmap_sram_bytes=(16 * KIB, 64 * KIB, 256 * KIB),
    filter_sram_bytes=(16 * KIB, 64 * KIB, 256 * KIB),
    ofmap_sram_bytes=(16 * KIB, 64 * KIB),
    bandwidths_byte_per_s=(1e8, 1e9, 8e9),
    word_bits=(8, 16),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One layer on one template; `their_seconds` is None where only the array was simulated."""

    topology: str
    dataflow: Dataflow
    deviation: float
    off_by: int
    their_seconds: float | None
    our_seconds: float


def main() -> None:
    """Compare everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=12_000, help="simulate whole layers of at most so many")
    parser.add_argument("--compute-cycles", type=int, default=60_000, help="simulate the array alone up to so many")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README.md")
    arguments = parser.parse_args()
    everything = [(name, layer) for name in peer.NAMES for layer in peer.layers(name)]
    compared = list(compare(everything, arguments.cycles, arguments.compute_cycles))
    rows = [*table(compared, len(ARRAYS) * len(Dataflow) * len(everything))]
    shown = Table(
        "topology", "dataflow", "compared", "whole", "max deviation", "mean deviation", "max cycles off", "ratio"
    )
    for row in rows:
        shown.add_row(*row)
    Console(width=120).print(shown)
    limits = f"Whole up to {arguments.cycles:,} cycles, the array alone up to {arguments.compute_cycles:,}"
    sentences = [f"{limits}; longer ones are left out.", in_bulk(compared, everything), searched()]
    for sentence in sentences:
        Console().print(sentence)
    if arguments.write:
        write(rows, sentences)


def compare(layers: Sequence[tuple[str, Layer]], whole: int, alone: int) -> Iterator[Compared]:
    """Each layer on each array and dataflow that is short enough: SCALE-Sim, then the model."""
    for dataflow in Dataflow:
        for rows, columns in ARRAYS:
            template = built(rows, columns, dataflow)
            for topology, layer in layers:
                started = time.perf_counter()
                ours = int(evaluate(Work.of([layer]), [template]).timing.compute_cycles[0, 0])
                took = time.perf_counter() - started
                if ours > alone:
                    continue
                assert layer.convolution is not None
                if ours <= whole:
                    found = peer.simulate(layer.convolution, template)
                    theirs, seconds = found.last_cycle, found.seconds
                else:
                    theirs, seconds = peer.compute_cycles(layer.convolution, template) - 1, None
                yield Compared(
                    topology=topology, dataflow=dataflow, deviation=abs(ours / theirs - 1), off_by=abs(ours - theirs),
                    their_seconds=seconds, our_seconds=took,
                )  # fmt: skip


def built(rows: int, columns: int, dataflow: Dataflow) -> Template:
    """An array with room and bandwidth for everything."""
    return Template(
        rows=rows, columns=columns, dataflow=dataflow, bandwidth_byte_per_s=1e12, clock_hz=1e9, word_bits=8,
        ifmap_sram_bytes=1024 * KIB, filter_sram_bytes=1024 * KIB, ofmap_sram_bytes=1024 * KIB,
    )  # fmt: skip


def table(compared: Sequence[Compared], candidates: int) -> Iterator[tuple[str, ...]]:
    """A row for each topology and dataflow that was compared, then one for all."""
    groups: dict[tuple[str, str], list[Compared]] = {}
    for one in compared:
        groups.setdefault((one.topology, one.dataflow.value), []).append(one)
    for (topology, dataflow), ones in sorted(groups.items()):
        yield topology, dataflow, str(len(ones)), *figures(ones)
    yield "all", "all", f"{len(compared)} of {candidates}", *figures(compared)


def figures(ones: Sequence[Compared]) -> tuple[str, ...]:
    """Whole simulations, deviations and the ratio of times over these."""
    whole = [one for one in ones if one.their_seconds is not None]
    ratio = sum(one.their_seconds or 0.0 for one in whole) / sum(one.our_seconds for one in whole) if whole else None
    deviations = [one.deviation for one in ones]
    return (
        str(len(whole)),
        f"{max(deviations):.3%}",
        f"{statistics.fmean(deviations):.3%}",
        str(max(one.off_by for one in ones)),
        "-" if ratio is None else f"{ratio:,.0f}",
    )


def in_bulk(compared: Sequence[Compared], layers: Sequence[tuple[str, Layer]]) -> str:
    """All layers on thousands of configurations in one call, against SCALE-Sim's mean for a layer."""
    work = Work.of([layer for _, layer in layers])
    templates = list(SPACE.templates(8))[::3]
    started = time.perf_counter()
    size = 500
    for start in range(0, len(templates), size):
        evaluate(work, templates[start : start + size])
    each = (time.perf_counter() - started) / (len(templates) * len(layers))
    theirs = statistics.fmean(one.their_seconds for one in compared if one.their_seconds is not None)
    return (
        f"In bulk: {len(layers)} layers on {len(templates):,} configurations, {each * 1e6:.2f} us each, cycles, "
        f"traffic, energy and area; SCALE-Sim's mean for a layer of at most --cycles is {theirs:.2f} s, "
        f"{theirs / each:,.0f} times as long."
    )


def searched() -> str:
    """ResNet-50 in two precisions over the whole space; nothing is said about its accuracy in either."""
    workload = Workload(name="resnet50", layers=peer.layers("resnet50"))
    started = time.perf_counter()
    found = search([workload], SPACE)
    seconds = time.perf_counter() - started
    return f"Search: {len(SPACE):,} templates for ResNet-50 in {seconds:.1f} s, {len(found)} on the frontier."


def write(rows: Sequence[tuple[str, ...]], sentences: Sequence[str]) -> None:
    """Put the figures between the marks of bench/README.md."""
    titles = ("topology", "dataflow", "compared", "whole", "max deviation", "mean deviation", "max cycles off", "ratio")
    lines = [f"| {' | '.join(row)} |" for row in (titles, ("---",) * len(titles), *rows)]
    page = Path(__file__).with_name("README.md")
    head, mark, rest = page.read_text().partition(MARK)
    _, end, tail = rest.partition(END)
    assert end, f"{page} has lost its marks"
    page.write_text("\n".join([head + mark, "", *lines, "", "\n\n".join(sentences), "", end]) + tail)


if __name__ == "__main__":
    main()
