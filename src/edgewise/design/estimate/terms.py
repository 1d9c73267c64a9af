"""What one layer asks of a machine, as the terms of a roofline. Pure.

A term is an amount (multiply-accumulates, bytes, a count) that is fixed by the model's structure; what one unit of it
costs is fitted on published rows (`hierarchy.py`). The terms are chosen by physics, not by fit:

- Multiply-accumulates cost by the kind of reuse: a dense convolution reuses each input in a window, a 1 x 1
  convolution or matrix product only over channels, a depthwise one hardly at all.
- On a systolic array (Edge TPU: 64 x 64 cells), channels that do not fill the array leave cells idle: amounts are
  rounded up to whole tiles.
- Weights are read once per inference and activations written and read once. Where a chip keeps weights on itself,
  only what exceeds its memory is streamed, over the bus, every time.
- Each operator costs a dispatch, each inference a call.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.nouns import AcceleratorKind, Layer

Floats = npt.NDArray[np.floating[Any]]


class Term(IntEnum):
    """Column of a term; the amounts are MACs, bytes, or counts."""

    DENSE = 0
    POINTWISE = 1
    DEPTHWISE = 2
    WEIGHTS = 3
    ACTIVATIONS = 4
    STREAMED = 5
    FALLBACK_MACS = 6
    FALLBACK_BYTES = 7
    LAYERS = 8
    INFERENCE = 9


COMPUTE = (Term.DENSE, Term.POINTWISE, Term.DEPTHWISE)
MEMORY = (Term.WEIGHTS, Term.ACTIVATIONS)
FALLBACK = (Term.FALLBACK_MACS, Term.FALLBACK_BYTES)
OVERHEAD = (Term.LAYERS, Term.INFERENCE)


class MachineKind(StrEnum):
    """Machines that share a shape of roofline; the value is how tables call them."""

    CPU = "CPU"
    MICROCONTROLLER = "microcontroller"
    EDGE_TPU = "Edge TPU"
    NPU = "NPU"
    GPU = "GPU"

    @property
    def overlaps(self) -> bool:
        """True where memory is fetched by engines of its own while arithmetic goes on: time is the larger of both.

        An in-order or microcontroller core issues loads and multiplications through the same pipeline: they add up.
        """
        return self not in (MachineKind.CPU, MachineKind.MICROCONTROLLER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What of an accelerator's build decides amounts, not prices.

    Attributes:
        tile: edge of its systolic array, in cells; 1 where it has none.
        cache_bytes: on-chip memory that weights and the largest feature maps share; None where weights always come
            from the machine's memory.
    """

    tile: int = 1
    cache_bytes: int | None = None


CHIPS = {MachineKind.EDGE_TPU: Chip(tile=64, cache_bytes=8_000_000)}
"""Edge TPU: 4 TOPS at 480 MHz are 64 x 64 cells; "roughly 8 MB of SRAM" by coral.ai/docs/edgetpu/compiler."""

ITEM_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "int16": 2.0, "int8": 1.0, "float8": 1.0, "int4": 0.5}
_PRECISIONS = {"fp32": "float32", "float": "float32", "fp16": "float16", "bf16": "bfloat16", "mixed": "float16"}

_FREE = frozenset({
    "CAST", "CONSTANT", "DEQUANTIZE", "DEQUANTIZELINEAR", "DROPOUT", "EXPAND_DIMS", "EXPANDDIMS", "FLATTEN",
    "IDENTITY", "QUANTIZE", "QUANTIZELINEAR", "RESHAPE", "SHAPE", "SQUEEZE", "UNSQUEEZE",
    "BATCHNORMALIZATION", "CLIP", "RELU", "RELU6", "LEAKYRELU", "LEAKY_RELU",
})  # fmt: skip
"""Views, and what every compiler folds into the operator before it: no dispatch and no traffic of their own."""


def dtype_of(precision: str) -> str:
    """Name of the number format that `precision` ("fp32", "int8", a dtype) computes in."""
    return _PRECISIONS.get(precision, precision)


