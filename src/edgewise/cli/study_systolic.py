"""`edgewise study systolic`: systolic-array accelerators for a model, by formula."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise import units
from edgewise.cli import _systolic_options as given
from edgewise.cli._figures import plain
from edgewise.cli._say import note
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column, data, heading, names, sentence, table
from edgewise.design import models
from edgewise.design.systolic import SCOPE, technology
from edgewise.design.systolic.evaluate import Costs, evaluate
from edgewise.design.systolic.search import Goal, Limits, Point, Space, Workload, ranked, search
from edgewise.design.systolic.work import Work
from edgewise.errors import EdgewiseError

KIB = 1024
LIMITS = "Limits"


def run(
    model: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="One .onnx or .tflite file, or one for each width.", dir_okay=False),
    ],
    rows: Annotated[str, typer.Option(metavar="N,...", help="Rows of the array.")] = "8,16,32,64",
    columns: Annotated[str, typer.Option(metavar="N,...", help="Columns of the array.")] = "8,16,32,64",
    dataflow: Annotated[
        str, typer.Option(metavar="FLOW,...", help="What stays in place: os outputs, ws weights, is inputs.")
    ] = "os,ws,is",
    ifmap_sram: Annotated[str, typer.Option(metavar="SIZE,...", help="SRAM for inputs.")] = "16KiB,64KiB,256KiB",
    filter_sram: Annotated[str, typer.Option(metavar="SIZE,...", help="SRAM for weights.")] = "16KiB,64KiB,256KiB",
    ofmap_sram: Annotated[str, typer.Option(metavar="SIZE,...", help="SRAM for outputs.")] = "16KiB,64KiB",
    bandwidth: Annotated[str, typer.Option(metavar="SPEED,...", help="To the memory outside.")] = "1GB/s",
    clock_mhz: Annotated[str, typer.Option(metavar="MHZ,...", help="Clock of the array.")] = "500",
    word_bits: Annotated[str, typer.Option(metavar="BITS,...", help="Width of an integer word.")] = "8",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[MODEL:]BITS=VALUE",
            help="How good the model is at a word width, such as 8=0.87; may be repeated. Widths without are left out.",
            show_default=False,
        ),
    ] = None,
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="The metric is an error.")] = False,
    node: Annotated[given.Node, typer.Option(help="Process whose published energies count.")] = given.Node.NM45,
    goal: Annotated[Goal, typer.Option(help="What comes first.")] = Goal.LATENCY,
    show: Annotated[int, typer.Option(metavar="N", min=1, help="So many lines of the table.")] = 12,
    max_latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="At most, such as 2ms.", rich_help_panel=LIMITS)
    ] = None,
    max_energy: Annotated[
        str | None, typer.Option(metavar="ENERGY", help="At most, such as 1mJ.", rich_help_panel=LIMITS)
    ] = None,
    max_area: Annotated[
        float | None, typer.Option(metavar="MM2", help="At most, in square millimetres.", rich_help_panel=LIMITS)
    ] = None,
    max_sram: Annotated[
        str | None, typer.Option(metavar="SIZE", help="At most, all three together.", rich_help_panel=LIMITS)
    ] = None,
    output: OutputFlag = None,
) -> None:
    """Study systolic-array accelerators that could be built for a model.

    For FPGA and ASIC design: cycles and traffic by formula for every combination of the options, energy from published
    tables, area as a proxy. Prints those that no other beats in latency, energy, area and metric at once; -o wide adds
    every layer on the first of them.

    Example: edgewise study systolic model.onnx --rows 8,16 --columns 8,16 --dataflow ws --max-area 1
    """
    form = settings(output=output).output
    space = Space(
        rows=given.integers(rows, "--rows"),
        columns=given.integers(columns, "--columns"),
        dataflows=given.dataflows(dataflow),
        ifmap_sram_bytes=given.sizes(ifmap_sram, "--ifmap-sram"),
        filter_sram_bytes=given.sizes(filter_sram, "--filter-sram"),
        ofmap_sram_bytes=given.sizes(ofmap_sram, "--ofmap-sram"),
        bandwidths_byte_per_s=given.quantities(bandwidth, units.BANDWIDTH, "--bandwidth"),
        clocks_hz=tuple(mhz * 1e6 for mhz in given.numbers(clock_mhz, "--clock-mhz")),
        word_bits=given.integers(word_bits, "--word-bits"),
    )
    limits = Limits(
        latency_ms=given.quantity(max_latency, units.TIME, "--max-latency"),
        energy_mj=given.quantity(max_energy, units.ENERGY, "--max-energy"),
        area_mm2=max_area,
        sram_bytes=given.size(max_sram, "--max-sram"),
    )
    workloads = _workloads(model, metric or [])
    process = technology.TECHNOLOGIES[node]
    found = search(workloads, space, limits, technology=process, higher_is_better=not lower_is_better)
    if not found:
        raise EdgewiseError(
            f"none of {len(space):,} templates is within the limits", hint="loosen a limit, or offer other templates"
        )
    points = ranked(found, goal, higher_is_better=not lower_is_better)
    left_out = {workload.name: Work.of(workload.layers).left_out for workload in workloads}
    match form:
        case Output.TABLE | Output.WIDE:
            first = next(workload for workload in workloads if workload.name == points[0].workload)
            costs = evaluate(Work.of(first.layers), [points[0].template], process)
            _show(points, show, len(space), costs if form is Output.WIDE else None)
        case Output.NAME:
            names([point.template.name for point in points])
        case _:
            data(document(points, len(space), process, left_out), form)
    for name, layers in left_out.items():
        if layers:
            note(f"not counted in {name}, as they are no convolution or matrix product of known shape: {len(layers)}")


def document(
    points: Sequence[Point], templates: int, process: technology.Technology, left_out: Mapping[str, Sequence[str]]
) -> Mapping[str, object]:
    """The study as JSON holds it: figures carry their unit in the name, as no figure of it is measured."""
    return {
        "scope": SCOPE,
        "provenance": "modelled",
        "energy": {"node": process.name, "source": process.source},
        "area": {"node": "45nm", "source": f"{technology.SYNTHESIS}; {technology.CELL}"},
        "templates": templates,
        "left_out": plain(left_out),
        "frontier": [{"name": point.template.name, **_fields(point)} for point in points],
    }


def _fields(point: Point) -> Mapping[str, object]:
    fields = plain(point)
    assert isinstance(fields, dict)
    return fields


def _workloads(paths: Sequence[Path], metrics: Sequence[str]) -> list[Workload]:
    read = {path.stem: models.read(path) for path in paths}
    if len(read) < len(paths):
        raise typer.BadParameter("two models have the same name: rename one of the files")
    figures = given.metrics(metrics, tuple(read))
    return [Workload(name=name, layers=model.layers, metric=figures[name]) for name, model in read.items()]


def _show(points: Sequence[Point], most: int, templates: int, costs: Costs | None) -> None:
    several = len({point.workload for point in points}) > 1
    judged = points[0].metric is not None
    columns = [
        column for column in COLUMNS if (several or column.title != "MODEL") and (judged or column.title != "METRIC")
    ]
    table(points[:most], columns, wide=costs is not None)
    sentence(f"\n{min(most, len(points))} of {len(points)} that no other beats, of {templates:,} templates.")
    if costs is not None:
        heading(f"Layers on {points[0].template.name}")
        table(list(enumerate(costs.work.names)), _layer_columns(costs), wide=True)
    sentence(f"\n{SCOPE}")


def _sram(point: Point) -> str:
    template = point.template
    buffers = (template.ifmap_sram_bytes, template.filter_sram_bytes, template.ofmap_sram_bytes)
    return "/".join(f"{size / KIB:g}" for size in buffers)


COLUMNS: list[Column[Point]] = [
    Column(title="MODEL", text=lambda point: point.workload),
    Column(title="FLOW", text=lambda point: point.template.dataflow.value),
    Column(title="ARRAY", text=lambda point: f"{point.template.rows}x{point.template.columns}", right=True),
    Column(title="BITS", text=lambda point: str(point.template.word_bits), right=True),
    Column(title="SRAM KIB", text=_sram, right=True),
    Column(title="BANDWIDTH", text=lambda p: units.show(p.template.bandwidth_byte_per_s, units.BANDWIDTH), wide=True),
    Column(title="CLOCK", text=lambda point: f"{point.template.clock_hz / 1e6:g} MHz", right=True, wide=True),
    Column(title="LATENCY", text=lambda point: units.show(point.latency_ms, units.TIME), right=True),
    Column(title="ENERGY", text=lambda point: units.show(point.energy_mj, units.ENERGY), right=True),
    Column(title="AREA MM2", text=lambda point: units.figures(point.area_mm2), right=True),
    Column(title="USED", text=lambda point: f"{point.utilisation:.0%}", right=True),
    Column(title="STALLS", text=lambda point: f"{point.stall_cycles / point.cycles:.0%}", right=True, drop=1),
    Column(title="METRIC", text=lambda point: f"{point.metric:g}", right=True),
    Column(title="CYCLES", text=lambda point: f"{point.cycles:,}", right=True, wide=True),
    Column(title="DRAM", text=lambda point: units.show(point.dram_bytes, units.SIZE), right=True, wide=True),
]
"""SRAM is that of inputs, weights and outputs."""


def _layer_columns(costs: Costs) -> list[Column[tuple[int, str]]]:
    timing, energy = costs.timing, costs.energy
    return [
        Column(title="LAYER", text=lambda row: row[1]),
        Column(title="MACS", text=lambda row: f"{costs.work.macs[0, row[0]]:,}", right=True),
        Column(title="CYCLES", text=lambda row: f"{int(timing.cycles[0, row[0]]):,}", right=True),
        Column(title="STALLS", text=lambda row: f"{int(timing.stall_cycles[0, row[0]]):,}", right=True),
        Column(title="USED", text=lambda row: f"{costs.utilisation[0, row[0]]:.0%}", right=True),
        Column(title="DRAM", text=lambda row: units.show(costs.dram_bytes[0, row[0]], units.SIZE), right=True),
        Column(
            title="ENERGY", text=lambda row: units.show(energy.total_pj[0, row[0]] * 1e-9, units.ENERGY), right=True
        ),
    ]
