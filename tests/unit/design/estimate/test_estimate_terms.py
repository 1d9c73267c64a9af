import numpy as np
import pytest

from edgewise.design.estimate.terms import Chip, MachineKind, Term, amounts, kind_of, work
from edgewise.nouns import AcceleratorKind
from fakes.rooflines import convolution, network, plain


def test_amounts_of_a_core_are_the_models_own_counts():
    layers = network(32, 2)
    found = amounts(layers, MachineKind.CPU, "fp32").sum(axis=0)
    arithmetic = found[[Term.DENSE, Term.POINTWISE, Term.DEPTHWISE]].sum()
    assert arithmetic == sum(layer.macs or 0 for layer in layers)
    assert found[Term.WEIGHTS] == 4 * sum(layer.parameters for layer in layers)
    assert found[Term.LAYERS] == len(layers)
    assert found[Term.INFERENCE] == 1


def test_a_batch_multiplies_work_but_reads_weights_once():
    one, four = (amounts(network(32, 1), MachineKind.GPU, "fp16", batch=batch).sum(axis=0) for batch in (1, 4))
    assert four[Term.DENSE] == 4 * one[Term.DENSE]
    assert four[Term.ACTIVATIONS] == 4 * one[Term.ACTIVATIONS]
    assert four[Term.WEIGHTS] == one[Term.WEIGHTS]


@pytest.mark.parametrize(("channels", "times"), [(64, 1.0), (32, 4.0), (65, (128 / 65) ** 2)])
def test_channels_that_do_not_fill_the_array_cost_whole_tiles(channels, times):
    layer = convolution("a", channels=channels, out=channels, kernel=1)
    term, macs = work(layer, Chip(tile=64))
    assert term is Term.POINTWISE
    assert macs == pytest.approx(times * layer.macs)


def test_weights_beyond_the_chips_memory_are_streamed():
    small = amounts([convolution("a")], MachineKind.EDGE_TPU, "int8").sum(axis=0)
    large = [convolution(str(index), channels=1024, out=1024, size=4) for index in range(2)]  # 9.4 MB each
    found = amounts(large, MachineKind.EDGE_TPU, "int8").sum(axis=0)
    assert small[Term.STREAMED] == 0
    feature_maps = 2 * 1024 * 16
    assert found[Term.STREAMED] == sum(layer.parameters for layer in large) - (8_000_000 - feature_maps)


def test_what_falls_back_costs_the_accelerator_nothing():
    layers = [convolution("a"), plain("b", "CUSTOM")]
    found = amounts(layers, MachineKind.NPU, "int8", fallback={1})
    assert not found[1, [Term.ACTIVATIONS, Term.LAYERS]].any()
    assert found[1, Term.FALLBACK_BYTES] > 0


def test_views_cost_nothing():
    assert not amounts([plain("view", "RESHAPE")], MachineKind.CPU, "int8")[0].any()


def test_kinds():
    assert kind_of(AcceleratorKind.CPU, "aarch64") is MachineKind.CPU
    assert kind_of(AcceleratorKind.CPU, "armv8.1-m") is MachineKind.MICROCONTROLLER
    assert kind_of(AcceleratorKind.TPU, "any") is MachineKind.EDGE_TPU
    assert np.array_equal([kind.overlaps for kind in MachineKind], [False, False, True, True, True])
