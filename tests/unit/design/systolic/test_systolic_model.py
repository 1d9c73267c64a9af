"""The formulas against a walk fold by fold, and the laws that any accelerator keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.design.systolic.energy import area_mm2
from edgewise.design.systolic.evaluate import Costs, evaluate
from edgewise.design.systolic.folds import Folds
from edgewise.design.systolic.technology import NM7, NM45, pe_um2, power_law
from edgewise.design.systolic.template import Configurations, Dataflow, Template
from edgewise.design.systolic.timing import Timing
from edgewise.design.systolic.traffic import Traffic
from edgewise.design.systolic.work import Work
from edgewise.errors import BadConfiguration
from edgewise.nouns import Convolution, Layer
from fakes.folding import walk

KIB = 1024
TEMPLATE = Template(
    rows=8,
    columns=8,
    dataflow=Dataflow.WEIGHT_STATIONARY,
    ifmap_sram_bytes=32 * KIB,
    filter_sram_bytes=32 * KIB,
    ofmap_sram_bytes=32 * KIB,
    bandwidth_byte_per_s=1e9,
    clock_hz=1e9,
    word_bits=8,
)


def layer(shape: Convolution) -> Layer:
    return Layer(name="one", operator="Conv", output_shape=(), parameters=0, macs=shape.macs, convolution=shape)


def convolution(
    outputs: tuple[int, int], kernel: tuple[int, int], stride: int, channels: int, filters: int, groups: int = 1
):
    """Without padding; `channels` and `filters` are those of one group."""
    height, width = ((out - 1) * stride + side for out, side in zip(outputs, kernel, strict=True))
    return Convolution(
        input_height=height,
        input_width=width,
        input_channels=channels * groups,
        output_height=outputs[0],
        output_width=outputs[1],
        output_channels=filters * groups,
        kernel_height=kernel[0],
        kernel_width=kernel[1],
        stride_height=stride,
        stride_width=stride,
        groups=groups,
    )


small = st.integers(1, 5)
shapes = st.builds(
    convolution, st.tuples(small, small), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(1, 4), small,
    st.integers(1, 9), st.just(1),
)  # fmt: skip
grouped = st.builds(
    convolution, st.tuples(small, small), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(1, 2), small,
    st.integers(1, 9), st.integers(1, 4),
)  # fmt: skip
buffers = st.integers(1, 600)
templates = st.builds(
    Template,
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    dataflow=st.sampled_from(Dataflow),
    ifmap_sram_bytes=buffers,
    filter_sram_bytes=buffers,
    ofmap_sram_bytes=buffers,
    bandwidth_byte_per_s=st.sampled_from([1e8, 1e9, 3e9, 1e12]),
    clock_hz=st.sampled_from([1e8, 1e9]),
    word_bits=st.sampled_from([4, 8, 16]),
)


def costs(shape: Convolution, template: Template) -> Costs:
    return evaluate(Work.of([layer(shape)]), [template])


@given(shapes, templates, st.booleans())
@settings(max_examples=400, deadline=None)
def test_formulas_count_what_a_walk_through_the_folds_counts(shape: Convolution, template: Template, cut: bool):
    work, built, counted = Work.of([layer(shape)]), Configurations.of([template]), walk(shape, template, cut=cut)
    folds = Folds.of(work, built, cut=cut)
    traffic = Traffic.of(work, built, folds)
    assert folds.cycles[0, 0] == counted.cycles
    assert traffic.ifmap_sram_reads[0, 0] == counted.ifmap_sram
    assert traffic.filter_sram_reads[0, 0] == counted.filter_sram
    assert traffic.sums_sram[0, 0] == counted.sums_sram
    assert traffic.outputs[0, 0] == counted.outputs
    assert traffic.ifmap_dram_reads[0, 0] == counted.ifmap_dram
    assert traffic.filter_dram_reads[0, 0] == counted.filter_dram
    assert traffic.sums_dram[0, 0] == counted.sums_dram


@given(grouped, templates)
def test_no_array_does_more_than_one_mac_a_cycle_and_pe(shape: Convolution, template: Template):
    found = costs(shape, template)
    assert found.timing.compute_cycles[0, 0] * template.pes >= shape.macs
    assert 0 < found.utilisation[0, 0] <= 1


@given(grouped, templates)
def test_nothing_moves_less_than_every_input_weight_and_output_once(shape: Convolution, template: Template):
    found = costs(shape, template)
    least = found.work.compulsory[0, 0] * template.word_bits / 8
    assert found.dram_bytes[0, 0] >= least
    seconds = found.timing.cycles[0, 0] / template.clock_hz
    assert seconds * template.bandwidth_byte_per_s >= found.dram_bytes[0, 0] * (1 - 1e-9)


@given(grouped, templates, st.floats(1, 100))
def test_more_bandwidth_is_never_slower(shape: Convolution, template: Template, times: float):
    faster = replace(template, bandwidth_byte_per_s=template.bandwidth_byte_per_s * times)
    assert costs(shape, faster).latency_ms[0] <= costs(shape, template).latency_ms[0]


@given(grouped, templates, st.sampled_from(["ifmap", "filter", "ofmap"]), st.integers(1, 10))
def test_a_larger_buffer_is_never_slower(shape: Convolution, template: Template, buffer: str, times: int):
    name = f"{buffer}_sram_bytes"
    larger = replace(template, **{name: getattr(template, name) * times})
    assert costs(shape, larger).timing.cycles[0, 0] <= costs(shape, template).timing.cycles[0, 0] + 1  # rounding


@given(shapes, templates)
def test_of_two_schedules_the_faster_is_taken(shape: Convolution, template: Template):
    work, built = Work.of([layer(shape)]), Configurations.of([template])
    each = []
    for cut in (False, True):
        folds = Folds.of(work, built, cut=cut)
        each.append(Timing.of(work, built, folds, Traffic.of(work, built, folds)).cycles[0, 0])
    assert costs(shape, template).timing.cycles[0, 0] == min(each)


def test_a_stream_is_cut_where_partial_sums_would_go_out_at_little_bandwidth_alone():
    large = convolution((32, 32), (3, 3), 1, 16, 16)
    slow, fast = (replace(TEMPLATE, bandwidth_byte_per_s=speed) for speed in (1e9, 1e12))
    cut, whole = costs(large, slow), costs(large, fast)
    assert cut.folds.pieces[0, 0] > 1
    assert cut.traffic.sums_dram[0, 0] == 0
    assert whole.folds.pieces[0, 0] == 1
    assert whole.traffic.sums_dram[0, 0] > 0


@given(grouped, templates)
def test_all_that_does_not_stall_computes_and_waiting_is_never_negative(shape: Convolution, template: Template):
    timing = costs(shape, template).timing
    assert timing.stall_cycles[0, 0] >= 0
    assert timing.cycles[0, 0] == timing.compute_cycles[0, 0] + timing.stall_cycles[0, 0]


@given(st.lists(grouped, min_size=1, max_size=4), st.lists(templates, min_size=1, max_size=6))
def test_all_at_once_is_the_same_as_one_by_one(some: list[Convolution], built: list[Template]):
    together = evaluate(Work.of([layer(shape) for shape in some]), built)
    for row, template in enumerate(built):
        for column, shape in enumerate(some):
            alone = costs(shape, template)
            assert together.timing.cycles[row, column] == alone.timing.cycles[0, 0]
            assert together.dram_bytes[row, column] == alone.dram_bytes[0, 0]
            assert together.energy.total_pj[row, column] == pytest.approx(alone.energy.total_pj[0, 0], rel=1e-12)
        assert together.area_mm2[row] == area_mm2([template])[0]


@pytest.mark.parametrize("dataflow", Dataflow)
def test_depthwise_is_one_channel_after_the_other_and_leaves_the_array_idle(dataflow: Dataflow):
    template = replace(TEMPLATE, dataflow=dataflow, bandwidth_byte_per_s=1e15)
    one = costs(convolution((7, 7), (3, 3), 1, 1, 1), template)
    all_of_them = costs(convolution((7, 7), (3, 3), 1, 1, 1, groups=32), template)
    assert all_of_them.timing.compute_cycles[0, 0] == 32 * one.timing.compute_cycles[0, 0]
    assert all_of_them.dram_bytes[0, 0] == 32 * one.dram_bytes[0, 0]
    assert all_of_them.utilisation[0, 0] <= 1 / min(template.rows, template.columns)


def test_a_layer_without_known_work_is_named_and_one_without_work_is_not():
    unknown = Layer(name="attention", operator="Attention", output_shape=(), parameters=0, macs=None)
    lstm = Layer(name="lstm", operator="LSTM", output_shape=(), parameters=0, macs=10)
    relu = Layer(name="relu", operator="Relu", output_shape=(), parameters=0, macs=0)
    work = Work.of([unknown, lstm, relu, layer(convolution((2, 2), (1, 1), 1, 3, 4))])
    assert (work.names, work.left_out) == (("one",), ("attention", "lstm"))
    assert Work.of([relu]).names == ()


def test_energy_is_counts_times_the_published_figures():
    found = costs(convolution((1, 1), (1, 1), 1, 1, 1), TEMPLATE)
    assert found.energy.mac_pj[0, 0] == pytest.approx(0.2 + 0.1)
    accesses = 4 * 8 + 2 * 8  # input and weight: in and out of their buffers; the output likewise
    assert found.energy.sram_pj[0, 0] == pytest.approx(accesses * 20 / 64)
    assert found.energy.dram_pj[0, 0] == pytest.approx(3 * 8 * 1300 / 64)
    newer = evaluate(found.work, [TEMPLATE], NM7)
    assert newer.energy.mac_pj[0, 0] == pytest.approx(0.07 + 0.03)


def test_power_law_meets_the_published_points_and_grows_between_them():
    for points in (NM45.multiply_pj, NM45.add_pj, NM45.sram_pj, NM7.sram_pj):
        at = np.array(list(points))
        assert power_law(points, at) == pytest.approx(list(points.values()))
        grid = np.geomspace(at[0] / 2, at[-1] * 2, 50)
        assert (np.diff(power_law(points, grid)) > 0).all()
    assert power_law({1: 2.0, 4: 8.0}, np.array([16.0])) == pytest.approx([32.0])


def test_area_is_pes_and_cells():
    pe = 282 + 137
    assert pe_um2(np.array([8]), np.array([32]))[0] == pytest.approx(pe)
    assert area_mm2([TEMPLATE])[0] == pytest.approx((64 * pe + 96 * KIB * 8 * 0.346) / 1e6)


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"columns": 5000}, {"word_bits": 1}, {"ofmap_sram_bytes": 0}, {"clock_hz": 0.0}], ids=str
)
def test_what_cannot_be_built_is_refused_with_what_can(wrong: dict[str, int]):
    with pytest.raises(BadConfiguration) as refused:
        replace(TEMPLATE, **wrong)
    assert next(iter(wrong)) in refused.value.message
    assert "has to be from" in refused.value.hint


def test_name_says_everything():
    assert TEMPLATE.name == "ws-8x8-int8-32/32/32KiB-1GB/s-1000MHz"
