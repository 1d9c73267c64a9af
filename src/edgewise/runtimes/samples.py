"""Samples on disk as children read them: an .npz with arrays "0", "1", … in the model's input order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def write_arrays(path: Path, arrays: Sequence[Array]) -> None:
    """Write `arrays` under their positions, uncompressed."""
    named = {str(index): array for index, array in enumerate(arrays)}
    np.savez(path, **named)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle among the arrays


def read_arrays(path: Path) -> list[Array]:
    """What `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return [archive[str(index)] for index in range(len(archive.files))]


def joined(results: Sequence[Sequence[Array]], *, rows: int | None) -> list[Array]:
    """Outputs of single inferences as one array an output, [n, …].

    Args:
        rows: samples in one inference where inputs have a batch axis, else None. An output of a single
            sample may lack that axis.

    Raises:
        ValueError: an output cannot be told apart into samples.
    """
    return [_column(column, rows) for column in zip(*results, strict=True)]


def _column(column: Sequence[Array], rows: int | None) -> Array:
    if rows is not None and all(array.ndim and len(array) == rows for array in column):
        return np.concatenate(column)
    shapes = {array.shape for array in column}
    if rows not in (None, 1) or len(shapes) > 1:
        shown = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        raise ValueError(f"an output of shape {shown} cannot be told apart into samples, {rows or 1} an inference")
    return np.stack(column)


def read_samples(path: Path, *, batched: bool, batch: int, limit: int | None = None) -> list[list[Array]]:
    """One list of contiguous arrays for each inference.

    Args:
        batched: inputs have a batch axis, and an inference takes `batch` rows; else it takes one row
            without that axis.
        limit: at most so many rows.

    Raises:
        ValueError: there are not enough rows for one inference.
    """
    columns = [array[:limit] for array in read_arrays(path)]
    step = batch if batched else 1
    starts = range(0, len(columns[0]) // step * step, step)
    if not starts:
        raise ValueError(f"{len(columns[0])} samples are too few for one inference of {step}")
    if batched:
        return [[np.asarray(column[start : start + step], order="C") for column in columns] for start in starts]
    return [[np.asarray(column[start], order="C") for column in columns] for start in starts]
