"""What a machine must reproduce before a model may serve there: which rows, and how nearly. Pure.

How nearly follows from the arithmetic, not from what looks good:

- Floats. A sum of k products that is rounded in another order differs by about sqrt(k) u of its magnitude (Higham and
  Mary 2019, "A new approach to probabilistic rounding error analysis"), u being the unit roundoff, 2**-24 for float32.
  Errors of the layers are independent and add up in squares. Half precision stores every layer's result with its own u
  and sums in float32. What comes after a layer may amplify its error, nobody knows how much: `SAFETY` times.
- int8. Kernels round halves differently, and so an activation here and there lies one step aside; of L layers, about
  sqrt(L) steps at the output where they are independent. The output's step is what lies between its neighbouring values
  where these stand in a grid of 256 at most, else a 255th of its range.

One pair of tolerances holds for all outputs, so with outputs of unlike magnitude it is as wide as the widest needs.
Integer outputs have no tolerance of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from edgewise.nouns import Layer, Recipe, RuntimeConfiguration
from edgewise.runtimes.samples import Array

ROWS = 16
SAFETY = 8.0
FLOAT32 = 2.0**-24
ROUNDOFF = {"fp16": 2.0**-11, "f16": 2.0**-11, "bf16": 2.0**-8, "fp32": FLOAT32, "f32": FLOAT32}
"""Unit roundoff by the words of recipes and of OpenVINO."""
LEVELS = 256
UNEVEN = 0.01
"""Of a step: what float32 makes of equal gaps."""
MANY = 1 << 20
UNKNOWN_TERMS = 4096
"""Products in a sum whose shape the model's file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """An output y is reproduced where |y - expected| <= absolute + relative * |expected|."""

    absolute: float
    relative: float


def rows(samples: int, batch: int) -> Array:
    """Indices of the rows that travel: whole inferences, about `ROWS` rows, spread over all samples.

    Args:
        batch: rows that one inference takes.
    """
    inferences = samples // batch
    wanted = max(1, min(inferences, ROWS // batch))
    starts = np.unique(np.linspace(0, inferences - 1, wanted).astype(int)) * batch
    return np.concatenate([np.arange(start, start + batch) for start in starts])


def tolerance(
    layers: Sequence[Layer], recipe: Recipe, configuration: RuntimeConfiguration, outputs: Sequence[Array]
) -> Tolerance:
    """How nearly another machine must come to `outputs`.

    Args:
        layers: of the model as given.
        outputs: of the design over the whole evaluation split, [n, …] each: their range is that of the model.
    """
    precision = configuration.options.get("precision", "") or recipe.precision
    relative = rounding(layers, ROUNDOFF.get(precision, FLOAT32))
    steps = 1.0 + sqrt(len(_sums(layers))) if recipe.precision not in ROUNDOFF else 0.0
    absolute = relative
    for output in outputs:
        if output.dtype.kind == "f" and output.size:
            largest = float(np.max(np.abs(output)))
            absolute = max(absolute, relative * largest + steps * step(output))
    return Tolerance(absolute=absolute, relative=relative)


def rounding(layers: Sequence[Layer], unit_roundoff: float) -> float:
    """Relative error that another order of summing may make at the output."""
    stored = unit_roundoff if unit_roundoff > FLOAT32 else 0.0
    squares = sum(stored**2 + terms * FLOAT32**2 for terms in _sums(layers) or [UNKNOWN_TERMS])
    return SAFETY * sqrt(squares)


def step(output: Array) -> float:
    """Between neighbouring values of a quantised output; 0 of a constant one."""
    values = np.unique(output[: 1 + MANY // max(1, output[0].size)]).astype(np.float64)
    extent = float(values[-1] - values[0])
    if len(values) > 1 and len(values) <= LEVELS:
        gaps = np.diff(values)
        counted = gaps / gaps.min()
        if extent / gaps.min() < LEVELS and np.all(np.abs(counted - np.rint(counted)) < UNEVEN):
            return float(gaps.min())
    return extent / (LEVELS - 1)


def _sums(layers: Sequence[Layer]) -> list[int]:
    """Products in each sum of every layer that multiplies and accumulates."""
    found = []
    for layer in layers:
        if layer.macs == 0:
            continue
        if layer.macs is None:
            found.append(UNKNOWN_TERMS)
        elif layer.convolution is not None:
            one = layer.convolution
            found.append(max(1, one.kernel_height * one.kernel_width * one.input_channels // one.groups))
        else:
            elements = prod(size for size in layer.output_shape if isinstance(size, int)) or 1
            found.append(max(1, layer.macs // elements))
    return found
