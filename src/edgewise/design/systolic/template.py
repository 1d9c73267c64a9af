"""What a systolic-array accelerator can be built as, one by one and as arrays. Pure.

The template: a grid of processing elements (PEs), each of which multiplies and accumulates once a cycle; an SRAM each
for inputs (ifmap), weights (filter) and outputs (ofmap); one interface to a memory outside. It is SCALE-Sim's
(Samajdar et al., arXiv 1811.02883), except that the three SRAMs share the interface.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgewise import units
from edgewise.errors import BadConfiguration

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

KIB = 1024
MAX_SIDE = 4096
MIN_WORD_BITS, MAX_WORD_BITS = 2, 32
MAX_SRAM_BYTES = 1 << 32


class Dataflow(StrEnum):
    """What stays in the PEs while the rest streams past."""

    OUTPUT_STATIONARY = "os"
    WEIGHT_STATIONARY = "ws"
    INPUT_STATIONARY = "is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One accelerator.

    Attributes:
        rows, columns: of PEs.
        ifmap_sram_bytes, filter_sram_bytes, ofmap_sram_bytes: whole buffers; half of each is filled or emptied while
            the array works on the other half.
        bandwidth_byte_per_s: to and from the memory outside, shared by all that moves.
        word_bits: of inputs, weights and outputs, packed in every memory; arithmetic is integer.

    Raises:
        BadConfiguration: it cannot be built.
    """

    rows: int
    columns: int
    dataflow: Dataflow
    ifmap_sram_bytes: int
    filter_sram_bytes: int
    ofmap_sram_bytes: int
    bandwidth_byte_per_s: float
    clock_hz: float
    word_bits: int

    def __post_init__(self) -> None:
        _within("rows", self.rows, 1, MAX_SIDE)
        _within("columns", self.columns, 1, MAX_SIDE)
        _within("word_bits", self.word_bits, MIN_WORD_BITS, MAX_WORD_BITS)
        for name in ("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes"):
            _within(name, getattr(self, name), 1, MAX_SRAM_BYTES)
        for name in ("bandwidth_byte_per_s", "clock_hz"):
            _within(name, getattr(self, name), 1.0, 1e15)

    @property
    def pes(self) -> int:
        """Processing elements."""
        return self.rows * self.columns

    @property
    def sram_bytes(self) -> int:
        """All three buffers."""
        return self.ifmap_sram_bytes + self.filter_sram_bytes + self.ofmap_sram_bytes

    @property
    def accumulator_bits(self) -> int:
        """Width of a partial sum: a product, and 16 bits more, so that 65,536 of them cannot overflow it."""
        return accumulator_bits(self.word_bits)

    @property
    def name(self) -> str:
        """Everything that it is, in one word: "ws-16x16-int8-64/64/32KiB-1GB/s-500MHz"."""
        sizes = (self.ifmap_sram_bytes, self.filter_sram_bytes, self.ofmap_sram_bytes)
        split = "/".join(f"{size / KIB:g}" for size in sizes)
        bandwidth = f"{self.bandwidth_byte_per_s / 1e9:g}GB/s"
        array = f"{self.dataflow}-{self.rows}x{self.columns}-int{self.word_bits}"
        return f"{array}-{split}KiB-{bandwidth}-{self.clock_hz / 1e6:g}MHz"


def accumulator_bits(word_bits: int) -> int:
    """Width of a partial sum of products of `word_bits`; 32 for int8, as in most accelerators."""
    return 2 * word_bits + 16


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadConfiguration(f"{name} is {units.quoted(value)}", hint=f"it has to be from {least:g} to {most:g}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Configurations:
    """Templates as arrays of shape [configurations, 1], beside which layers are [1, layers].

    Attributes:
        ifmap_words, filter_words: what half a buffer holds.
        ofmap_accumulators: partial sums that half the output buffer holds.
        bits_per_cycle: to and from the memory outside.
    """

    rows: Integers
    columns: Integers
    output_stationary: Truths
    input_stationary: Truths
    ifmap_words: Integers
    filter_words: Integers
    ofmap_accumulators: Integers
    word_bits: Integers
    accumulator_bits: Integers
    bits_per_cycle: Floats

    @classmethod
    def of(cls, templates: Sequence[Template]) -> Self:
        """The arrays of `templates`, in their order."""
        word_bits = _column([template.word_bits for template in templates])
        sums = _column([template.accumulator_bits for template in templates])
        ifmap, filters, ofmap = (
            _column([getattr(template, f"{buffer}_sram_bytes") for template in templates]) * 8 // 2
            for buffer in ("ifmap", "filter", "ofmap")
        )
        return cls(
            rows=_column([template.rows for template in templates]),
            columns=_column([template.columns for template in templates]),
            output_stationary=_is(templates, Dataflow.OUTPUT_STATIONARY),
            input_stationary=_is(templates, Dataflow.INPUT_STATIONARY),
            ifmap_words=ifmap // word_bits,
            filter_words=filters // word_bits,
            ofmap_accumulators=ofmap // sums,
            word_bits=word_bits,
            accumulator_bits=sums,
            bits_per_cycle=np.array(
                [8 * template.bandwidth_byte_per_s / template.clock_hz for template in templates], np.float64
            )[:, None],
        )


def _column(values: Sequence[int]) -> Integers:
    return np.array(values, np.int64).reshape(-1, 1)


def _is(templates: Sequence[Template], dataflow: Dataflow) -> Truths:
    return np.array([template.dataflow is dataflow for template in templates], np.bool_).reshape(-1, 1)
