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


def read_samples(path: Path, *, batched: bool, batch: int, limit: int | None = None) -> list[list[Array]]:
    """One list of contiguous arrays for each inference.

    Args:
        batched: inputs have a batch axis, and an inference takes `batch` rows; else it takes one row
            without that axis.
        limit: at most so many rows.
    """
    columns = [array[:limit] for array in read_arrays(path)]
    step = batch if batched else 1
    starts = range(0, len(columns[0]) // step * step, step)
    if batched:
        return [[np.ascontiguousarray(column[start : start + step]) for column in columns] for start in starts]
    return [[np.ascontiguousarray(column[start]) for column in columns] for start in starts]
