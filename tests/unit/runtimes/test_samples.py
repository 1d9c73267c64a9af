"""Samples on their way to a child: nothing is lost, mixed up or reshaped."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewise.runtimes.samples import Array, joined, read_arrays, read_samples, write_arrays

DTYPES = st.sampled_from([np.float32, np.float64, np.int8, np.uint8, np.int64, np.bool_])
ANY = DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=4, max_side=4)))


@given(st.lists(ANY, max_size=12))
def test_arrays_come_back_in_order_with_dtype_and_bits(
    tmp_path_factory: pytest.TempPathFactory, written: list[Array]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npz"
    write_arrays(path, written)
    found = read_arrays(path)
    assert [(array.dtype, array.shape, array.tobytes()) for array in found] == [
        (array.dtype, array.shape, array.tobytes()) for array in written
    ]


@given(st.integers(1, 20), st.integers(1, 7), st.none() | st.integers(1, 25))
def test_batches_hold_the_rows_in_order_and_drop_the_rest(
    tmp_path_factory: pytest.TempPathFactory, rows: int, batch: int, limit: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "batches.npz"
    x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    write_arrays(path, [x, x[:, 0]])
    taken = min(rows, limit or rows)
    if taken < batch:
        with pytest.raises(ValueError, match=f"{taken} samples are too few for one inference of {batch}"):
            read_samples(path, batched=True, batch=batch, limit=limit)
        return
    samples = read_samples(path, batched=True, batch=batch, limit=limit)
    assert len(samples) == taken // batch
    for number, (both, first) in enumerate(samples):
        np.testing.assert_array_equal(both, x[number * batch : (number + 1) * batch])
        np.testing.assert_array_equal(first, both[:, 0])
        assert both.flags["C_CONTIGUOUS"]


def test_without_a_batch_axis_each_row_is_one_inference_of_its_own_shape(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", [np.ones((3, 4, 2), np.float32), np.arange(3, dtype=np.float32)])
    samples = read_samples(tmp_path / "x.npz", batched=False, batch=1)
    assert [[array.shape for array in sample] for sample in samples] == [[(4, 2), ()]] * 3
    assert [float(sample[1]) for sample in samples] == [0, 1, 2]


def test_columns_of_another_memory_order_are_made_contiguous(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", [np.asfortranarray(np.arange(24, dtype=np.float32).reshape(4, 6))])
    (sample,) = read_samples(tmp_path / "x.npz", batched=True, batch=4)
    assert sample[0].flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(sample[0], np.arange(24).reshape(4, 6))


def test_no_rows_at_all_are_said(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", [np.empty((0, 2), np.float32)])
    with pytest.raises(ValueError, match="0 samples are too few"):
        read_samples(tmp_path / "x.npz", batched=True, batch=1)


@given(st.integers(1, 5), st.integers(1, 4))
def test_outputs_of_batches_are_joined_row_by_row(batches: int, rows: int) -> None:
    whole = np.arange(batches * rows * 3).reshape(batches * rows, 3)
    results = [[whole[start : start + rows]] for start in range(0, batches * rows, rows)]
    np.testing.assert_array_equal(joined(results, rows=rows)[0], whole)


def test_outputs_of_single_samples_are_stacked() -> None:
    results = [[np.full(3, number), np.array(number)] for number in range(4)]
    assert [column.shape for column in joined(results, rows=None)] == [(4, 3), (4,)]
    assert joined([[np.float32(2)], [np.float32(3)]], rows=1)[0].tolist() == [2, 3]


def test_outputs_that_cannot_be_told_apart_are_said() -> None:
    with pytest.raises(ValueError, match="cannot be told apart into samples"):
        joined([[np.ones(3)], [np.ones(3)]], rows=4)
    with pytest.raises(ValueError, match="cannot be told apart into samples"):
        joined([[np.ones(3)], [np.ones(2)]], rows=None)
