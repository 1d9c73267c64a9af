"""The model against SCALE-Sim, cycle by cycle and access by access."""

from types import ModuleType

import pytest

from edgewise.design.systolic.evaluate import Costs, evaluate
from edgewise.design.systolic.template import Dataflow, Template
from edgewise.design.systolic.work import Work
from edgewise.nouns import Convolution

pytestmark = pytest.mark.filterwarnings("default")  # those of SCALE-Sim are not ours

KIB = 1024
ARRAYS = ((8, 8), (16, 4), (4, 16), (32, 32), (1, 12))
LARGE_ARRAYS = ((32, 32), (64, 16), (16, 96))
SHORT = 4_000
"""Cycles of a layer that SCALE-Sim simulates in about half a second on these."""


def built(rows: int, columns: int, dataflow: Dataflow) -> Template:
    return Template(
        rows=rows,
        columns=columns,
        dataflow=dataflow,
        ifmap_sram_bytes=1024 * KIB,
        filter_sram_bytes=1024 * KIB,
        ofmap_sram_bytes=1024 * KIB,
        bandwidth_byte_per_s=1e12,
        clock_hz=1e9,
        word_bits=8,
    )


def costs_of(peer: ModuleType, shape: Convolution, template: Template) -> Costs:
    return evaluate(Work.of([peer.layer("one", shape)]), [template])


def plain(size: int, channels: int, filters: int, kernel: int, stride: int = 1) -> Convolution:
    """A square convolution without padding."""
    out = (size - kernel) // stride + 1
    return Convolution(
        input_height=size,
        input_width=size,
        input_channels=channels,
        output_height=out,
        output_width=out,
        output_channels=filters,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=stride,
        stride_width=stride,
    )


SHAPES = {
    "smaller than any array": plain(3, 2, 2, 3),
    "one pixel": plain(1, 64, 40, 1),
    "one channel": plain(15, 1, 1, 3, 2),
    "uneven": plain(13, 5, 17, 3),
    "pointwise": plain(7, 33, 21, 1),
}


@pytest.mark.parametrize("dataflow", Dataflow)
@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_cycles_and_accesses_are_the_same(peer: ModuleType, name: str, array: tuple[int, int], dataflow: Dataflow):
    template, shape = built(*array, dataflow), SHAPES[name]
    theirs, ours = peer.simulate(shape, template), costs_of(peer, shape, template)
    assert ours.timing.compute_cycles[0, 0] == theirs.last_cycle + 1
    assert ours.traffic.ifmap_sram_reads[0, 0] == theirs.ifmap_reads
    assert ours.traffic.filter_sram_reads[0, 0] == theirs.filter_reads
    assert ours.traffic.ifmap_dram_reads[0, 0] == theirs.ifmap_dram
    assert ours.traffic.filter_dram_reads[0, 0] == theirs.filter_dram
    if dataflow is not Dataflow.OUTPUT_STATIONARY:  # there it adds rows and columns to the writes of each fold
        assert (ours.traffic.outputs + ours.traffic.sums_sram)[0, 0] == theirs.ofmap_writes


@pytest.mark.parametrize("dataflow", Dataflow)
def test_cycles_of_its_own_topologies_agree_within_five_percent(peer: ModuleType, dataflow: Dataflow):
    compared = 0
    for number, topology in enumerate(peer.NAMES):
        template = built(*LARGE_ARRAYS[number % len(LARGE_ARRAYS)], dataflow)
        for layer in peer.layers(topology):
            ours = evaluate(Work.of([layer]), [template]).timing.compute_cycles[0, 0]
            if ours > SHORT:
                continue
            theirs = peer.simulate(layer.convolution, template)
            assert abs(ours / theirs.last_cycle - 1) <= 0.05, (topology, layer.name)
            compared += 1
    assert compared >= 8


def test_nothing_stalls_in_either_where_all_fits_and_bandwidth_is_ample(peer: ModuleType):
    for dataflow in Dataflow:
        template = built(8, 8, dataflow)
        theirs = peer.simulate(SHAPES["uneven"], template, words_per_cycle=1024)
        ours = costs_of(peer, SHAPES["uneven"], template)
        assert theirs.stall_cycles == 0
        assert ours.timing.stall_cycles[0, 0] <= 2  # the first operands in, the last outputs out
