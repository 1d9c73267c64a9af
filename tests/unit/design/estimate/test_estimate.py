from dataclasses import replace

import pytest

from edgewise.design.estimate import estimate, measured
from edgewise.errors import NoBasis
from edgewise.hardware import catalogue, operators
from edgewise.hardware.calibration import Row
from edgewise.nouns import AcceleratorKind, ProvenanceKind, Quantity
from fakes.rooflines import convolution, machine, model, network, plain, row, table

SIZES = ((16, 1), (16, 6), (32, 3), (64, 2), (64, 8), (128, 4))
NS_PER_MAC, NS_PER_LAYER = 0.5, 2000.0


def latency_ms(layers, times=1.0):
    macs, running = sum(layer.macs or 0 for layer in layers), len(layers)
    return times * (macs * NS_PER_MAC + running * NS_PER_LAYER) / 1e6


def published(name="board", times=1.0, *, accelerator="cpu", energy_pj_per_mac=None):
    found = []
    for width, depth in SIZES:
        layers = network(width, depth)
        energy = energy_pj_per_mac and 1e-6 * energy_pj_per_mac * sum(layer.macs or 0 for layer in layers)
        found.append(
            row(
                name,
                layers,
                network=f"{width}x{depth}",
                latency_ms=latency_ms(layers, times),
                energy_uj=energy,
                accelerator=accelerator,
            )
        )
    return found


MODEL = model(network(48, 3))


def test_a_machine_with_rows_is_estimated_with_an_interval_that_holds_the_truth():
    board = machine("board")
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published())
    latency = found.figures[Quantity.LATENCY_P50]
    assert latency.low < latency_ms(MODEL.layers) < latency.high
    assert latency.value == pytest.approx(latency_ms(MODEL.layers), rel=0.25)
    assert latency.provenance.kind is ProvenanceKind.CALIBRATED
    assert "6 rows of this machine" in latency.provenance.by


def test_layers_and_the_call_add_up_to_the_latency():
    board = machine("board")
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published())
    assert [layer.name for layer in found.layers] == [layer.name for layer in MODEL.layers]
    whole = found.call_ms + sum(layer.time_ms for layer in found.layers)
    assert whole == pytest.approx(found.figures[Quantity.LATENCY_P50].value)


def test_measured_rows_outweigh_published_ones():
    board = machine("board")
    layers = network(96, 2)
    own = Row(
        machine="board",
        accelerator="cpu",
        runtime="litert",
        network="own",
        precision="int8",
        latency_ms=2 * latency_ms(layers),
        source="measured",
        date="2026-02-01",
    )
    before = estimate(MODEL, board, board.cpu, precision="int8", observations=published())
    after = estimate(MODEL, board, board.cpu, precision="int8", observations=[*published(), measured(own, layers)])
    ratio = after.figures[Quantity.LATENCY_P50].value / before.figures[Quantity.LATENCY_P50].value
    assert ratio > 1.4


def test_a_machine_without_rows_or_peak_rate_is_refused_with_what_would_help():
    other = machine("other")
    with pytest.raises(NoBasis, match="nothing published supports a latency of other's cpu") as caught:
        estimate(MODEL, other, other.cpu, precision="int8", observations=published())
    assert "peak rate" in caught.value.hint


def test_a_machine_with_one_row_has_a_wider_interval_than_one_with_many():
    rows = [*published("many"), published("one", 2.0)[2]]
    many, one = (
        estimate(MODEL, board, board.cpu, precision="int8", observations=rows).figures[Quantity.LATENCY_P50]
        for board in (machine("many"), machine("one"))
    )
    assert one.high / one.low > many.high / many.low
    assert one.low < latency_ms(MODEL.layers, 2.0) < one.high


def test_a_part_of_the_same_name_in_another_machine_stands_in_with_a_wider_interval():
    rows = published("kit", accelerator="made-npu")
    kit, other = (machine(name, kind=AcceleratorKind.NPU, accelerator="made-npu") for name in ("kit", "other"))
    near = estimate(MODEL, kit, kit.accelerators[1], precision="int8", observations=rows)
    far = estimate(MODEL, other, other.accelerators[1], precision="int8", observations=rows)
    one, two = (found.figures[Quantity.LATENCY_P50] for found in (near, far))
    assert two.value == pytest.approx(one.value)
    assert two.high / two.low > one.high / one.low
    assert any("kit" in caveat for caveat in far.caveats)


def test_a_peak_rate_serves_where_the_kind_has_one_with_rows():
    rows = published("coral-usb", accelerator="edge-tpu")
    other = machine("other", kind=AcceleratorKind.TPU, accelerator="another-tpu", peak_int8=4e12)
    found = estimate(MODEL, other, other.accelerators[1], precision="int8", observations=rows)
    assert "the catalogue's peak rate" in found.figures[Quantity.LATENCY_P50].provenance.by


def test_another_precision_of_the_same_machine_serves_with_a_caveat():
    board = machine("board")
    found = estimate(MODEL, board, board.cpu, precision="fp32", observations=published())
    assert "int8 instead of fp32" in " ".join(found.caveats)


