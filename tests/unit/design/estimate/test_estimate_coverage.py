from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.estimate.coverage import check
from fakes.rooflines import convolution, model, plain, table

KNOWN = ("CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX")
LAYERS = (convolution("a"), plain("b", "CUSTOM"), convolution("c"), plain("d", "SOFTMAX"))


def test_a_prefix_ends_at_the_first_operator_that_is_not_listed():
    found = check(model(LAYERS), table(KNOWN, mapping="prefix"))
    assert [(part.on_accelerator, [layer.name for layer in part.layers]) for part in found.parts] == [
        (True, ["a"]),
        (False, ["b", "c", "d"]),
    ]
    assert found.share_of_macs == 0.5
    assert "does not list CUSTOM" in found.unsupported[0].reason
    assert "one part from the beginning" in found.unsupported[1].reason


def test_islands_go_on_after_it():
    found = check(model(LAYERS), table(KNOWN))
    assert [part.on_accelerator for part in found.parts] == [True, False, True]
    assert [each.layer for each in found.unsupported] == ["b"]
    assert found.share_of_macs == 1.0


def test_a_kernel_above_the_limit_falls_back():
    found = check(model([convolution("small"), convolution("large", kernel=11)]), table(KNOWN, kernel_max=8))
    assert [each.layer for each in found.unsupported] == ["large"]
    assert found.unsupported[0].reason == "its kernel (11) is above 8, the limit of a compiler 1.0"


def test_conditions_are_told_of_operators_that_are_used():
    assert check(model(LAYERS), table(KNOWN, conditions="square kernels")).conditional == {"CONV_2D": "square kernels"}
    assert check(model([plain("d", "SOFTMAX")]), table(KNOWN, conditions="square kernels")).conditional == {}


def test_views_never_cut_a_part():
    layers = (convolution("a"), plain("view", "RESHAPE"), convolution("c"))
    assert len(check(model(layers), table(("CONV_2D",), mapping="prefix")).parts) == 1


@given(st.lists(st.sampled_from(["CONV_2D", "SOFTMAX", "CUSTOM", "RESHAPE"]), min_size=1, max_size=12))
def test_every_layer_is_in_one_part_and_a_prefix_never_covers_more_than_islands(operators):
    layers = [plain(str(index), operator) for index, operator in enumerate(operators)]
    prefix, islands = (check(model(layers), table(KNOWN, mapping=mapping)) for mapping in ("prefix", "islands"))
    assert [layer for part in islands.parts for layer in part.layers] == layers
    assert prefix.share_of_macs <= islands.share_of_macs
    assert set(islands.fallback) <= set(prefix.fallback)
