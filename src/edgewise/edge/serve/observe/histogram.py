"""A histogram whose memory is all there from the start. Values are counted many at once: one by one costs ten times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

SECONDS = (
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3,
    5e-3, 10e-3, 25e-3, 50e-3, 75e-3, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Upper bounds of latencies: those of Prometheus's clients from 5 ms on; finer ones below, for models are fast."""

ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Upper bounds of batch sizes."""


class Histogram:
    """How many values were at most each of `bounds`.

    Attributes:
        counts: of values above the bound before and at most this one; the last is of what is above all bounds.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = np.array(bounds)
        self.counts = np.zeros(len(bounds) + 1, np.int64)
        self.total = 0.0

    def add_all(self, values: npt.NDArray[Any]) -> None:
        """Count all `values`."""
        self.counts += np.bincount(self.bounds.searchsorted(values), minlength=len(self.counts))
        self.total += float(values.sum())

    def merge(self, other: "Histogram") -> None:
        """Count also what `other` has counted; bounds are equal."""
        self.counts += other.counts
        self.total += other.total
