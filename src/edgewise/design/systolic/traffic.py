"""What moves between the array, its buffers and the memory outside. Pure.

Exact for this schedule: column folds outside, row folds inside (as SCALE-Sim orders them), groups one after the
other, half of each buffer to work from. An operand that is needed again and still fits stays, otherwise it is fetched
again:

- inputs: all of one group fit, then they are fetched once. Else, where output pixels follow each other (output and
  input stationary), the rows under one fold's windows fit, then every input is fetched once a pass. Else each window
  is fetched for itself.
- weights: output stationary keeps the filters of a column fold, input stationary all of them, where they fit;
  weight stationary needs each once.
- partial sums (weight and input stationary, more than one row fold): those of a column fold, or of a piece of its
  stream, stay in the output buffer where they fit, else they go out and come back. Each piece of a cut stream needs
  what stays in the array again: from the buffer where that of a column fold fits, else from outside.

Words are of the template's width, partial sums of its accumulator's.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgewise.design.systolic.folds import Folds
from edgewise.design.systolic.template import Configurations, Integers, Truths
from edgewise.design.systolic.work import Work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """Every array is [configurations, layers], of one group, in words (partial sums in sums).

    Attributes:
        ifmap_sram_reads, filter_sram_reads: by the array.
        sums_sram: partial sums written by the array and read back by it: as often each.
        outputs: final outputs, written by the array and sent out.
        ifmap_dram_reads, filter_dram_reads: fetched from outside, and written into the buffer.
        sums_dram: partial sums that are sent out and fetched back: as often each.
        first_pass, later_pass: the operand that each column fold needs whole: fetched in the first, and in another.
        fill: operands of the first fold, before the array can start. drain: outputs of the last, after it ended.
    """

    ifmap_sram_reads: Integers
    filter_sram_reads: Integers
    sums_sram: Integers
    outputs: Integers
    ifmap_dram_reads: Integers
    filter_dram_reads: Integers
    sums_dram: Integers
    first_pass: Integers
    later_pass: Integers
    fill: Integers
    drain: Integers

    @classmethod
    def of(cls, work: Work, built: Configurations, folds: Folds) -> Self:
        """What moves for `work` on every configuration."""
        os, inputs_stay = built.output_stationary, built.input_stationary
        expanded, weights = work.pixels * work.window, work.window * work.filters
        inputs_kept = work.inputs <= built.ifmap_words
        ifmap_kept = inputs_kept | _rows_fit(work, built)
        ifmap_pass = np.where(ifmap_kept, work.inputs, expanded)
        weights_kept = weights <= built.filter_words
        panel_kept = work.window * np.minimum(built.columns, work.filters) <= built.filter_words
        first = np.where(inputs_stay, weights, ifmap_pass)
        later = np.where(np.where(inputs_stay, weights_kept, inputs_kept), 0, first)
        moving = first + (folds.column_folds - 1) * later
        sums = work.pixels * work.filters * np.where(os, 0, folds.row_folds - 1)
        panel = -(-folds.stream // folds.pieces) * np.minimum(built.columns, folds.column_side)
        return cls(
            ifmap_sram_reads=expanded * np.where(inputs_stay, folds.pieces, folds.column_folds),
            filter_sram_reads=weights
            * np.where(os, folds.row_folds, np.where(inputs_stay, folds.column_folds, folds.pieces)),
            sums_sram=sums,
            outputs=np.broadcast_to(work.pixels * work.filters, sums.shape),
            ifmap_dram_reads=np.where(inputs_stay, ifmap_pass * np.where(ifmap_kept, 1, folds.pieces), moving),
            filter_dram_reads=np.where(
                inputs_stay, moving, weights * np.where(panel_kept, 1, np.where(os, folds.row_folds, folds.pieces))
            ),
            sums_dram=np.where(panel <= built.ofmap_accumulators, 0, sums),
            first_pass=first,
            later_pass=later,
            fill=_fill(built, folds),
            drain=np.minimum(built.columns, folds.column_side)
            * np.where(os, np.minimum(built.rows, folds.row_side), 1),
        )

    def dram_bits(self, built: Configurations) -> Integers:
        """Of one group, in and out, [configurations, layers]."""
        words = self.ifmap_dram_reads + self.filter_dram_reads + self.outputs
        return words * built.word_bits + 2 * self.sums_dram * built.accumulator_bits


def _rows_fit(work: Work, built: Configurations) -> Truths:
    """Whether half the input buffer holds the input rows under the windows of one fold's consecutive pixels."""
    together = np.where(built.output_stationary, built.rows, built.columns)
    output_rows = np.minimum(-(-(together - 1) // work.output_width) + 1, work.pixels // work.output_width)
    apart = output_rows * work.kernel
    overlapping = (output_rows - 1) * work.stride + work.kernel
    rows = np.minimum(np.where(work.stride > work.kernel, apart, overlapping), work.input_rows)
    ordered = built.output_stationary | built.input_stationary
    return np.asarray(ordered & (rows * work.row_inputs <= built.ifmap_words))


def _fill(built: Configurations, folds: Folds) -> Integers:
    """Operands of the first fold: what stays put, or as much of two streams as one step of the array takes."""
    rows, columns = np.minimum(built.rows, folds.row_side), np.minimum(built.columns, folds.column_side)
    return np.where(built.output_stationary, rows + columns, rows * columns)
