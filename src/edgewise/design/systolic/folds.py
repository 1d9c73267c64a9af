"""How a layer is cut to the size of the array, and how long that takes. Pure.

Two of the three sides of the matrix product lie along the array, the third streams through it in time. What is
larger than the array is folded: ceil(rows / R) x ceil(columns / C) folds, each with the whole array's fill and drain,
however little of it works (Samajdar et al., arXiv 1811.02883, section on the analytical model). A fold takes

    output stationary      R + C + T - 2    outputs leave while the next fold streams in
    weight, input stat.   2R + C + T - 2    R more to load what stays

cycles: what SCALE-Sim 3.0 simulates. (The paper's own formula has 2R for output stationary too, for outputs that
drain before the next fold.) SCALE-Sim prints the number of the last cycle, counted from 0: one less.

Weight and input stationary have a second schedule, which SCALE-Sim does not know: the stream is cut into pieces whose
partial sums fit into half of the output buffer, and the row folds come in turn for each piece. It takes longer to
compute, and spares the partial sums their way out and back.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgewise.design.systolic.template import Configurations, Integers
from edgewise.design.systolic.work import Work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """Every array is [configurations, layers], of one group.

    Attributes:
        row_side, column_side: extent along the array's rows and columns, before folding.
        stream: T, steps of a fold.
        row_folds, column_folds: columns outside, rows inside: all row folds of one column fold come in turn.
        pieces: that the stream is cut into, between column folds and row folds.
        pass_cycles: of the row folds of one column fold.
    """

    row_side: Integers
    column_side: Integers
    stream: Integers
    row_folds: Integers
    column_folds: Integers
    pieces: Integers
    pass_cycles: Integers

    @classmethod
    def of(cls, work: Work, built: Configurations, *, cut: bool = False) -> Self:
        """How `work` folds on every configuration, the stream cut where that helps the partial sums or not at all."""
        outputs, inputs = built.output_stationary, built.input_stationary
        row_side = np.where(outputs, work.pixels, work.window)
        column_side = np.where(inputs, work.pixels, work.filters)
        stream = np.where(outputs, work.window, np.where(inputs, work.filters, work.pixels))
        row_folds = -(-row_side // built.rows)
        steps = np.maximum(built.ofmap_accumulators // np.minimum(built.columns, column_side), 1)
        pieces = np.where(outputs | (row_folds == 1) | (not cut), 1, -(-stream // steps))
        around = np.where(outputs, 1, 2) * built.rows + built.columns - 2
        return cls(
            row_side=row_side,
            column_side=column_side,
            stream=stream,
            row_folds=row_folds,
            column_folds=-(-column_side // built.columns),
            pieces=pieces,
            pass_cycles=row_folds * (pieces * around + stream),
        )

    @property
    def cycles(self) -> Integers:
        """Of one group, nothing waiting for memory."""
        return self.pass_cycles * self.column_folds
