"""SCALE-Sim as the peer of Edgewise's systolic model: its topologies as layers, and one layer simulated by it.

SCALE-Sim 3.0.0 (pip install scalesim) prints, of each layer: total cycles (the number of the last cycle, counted
from 0, stalls included), stall cycles, reads and writes of its buffers by the array, and words to and from the memory
outside. Without a bandwidth (its mode CALC) nothing stalls. It asks Python for an int of an array of one element,
which NumPy refuses since 2.4; `largest` stands in for its `max` there.
"""

import contextlib
import csv
import importlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.design.systolic.template import Dataflow, Template
from edgewise.nouns import Convolution, Layer

TOPOLOGIES = Path(__file__).parent / "topologies"
NAMES = tuple(sorted(path.stem for path in TOPOLOGIES.glob("*.csv")))
KIB = 1024


def layers(topology: str) -> tuple[Layer, ...]:
    """The layers of one of `NAMES`."""
    with (TOPOLOGIES / f"{topology}.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    product = header[1] == "M"
    return tuple(layer(row[0], _product(row) if product else _convolution(row)) for row in rows)


def layer(name: str, shape: Convolution) -> Layer:
    """A layer of a shape, and of nothing else."""
    return Layer(name=name, operator="Conv", output_shape=(), parameters=0, macs=shape.macs, convolution=shape)


def _convolution(row: list[str]) -> Convolution:
    height, width, tall, wide, channels, filters, stride = map(int, row[1:8])
    return Convolution(
        input_height=height,
        input_width=width,
        input_channels=channels,
        output_height=-(-(height - tall + stride) // stride),
        output_width=-(-(width - wide + stride) // stride),
        output_channels=filters,
        kernel_height=tall,
        kernel_width=wide,
        stride_height=stride,
        stride_width=stride,
    )


def _product(row: list[str]) -> Convolution:
    rows, columns, inner = map(int, row[1:4])
    return Convolution(
        input_height=rows,
        input_width=1,
        input_channels=inner,
        output_height=rows,
        output_width=1,
        output_channels=columns,
        kernel_height=1,
        kernel_width=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What SCALE-Sim says about a layer without groups; `seconds` is what it took to say so.

    Attributes:
        last_cycle: what it prints as total cycles.
        ifmap_reads, filter_reads, ofmap_writes: of the buffers, by the array.
        ifmap_dram, filter_dram, ofmap_dram: words from and to the memory outside.
    """

    last_cycle: int
    stall_cycles: int
    ifmap_reads: int
    filter_reads: int
    ofmap_writes: int
    ifmap_dram: int
    filter_dram: int
    ofmap_dram: int
    seconds: float


def simulate(shape: Convolution, template: Template, words_per_cycle: int | None = None) -> Simulated:
    """Simulate one layer on `template`; with `words_per_cycle`, each buffer has that bandwidth of its own."""
    simulator = _prepared(shape, template, words_per_cycle)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        simulator.run()
        compute, detail = simulator.get_compute_report_items(), simulator.get_detail_report_items()
    seconds = time.perf_counter() - started
    return Simulated(
        last_cycle=int(compute[1]),
        stall_cycles=int(compute[2]),
        ifmap_reads=int(detail[2]),
        filter_reads=int(detail[5]),
        ofmap_writes=int(detail[8]),
        ifmap_dram=int(detail[11]),
        filter_dram=int(detail[14]),
        ofmap_dram=int(detail[17]),
        seconds=seconds,
    )


def _prepared(shape: Convolution, template: Template, words_per_cycle: int | None) -> Any:
    """A simulation of one layer, ready to run."""
    for module in ("double_buffered_scratchpad_mem", "read_buffer"):
        importlib.import_module(f"scalesim.memory.{module}").max = largest  # type: ignore[attr-defined]
    configuration = importlib.import_module("scalesim.scale_config").scale_config()
    buffers = (template.ifmap_sram_bytes, template.filter_sram_bytes, template.ofmap_sram_bytes)
    offsets = (0, 10_000_000, 20_000_000)
    mode = ("CALC" if words_per_cycle is None else "USER", [words_per_cycle or 1])
    configuration.update_from_list(
        [
            "bench",
            template.rows,
            template.columns,
            *(size // KIB for size in buffers),
            *offsets,
            template.dataflow.value,
            *mode,
        ]
    )
    configuration.using_ifmap_custom_layout = configuration.using_filter_custom_layout = False
    configuration.ifmap_sram_bank_num = configuration.filter_sram_bank_num = 1
    configuration.ifmap_sram_bank_bandwidth = configuration.filter_sram_bank_bandwidth = words_per_cycle or 10
    topology = importlib.import_module("scalesim.topology_utils").topologies()
    sizes = (shape.input_height, shape.input_width, shape.kernel_height, shape.kernel_width)
    strides = (shape.stride_height, shape.stride_width)
    topology.append_topo_arrays("layer", ["layer", *sizes, shape.input_channels, shape.output_channels, *strides, 1, 1])
    topology.num_layers, topology.topo_load_flag = 1, True
    topology.topo_calc_hyperparams()
    simulator = importlib.import_module("scalesim.single_layer_sim").single_layer_sim()
    layout = importlib.import_module("scalesim.layout_utils").layouts()
    with contextlib.redirect_stdout(io.StringIO()):
        simulator.set_params(
            layer_id=0, config_obj=configuration, topology_obj=topology, layout_obj=layout, verbose=False
        )
    return simulator


def largest(*values: Any) -> Any:
    """The largest, as a number where it is an array of one element."""
    found = max(*values)
    return found.item() if hasattr(found, "item") else found


def compute_cycles(shape: Convolution, template: Template) -> int:
    """Cycles of SCALE-Sim's systolic array alone, its memories not simulated: what longer layers can wait for."""
    simulator = _prepared(shape, template, None)
    operands = simulator.op_mat_obj
    matrices = {f"{kind}_op_mat": getattr(operands, f"get_{kind}_matrix")()[1] for kind in ("ifmap", "filter", "ofmap")}
    array = simulator.compute_system
    if template.dataflow is Dataflow.WEIGHT_STATIONARY:
        matrices |= {"ifmap_op_mat_original": operands.ifmap_addr_matrix_original}
    array.set_params(config_obj=simulator.config, **matrices)
    return len(array.get_demand_matrices()[2])
