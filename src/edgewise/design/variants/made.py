"""What goes into a transformation and what comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.design.metrics import Judge

Array = npt.NDArray[Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a transformation may learn from: the calibration split, never the evaluation split.

    Attributes:
        samples: one list of arrays for each inference, in the model's input order.
        y: labels of the calibration split, [n, …]; None where there are none.
        metric: name of the metric.
        project: folder of the edge.yaml, where a metric's own module may lie.
        scratch: a folder that lasts as long as the child, for what several recipes share.
    """

    samples: Sequence[Sequence[Array]]
    y: Array | None
    metric: str
    project: Path
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Files that a transformation wrote, the model file first, and what it wants known."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def rows(material: Material, *, batched: bool) -> int | None:
    """Samples in one inference where inputs have a batch axis, else None."""
    return len(material.samples[0][0]) if batched else None


def reference_labels(reference: Sequence[Array], judge: Judge) -> Array:
    """What stands in for labels where there are none: the reference's own answers."""
    first = reference[0].reshape(len(reference[0]), -1)
    if judge.metric.name in ("accuracy", "f1"):
        labels: Array = first.argmax(axis=1) if first.shape[1] > 1 else (first[:, 0] > 0.5).astype(np.int64)
        return labels
    return first