def kind_of(kind: AcceleratorKind, architecture: str) -> MachineKind:
    """The kind whose roofline holds for an accelerator on a machine of `architecture`."""
    match kind:
        case AcceleratorKind.CPU:
            small = architecture.startswith(("armv6-m", "armv7-m", "armv7e-m", "armv8-m", "armv8.1-m", "rv32"))
            return MachineKind.MICROCONTROLLER if small else MachineKind.CPU
        case AcceleratorKind.TPU:
            return MachineKind.EDGE_TPU
        case AcceleratorKind.GPU:
            return MachineKind.GPU
        case AcceleratorKind.NPU:
            return MachineKind.NPU


def amounts(
    layers: Sequence[Layer], kind: MachineKind, precision: str, *, batch: int = 1, fallback: Collection[int] = ()
) -> Floats:
    """Amounts of `layers`, float64 [layers + 1, terms]; the last row is what an inference costs as a whole.

    Args:
        layers: of the whole model, in order.
        precision: decides the bytes of an element.
        batch: samples of one call.
        fallback: indices of layers that the host's CPU computes, where `kind` is an accelerator.
    """
    chip = CHIPS.get(kind, Chip())
    size = ITEM_BYTES.get(dtype_of(precision), 4.0)
    found = np.zeros((len(layers) + 1, len(Term)))
    found[-1, Term.INFERENCE] = 1.0
    for index, layer in enumerate(layers):
        if not moves(layer):
            continue
        _add_layer(found[index], layer, chip, size=size, batch=batch, on_host=index in fallback)
    if chip.cache_bytes is not None:
        _stream(found, chip.cache_bytes)
    return found


def moves(layer: Layer) -> bool:
    """True where the operator does something when the model runs."""
    return bool(layer.macs) or layer.operator.upper() not in _FREE


def _add_layer(row: Floats, layer: Layer, chip: Chip, *, size: float, batch: int, on_host: bool) -> None:
    traffic = ((layer.read_elements or 0) + (layer.written_elements or 0)) * size * batch
    if on_host:
        row[Term.FALLBACK_MACS] = (layer.macs or 0) * batch
        row[Term.FALLBACK_BYTES] = traffic + layer.parameters * size
        return
    term, macs = work(layer, chip)
    row[term] = macs * batch
    row[Term.WEIGHTS] = layer.parameters * size
    row[Term.ACTIVATIONS] = traffic
    row[Term.LAYERS] = 1.0


def work(layer: Layer, chip: Chip) -> tuple[Term, float]:
    """Which arithmetic a layer is, and how many MACs of it the chip issues, idle cells of its array included."""
    macs, shape = float(layer.macs or 0), layer.convolution
    if shape is None:
        return Term.POINTWISE, macs
    if shape.groups > 1 and shape.input_channels // shape.groups < 4:
        return Term.DEPTHWISE, macs
    window = shape.kernel_height * shape.kernel_width
    inner, outer = window * shape.input_channels / shape.groups, shape.output_channels / shape.groups
    filled = macs * _rounding(inner, chip.tile) * _rounding(outer, chip.tile)
    return (Term.DENSE if window > 1 else Term.POINTWISE), filled


def _rounding(size: float, tile: int) -> float:
    """How many times `size` a whole number of tiles is."""
    return float(np.ceil(size / tile) * tile / size) if size else 1.0


def _stream(found: Floats, cache_bytes: int) -> None:
    """Turn weights that find no room on the chip into streamed ones; the first layers' stay, as the compiler does.

    The largest layer's feature maps lie in the same memory.
    """
    room = max(0.0, cache_bytes - float(found[:, Term.ACTIVATIONS].max(initial=0.0)))
    for row in found:
        weights = float(row[Term.WEIGHTS])
        kept = min(weights, room)
        room -= kept
        row[Term.STREAMED], row[Term.WEIGHTS] = weights - kept, 0.0
