"""`edgewise describe machine`."""

from collections.abc import Iterator
from typing import Annotated, cast

import typer

from edgewise.cli import _sources
from edgewise.cli._figures import plain
from edgewise.cli._machines import machine
from edgewise.cli.config import Output, settings
from edgewise.cli.options import MachinesFlag, OutputFlag
from edgewise.cli.output import Json, data, heading, names, sentence
from edgewise.hardware import meters
from edgewise.hardware.probe import NAME
from edgewise.nouns import Machine, Measurement


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `edgewise get machines` lists it.")],
    machines_folder: MachinesFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show all figures of a machine, each with its source.

    A figure that nobody publishes is not there, never a guess.
    """
    found = settings(machines=machines_folder, output=output)
    described = machine(name, found)
    match found.output:
        case Output.TABLE | Output.WIDE:
            _show(described, wide=found.output is Output.WIDE)
        case Output.NAME:
            names([described.name])
        case _:
            data(cast(Json, plain(described)), found.output)


def _show(described: Machine, *, wide: bool) -> None:
    sentence(f"{described.name}: {described.title}", "bold")
    sentence(f"vendor: {described.vendor}; architecture: {described.architecture}")
    if described.note:
        sentence(described.note)
    for line in _meters(described):
        sentence(line)
    for part in described.accelerators:
        heading(f"{part.name} ({part.kind}): {part.title}")
        facts = {
            "cores": "" if part.cores is None else str(part.cores),
            "computes in": ", ".join(part.dtypes),
            "instructions": ", ".join(part.isa),
            "compilers": ", ".join(part.compilers),
            "operators": part.operators,
        }
        facts |= {option: ", ".join(choices) for option, choices in part.configurations.items()}
        for title, content in facts.items():
            if content:
                sentence(f"{title}: {content}")
    heading("Figures")
    figures = list(_figures(described))
    if figures:
        _sources.show(figures, wide=wide)
    else:
        sentence("none is published")


def _meters(described: Machine) -> Iterator[str]:
    """The meters; of the machine at hand also which one `plan` takes by itself, and why others cannot be read."""
    if described.meters:
        yield f"energy meters: {', '.join(described.meters)}"
    if described.name != NAME:
        return
    found = meters.survey()
    chosen = meters.choose(found.usable)
    if not described.meters:
        yield "energy meters: none"
    elif chosen is None:
        yield "none of them meters the whole machine or its CPU: plan takes one only where the setting meter names it"
    else:
        yield f"plan reads {chosen.name}, every {chosen.interval_s * 1e3:g} ms, where the setting meter names no other"
    yield from (f"not usable: {sentence}" for sentence in found.unusable)


def _figures(described: Machine) -> Iterator[tuple[str, Measurement]]:
    of_machine = {
        "memory": described.memory,
        "memory bandwidth": described.memory_bandwidth,
        "power at rest": described.power_idle,
        "power under load": described.power_loaded,
        "price": described.price,
    }
    yield from ((title, figure) for title, figure in of_machine.items() if figure is not None)
    for part in described.accelerators:
        if part.clock is not None:
            yield f"{part.name} clock", part.clock
        yield from ((f"{part.name} peak {dtype}", figure) for dtype, figure in part.peak_rate.items())
