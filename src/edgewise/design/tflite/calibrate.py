"""Ranges of every value over calibration samples, by ONNX Runtime with all values between exposed."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from edgewise.design.tflite.graph import Array, Graph, values
from edgewise.errors import RecipeNotApplicable

PERCENTILE = 99.99
"""Per cent of a value's numbers that lie below the range's upper end, and likewise above its lower one."""

_BINS = 2048

Range = tuple[float, float]


def ranges(
    model: onnx.ModelProto, graph: Graph, samples: Sequence[Sequence[Array]], *, method: str
) -> dict[str, Range]:
    """Lowest and highest number of each ONNX value that `graph` computes.

    Args:
        model: the prepared model that `graph` was made of.
        samples: one list of arrays for each inference, in the model's input order; rows of a longer batch than the
            model's are run one after the other.
        method: "minmax", or "percentile" (`PERCENTILE`), which cuts off what is rare.

    Raises:
        RecipeNotApplicable: there are no samples, or a value is not finite on them.
    """
    wanted = dict.fromkeys(value.origin for value in values(graph) if value.data is None and value.origin)
    session = _Session(model, [name for name in wanted if name not in graph.inputs])
    feeds = [feed for sample in samples for feed in _rows(graph, sample)]
    found: dict[str, Range] = {}
    for seen in map(session.run, feeds):
        for name in wanted:
            low, high = found.get(name, (np.inf, -np.inf))
            found[name] = (min(low, float(seen[name].min())), max(high, float(seen[name].max())))
    if not feeds:
        raise RecipeNotApplicable("int8 needs samples to find ranges by, and there are none")
    for name, (low, high) in found.items():
        if not np.isfinite(high - low):
            raise RecipeNotApplicable(f"value {name!r} has no finite range on the calibration samples")
    if method == "percentile":
        return _percentiles(found, map(session.run, feeds))
    return found


class _Session:
    """Runs the model, with the named values between for further outputs."""

    def __init__(self, model: onnx.ModelProto, names: Sequence[str]) -> None:
        exposed = onnx.ModelProto()
        exposed.CopyFrom(model)
        del exposed.graph.output[:]
        exposed.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._names = list(names)
        self._session = onnxruntime.InferenceSession(
            exposed.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Inputs and all exposed values by name."""
        if not self._names:
            return dict(feed)
        return dict(feed) | dict(zip(self._names, self._session.run(self._names, dict(feed)), strict=True))


def _rows(graph: Graph, sample: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Feeds of the model's own batch."""
    arrays = dict(zip(graph.inputs, sample, strict=True))
    first = next(iter(graph.inputs))
    batch = graph.inputs[first].shape[0] if graph.inputs[first].shape else 1
    count = len(arrays[first]) // batch if first in graph.dynamic else 1
    for row in range(count):
        yield {
            name: np.asarray(array[row * batch : (row + 1) * batch] if name in graph.dynamic else array, np.float32)
            for name, array in arrays.items()
        }


def _percentiles(bounds: Mapping[str, Range], runs: Iterator[Mapping[str, Array]]) -> dict[str, Range]:
    """`bounds` drawn in to percentiles, read from histograms of `_BINS` equal bins."""
    counts = {name: np.zeros(_BINS) for name in bounds}
    for seen in runs:
        for name, (low, high) in bounds.items():
            counts[name] += np.histogram(seen[name], bins=_BINS, range=(low, max(high, low + 1e-12)))[0]
    tail = (100 - PERCENTILE) / 100
    drawn = {}
    for name, (low, high) in bounds.items():
        share = np.cumsum(counts[name]) / counts[name].sum()
        edges = np.linspace(low, high, _BINS + 1)
        first, last = int(np.searchsorted(share, tail, side="right")), int(np.searchsorted(share, 1 - tail))
        drawn[name] = (float(edges[min(first, _BINS)]), float(edges[min(last + 1, _BINS)]))
    return drawn