def test_threads_are_asked_of_cpus_alone_and_a_compiler_is_known_by_its_runtime():
    rows = [replace(each, row=replace(each.row, runtime="libedgetpu")) for each in published(accelerator="edge-tpu")]
    board = machine("board", kind=AcceleratorKind.TPU, accelerator="edge-tpu")
    found = estimate(
        MODEL, board, board.accelerators[1], precision="int8", runtime="edgetpu-compiler", threads=1, observations=rows
    )
    assert not [caveat for caveat in found.caveats if "the rows of this machine" in caveat]


def test_threads_that_rows_do_not_tell_are_a_caveat():
    board = machine("board")
    found = estimate(MODEL, board, board.cpu, precision="int8", threads=2, observations=published())
    assert "the rows of this machine do not say with how many threads" in found.caveats


def test_a_precision_that_the_part_does_not_compute_in_is_refused():
    board = machine("board")
    with pytest.raises(NoBasis, match="does not compute in fp16"):
        estimate(MODEL, board, board.cpu, precision="fp16", observations=published())


def test_what_the_accelerator_cannot_run_costs_the_cpus_time(monkeypatch):
    monkeypatch.setattr(
        operators, "find", lambda part: table(["CONV_2D", "DEPTHWISE_CONV_2D"]) if part != "npu" else None
    )
    rows = [*published("board"), *published("board", 0.01, accelerator="npu")]
    board = machine("board", kind=AcceleratorKind.NPU, accelerator="npu", compilers=("made",))
    cut = model((convolution("a"), plain("odd", "CUSTOM", elements=100_000), convolution("c")))
    found = estimate(cut, board, board.accelerators[1], precision="int8", observations=rows)
    assert found.fallback_ms > 0
    assert found.fallback_ms == pytest.approx(sum(layer.time_ms for layer in found.layers if layer.bound == "fallback"))
    assert any("fall back to the CPU" in caveat for caveat in found.caveats)


def test_fallback_without_a_cpu_that_is_known_is_refused(monkeypatch):
    monkeypatch.setattr(operators, "find", lambda part: table(["CONV_2D"]) if part != "npu" else None)
    board = machine("board", kind=AcceleratorKind.NPU, accelerator="npu")
    cut = model((convolution("a"), plain("odd", "CUSTOM")))
    with pytest.raises(NoBasis, match="board's cpu"):
        estimate(cut, board, board.accelerators[1], precision="int8", observations=published(accelerator="npu"))


def test_energy_comes_from_published_energies():
    board = machine("board", power_watt=1000.0)
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published(energy_pj_per_mac=50.0))
    energy, latency = found.figures[Quantity.ENERGY], found.figures[Quantity.LATENCY_P50]
    truth_mj = 50e-9 * (MODEL.macs or 0)
    assert energy.unit == "mJ"
    assert energy.low < truth_mj < energy.high
    assert found.figures[Quantity.POWER].value == pytest.approx(energy.value / latency.value)


def test_energy_without_published_ones_is_power_times_latency_and_says_so():
    board = machine("board", power_watt=5.0)
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published())
    energy, latency = found.figures[Quantity.ENERGY], found.figures[Quantity.LATENCY_P50]
    assert energy.value == pytest.approx(5.0 * latency.value)
    assert "a data sheet" in energy.provenance.by
    assert found.figures[Quantity.POWER].high == 5.0


def test_declared_power_is_declared():
    board = machine("board", power_watt=5.0)
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published(), power_watt=2.0)
    assert found.figures[Quantity.ENERGY].provenance.kind is ProvenanceKind.DECLARED
    assert found.figures[Quantity.POWER].value == 2.0


def test_no_power_no_energy():
    board = machine("board")
    found = estimate(MODEL, board, board.cpu, precision="int8", observations=published())
    assert Quantity.ENERGY not in found.figures
    assert any("energy is not known" in caveat for caveat in found.caveats)


def test_a_model_whose_arithmetic_is_unknown_is_refused():
    board = machine("board")
    unknown = model([replace(layer, macs=None) for layer in network(16, 1)])
    with pytest.raises(NoBasis, match="cannot be counted"):
        estimate(unknown, board, board.cpu, precision="int8", observations=published())


def test_one_layer_that_cannot_be_counted_is_enough_to_refuse():
    board, layers = machine("board"), network(32, 3)
    with pytest.raises(NoBasis, match="DEPTHWISE_CONV_2D"):
        estimate(
            model([replace(layers[0], macs=None, convolution=None), *layers[1:]]),
            board,
            board.cpu,
            precision="int8",
            observations=published(),
        )


def test_a_model_far_below_the_rows_may_take_as_long_as_the_smallest_of_them():
    board, tiny = machine("board"), model(network(2, 1))
    found = estimate(tiny, board, board.cpu, precision="int8", observations=published())
    smallest = min(latency_ms(network(*size)) for size in SIZES)
    latency = found.figures[Quantity.LATENCY_P50]
    assert latency.high >= smallest * 0.7
    assert any("smallest network" in caveat for caveat in found.caveats)


def test_published_rows_answer_for_a_machine_of_the_catalogue():
    board = catalogue.find("coral-dev-board")
    found = estimate(MODEL, board, board.accelerators[1], precision="int8")
    latency = found.figures[Quantity.LATENCY_P50]
    assert 0 < latency.low < latency.value < latency.high
    assert latency.high / latency.low < 16
