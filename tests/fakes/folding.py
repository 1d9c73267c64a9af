"""A systolic array that is walked fold by fold and element by element: slow, and plain to read.

It shares nothing with the formulas that it checks but the rules of the schedule: column folds outside, row folds
inside, half of each buffer to work from. For convolutions of one group without padding.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from edgewise.design.systolic.template import Dataflow, Template
from edgewise.nouns import Convolution

Element = tuple[int, int, int]


@dataclass
class Counted:
    """What a walk has counted, in words; partial sums in sums."""

    cycles: int = 0
    ifmap_sram: int = 0
    filter_sram: int = 0
    sums_sram: int = 0
    outputs: int = 0
    ifmap_dram: int = 0
    filter_dram: int = 0
    sums_dram: int = 0


def windows(shape: Convolution) -> list[list[Element]]:
    """For each output pixel, the input elements under its window."""
    return [
        [
            (row * shape.stride_height + y, column * shape.stride_width + x, channel)
            for y in range(shape.kernel_height)
            for x in range(shape.kernel_width)
            for channel in range(shape.input_channels)
        ]
        for row in range(shape.output_height)
        for column in range(shape.output_width)
    ]


def pieces(size: int, side: int) -> Iterator[range]:
    for start in range(0, size, side):
        yield range(start, min(start + side, size))


def walk(shape: Convolution, template: Template, *, cut: bool = False) -> Counted:
    """Walk the folds of one layer, the stream in pieces whose partial sums stay where `cut`."""
    image, filters = windows(shape), range(shape.output_channels)
    window = range(len(image[0]))
    match template.dataflow:
        case Dataflow.OUTPUT_STATIONARY:
            sides, stream = (len(image), len(filters)), len(window)
        case Dataflow.WEIGHT_STATIONARY:
            sides, stream = (len(window), len(filters)), len(image)
        case Dataflow.INPUT_STATIONARY:
            sides, stream = (len(window), len(image)), len(filters)
    counted = Counted()
    kept = _Kept.of(shape, template, image)
    weights_in: set[tuple[int, int]] = set()
    inputs_in: set[Element] = set()
    for columns in pieces(sides[1], template.columns):
        if not kept.all_inputs and template.dataflow is not Dataflow.INPUT_STATIONARY:
            inputs_in = set()
        if template.dataflow is Dataflow.INPUT_STATIONARY and not kept.all_weights:
            weights_in = set()
        row_folds = list(pieces(sides[0], template.rows))
        once = template.dataflow is Dataflow.OUTPUT_STATIONARY or len(row_folds) == 1 or not cut
        steps = stream if once else max(1, kept.room_for_sums // min(template.columns, sides[1]))
        streams = list(pieces(stream, steps))
        for piece, rows in itertools.product(streams, row_folds):
            again = rows == row_folds[0] and piece != streams[0]
            if again and template.dataflow is Dataflow.WEIGHT_STATIONARY and not kept.weights_of_a_fold:
                weights_in = set()
            counted.cycles += _cycles(template, len(piece))
            pixels, taps, channels = _roles(template.dataflow, rows, columns, piece)
            if template.dataflow is Dataflow.OUTPUT_STATIONARY and not kept.weights_of_a_fold:
                weights_in = set()
            needed_inputs = [image[pixel][tap] for pixel in pixels for tap in taps]
            needed_weights = {(tap, channel) for tap in taps for channel in channels}
            counted.ifmap_sram += len(needed_inputs)
            counted.filter_sram += len(needed_weights)
            counted.ifmap_dram += len(set(needed_inputs) - inputs_in) if kept.inputs_of_a_pass else len(needed_inputs)
            counted.filter_dram += len(needed_weights - weights_in)
            inputs_in |= set(needed_inputs)
            weights_in |= needed_weights
        finished = len(columns) * (sides[0] if template.dataflow is Dataflow.OUTPUT_STATIONARY else stream)
        counted.outputs += finished
        if template.dataflow is not Dataflow.OUTPUT_STATIONARY:
            spare = finished * (len(row_folds) - 1)
            counted.sums_sram += spare
            largest = min(template.columns, sides[1]) * min(steps, stream)
            counted.sums_dram += 0 if largest <= kept.room_for_sums else spare
    return counted


@dataclass
class _Kept:
    """What half of each buffer has room for."""

    template: Template
    all_inputs: bool
    inputs_of_a_pass: bool
    all_weights: bool
    weights_of_a_fold: bool

    @classmethod
    def of(cls, shape: Convolution, template: Template, image: list[list[Element]]) -> "_Kept":
        touched = {element for window in image for element in window}
        ifmap_words = template.ifmap_sram_bytes * 8 // 2 // template.word_bits
        filter_words = template.filter_sram_bytes * 8 // 2 // template.word_bits
        together = {
            Dataflow.OUTPUT_STATIONARY: template.rows,
            Dataflow.INPUT_STATIONARY: template.columns,
            Dataflow.WEIGHT_STATIONARY: len(image),
        }[template.dataflow]
        whole_row = len({(x, channel) for _, x, channel in touched})
        most = max(
            len({y for window in image[start : start + together] for y, _, _ in window}) for start in range(len(image))
        )
        all_inputs = len(touched) <= ifmap_words
        in_order = template.dataflow is not Dataflow.WEIGHT_STATIONARY
        depth = len(image[0])
        return cls(
            template=template,
            all_inputs=all_inputs,
            inputs_of_a_pass=all_inputs or (in_order and most * whole_row <= ifmap_words),
            all_weights=depth * shape.output_channels <= filter_words,
            weights_of_a_fold=depth * min(template.columns, shape.output_channels) <= filter_words,
        )

    @property
    def room_for_sums(self) -> int:
        return self.template.ofmap_sram_bytes * 8 // 2 // self.template.accumulator_bits


def _cycles(template: Template, stream: int) -> int:
    """The last product is made when the last operand has gone through all rows and columns."""
    loading = 0 if template.dataflow is Dataflow.OUTPUT_STATIONARY else template.rows
    return loading + stream + (template.rows - 1) + (template.columns - 1)


def _roles(dataflow: Dataflow, rows: range, columns: range, stream: range) -> tuple[range, range, range]:
    """Which pixels, products of a window and filters meet in a fold."""
    match dataflow:
        case Dataflow.OUTPUT_STATIONARY:
            return rows, stream, columns
        case Dataflow.WEIGHT_STATIONARY:
            return stream, rows, columns
        case Dataflow.INPUT_STATIONARY:
            return columns, rows, stream
