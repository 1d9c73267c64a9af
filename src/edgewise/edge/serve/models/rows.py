"""Any number of rows through a runtime whose sessions take 1, 2, 4, … of them."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from edgewise.edge.serve.models.curve import ROWS, Curve, pieces
from edgewise.runtimes.samples import Array

Run = Callable[[Sequence[Array]], Sequence[Array]]


class Rows:
    """Cuts rows into the quickest sizes by the curve, fills the last one up, and joins what comes out."""

    def __init__(self, run: Run, curve: Curve) -> None:
        self._run = run
        self._sizes = frozenset(ROWS[: len(curve.run_s)])
        self._pieces = lru_cache(maxsize=1024)(lambda rows: pieces(rows, curve.run_s))

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Outputs for `inputs`, all with the same number of rows."""
        rows = len(inputs[0])
        if rows in self._sizes:
            return self._run(inputs)
        found: list[Sequence[Array]] = []
        start = 0
        for size in self._pieces(rows):
            count = min(size, rows - start)
            outputs = self._run([_filled(array[start : start + count], size) for array in inputs])
            found.append([array[:count] for array in outputs])
            start += count
        return [np.concatenate(column) for column in zip(*found, strict=True)]


def _filled(array: Array, rows: int) -> Array:
    """`array` with its last row repeated until it has `rows`: values that the model has seen cannot trip it."""
    missing = rows - len(array)
    if not missing:
        return np.ascontiguousarray(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
