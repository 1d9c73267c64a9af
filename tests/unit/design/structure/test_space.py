"""Declared ranges: what they mean, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.structure.space import Choices, Integers, Reals, declared, name_of
from edgewise.errors import BadTraining


def test_lists_ranges_and_intervals():
    space = declared({"a": {"choices": [1, "x"]}, "b": {"range": [1, 3]}, "c": {"range": [0, 0.5]}})
    assert space.dimensions == (
        Choices(name="a", values=(1, "x")),
        Integers(name="b", low=1, high=3),
        Reals(name="c", low=0.0, high=0.5),
    )
    assert space.size is None


def test_every_structure_once_the_last_dimension_fastest():
    space = declared({"a": {"choices": [0.5, 1.0]}, "b": {"range": [1, 2]}})
    assert space.size == 4
    assert list(space.structures()) == [
        {"a": 0.5, "b": 1}, {"a": 0.5, "b": 2}, {"a": 1.0, "b": 1}, {"a": 1.0, "b": 2},
    ]  # fmt: skip
    assert name_of({"a": 0.5, "b": 2}) == "a=0.5,b=2"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.one_of(
            st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True).map(lambda v: {"choices": v}),
            st.tuples(st.integers(-5, 5), st.integers(0, 3)).map(lambda v: {"range": [v[0], v[0] + v[1]]}),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_size_counts_structures_and_names_tell_them_apart(ranges):
    space = declared(ranges)
    names = [name_of(structure) for structure in space.structures()]
    assert len(names) == len(set(names)) == space.size


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        (None, "declares no dimension"),
        ({}, "declares no dimension"),
        ({"a b": {"choices": [1]}}, "names a dimension 'a b'"),
        ({"a": {"choices": []}}, "a lists no choice"),
        ({"a": {"choices": [1, 1]}}, "some of them twice"),
        ({"a": {"choices": [["[1]"]]}}, "a lists"),
        ({"a": {"choices": [math.inf]}}, "a lists inf"),
        ({"a": {"range": [3, 1]}}, "a ranges from 3 to 1"),
        ({"a": {"range": [1, math.nan]}}, "a ranges from 1 to nan"),
        ({"a": {"range": [1, 2, 3]}}, "the range of a is"),
        ({"a": {"range": [True, 2]}}, "the range of a is"),
        ({"a": "<object>"}, "the range of a is"),
        ({f"d{i}": {"choices": [1]} for i in range(17)}, "17 dimensions"),
    ],
)
def test_what_is_no_range_is_refused_by_name(ranges, says):
    with pytest.raises(BadTraining, match=says) as caught:
        declared(ranges)
    assert caught.value.hint
