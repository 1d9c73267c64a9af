"""How much better than Vela's own default is the configuration that the search finds?

For each int8 TFLite model in ../shared/data and each Ethos-U that Arm makes: compile everything that the search
asks for, nothing taken from a store, and compare with what Vela's command line makes when nothing is asked. Prints
how many configurations a minute are compiled, in how many pairs of model and NPU the default is dominated, and
the median of the SRAM saved at no more than 2 % more cycles, once over all memory modes and once within each.

    python bench/ethosu.py [--models FOLDER] [--workers N] [--points N]
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edgewise.design.ethosu.compile import version
from edgewise.design.ethosu.compiled import Compiled
from edgewise.design.ethosu.configuration import Configuration
from edgewise.design.ethosu.frontier import best, dominates
from edgewise.design.ethosu.search import POINTS, search
from edgewise.hardware.catalogue import find

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "mlperf-tiny"
SYSTEMS = ("arm-corstone-300-u55", "arm-corstone-300-u65", "arm-corstone-320-u85")
KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A model on an NPU: the default, the best beside it and whether anything beats the default."""

    model: str
    default: Compiled
    best: Compiled
    dominated: bool
    beaten: bool

    @classmethod
    def of(cls, model: str, default: Compiled, rivals: Sequence[Compiled]) -> "Pair":
        """`dominated` in every figure, `beaten` in cycles and SRAM alone."""
        chosen = best(rivals, default=default)
        assert chosen is not None, "the default is within 2 % of itself"
        return cls(
            model=model,
            default=default,
            best=chosen,
            dominated=any(dominates(rival, default) for rival in rivals),
            beaten=any(rival.cycles <= default.cycles and rival.sram_bytes < default.sram_bytes for rival in rivals),
        )

    @property
    def saved(self) -> float:
        """Share of the default's SRAM that the best does without."""
        return 1 - self.best.sram_bytes / self.default.sram_bytes


def main() -> None:
    """Search for all models and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHARED, help="folder with *int8*.tflite")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=POINTS, help="arena limits between floor and use")
    arguments = parser.parse_args()
    free: list[Pair] = []
    within: dict[str, list[Pair]] = {}
    compiled, seconds = 0, 0.0
    for path in sorted(arguments.models.glob("*int8*.tflite")):
        for system in SYSTEMS:
            started = time.monotonic()
            part = find(system).accelerators[1]
            found = search(path.read_bytes(), part, workers=arguments.workers, points=arguments.points)
            seconds += time.monotonic() - started
            compiled += len(found.compiled)
            for npu, default in found.defaults.items():
                free.append(Pair.of(path.stem, default, found.of(npu)))
            for mode, pair in modes(path.stem, found.compiled):
                within.setdefault(mode, []).append(pair)
    report(free, within)
    rate = f"{60 * compiled / seconds:.0f} configurations a minute"
    Console().print(f"{compiled} in {seconds:.0f} s with {arguments.workers} workers: {rate}, ethos-u-vela {version()}")


def modes(model: str, compiled: Sequence[Compiled]) -> list[tuple[str, Pair]]:
    """For each NPU and memory mode: the default of that mode against all else in it."""
    groups: dict[Configuration, list[Compiled]] = {}
    for entry in compiled:
        standard = Configuration.default(entry.configuration.npu, entry.configuration.memory_mode)
        groups.setdefault(standard, []).append(entry)
    return [
        (str(standard.memory_mode), Pair.of(model, next(e for e in entries if e.configuration == standard), entries))
        for standard, entries in groups.items()
    ]


def report(free: Sequence[Pair], within: dict[str, list[Pair]]) -> None:
    """Every pair, then the medians."""
    console = Console(width=170)
    table = Table("model", "NPU", "default: cycles", "SRAM", "DRAM", "found: cycles", "SRAM", "DRAM", "as", "saved")
    for pair in free:
        table.add_row(pair.model, str(pair.default.configuration.npu), *figures(pair.default), *figures(pair.best),
                      setting(pair.best), f"{pair.saved:.0%}")  # fmt: skip
    console.print(table)
    totals = Table("memory mode", "pairs", "default dominated", "beaten in cycles and SRAM", "median SRAM saved")
    each = [pair for pairs in within.values() for pair in pairs]
    for mode, pairs in {"any": free, **within, "each for itself": each}.items():
        counts = (sum(pair.dominated for pair in pairs), sum(pair.beaten for pair in pairs))
        shares = (f"{count} ({count / len(pairs):.0%})" for count in counts)
        median = statistics.median(pair.saved for pair in pairs)
        totals.add_row(mode, str(len(pairs)), *shares, f"{median:.1%}")
    console.print(totals)


def figures(compiled: Compiled) -> tuple[str, str, str]:
    return f"{compiled.cycles}", f"{compiled.sram_bytes / KIB:.1f} KiB", f"{compiled.dram_bytes / KIB:.1f} KiB"


def setting(compiled: Compiled) -> str:
    """How the compiler was set, in a few words."""
    configuration = compiled.configuration
    limit = configuration.arena_limit_bytes
    words = [configuration.memory_mode, configuration.strategy, *(f"no {each}" for each in configuration.disabled)]
    return " ".join([*words, f"within {limit / KIB:.1f} KiB" if limit < 1 << 30 else ""])


if __name__ == "__main__":
    main()
