import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.estimate.intervals import width


def test_many_networks_give_the_conformal_quantile():
    found = width({str(index): [0.01 * index] for index in range(1, 20)})  # rank ceil(20 x 0.9) = 18
    assert found.told
    assert math.log(found.factor) == pytest.approx(0.18)


def test_few_networks_give_a_wider_one_and_it_is_said():
    few = width({"a": [0.1, 0.1, 0.1], "b": [0.1], "c": [0.1]})
    assert not few.told
    assert few.n == 3
    assert math.log(few.factor) > 0.3


def test_nothing_held_out_is_very_wide():
    assert not width({}).told
    assert width({}).factor > 2


@given(st.lists(st.floats(-2, 2), min_size=0, max_size=30), st.floats(0, 2))
def test_more_sources_of_error_never_narrow_an_interval(errors, spread):
    found = width({str(index): [error] for index, error in enumerate(errors)})
    assert found.factor >= 1
    assert found.widened(spread).factor >= found.factor * (1 - 1e-12)


def test_intervals_cover_what_they_promise():
    random = np.random.default_rng(7)
    inside = []
    for n in (3, 5, 12, 30):
        for _ in range(200):
            errors = 0.3 * random.standard_normal(n + 1)
            known = width({str(index): [float(error)] for index, error in enumerate(errors[1:])})
            inside.append(abs(errors[0]) <= math.log(known.factor))
    assert np.mean(inside) > 0.87
