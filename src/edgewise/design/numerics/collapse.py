"""Whether a recipe loses accuracy by saturating, from paired answers, in one sentence. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from edgewise.design.statistics import ALPHA, Estimate, paired_shares

Hits = npt.NDArray[np.bool_]

WHERE = "x86 CPUs with AVX2 and without VNNI, such as Intel Skylake or AMD Zen 3"
"""Where ONNX Runtime multiplies by `vpmaddubsw`; older x86 CPUs and Arm CPUs add products in 32 bits."""
TOLERANCE = 0.01


class Finding(StrEnum):
    """What paired answers say about a recipe."""

    COLLAPSES = "collapses"
    HOLDS = "holds"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """What saturation costs: `drop` is a share of the samples with its interval and McNemar's p-value."""

    finding: Finding
    drop: Estimate
    sentence: str


def collapses(recipe: str, exact: Hits, saturated: Hits, *, tolerance: float = TOLERANCE) -> Collapse:
    """Compare `recipe` where int8 is exact with where it saturates, on the same samples.

    It collapses where the whole interval of the drop lies above `tolerance` and the paired test agrees, holds where
    the whole interval lies below it, and is undecided between.

    Args:
        recipe: its name, as shown to people.
        exact, saturated: bool [n], n > 0: was the answer right with and without VNNI?
        tolerance: drop that is still accepted, as a share.
    """
    drop = paired_shares(exact, saturated)
    if drop.low > tolerance and drop.p is not None and drop.p < ALPHA:
        finding = Finding.COLLAPSES
    else:
        finding = Finding.HOLDS if drop.high <= tolerance else Finding.UNDECIDED
    sentence = _sentence(recipe, finding, drop, float(np.mean(exact)), float(np.mean(saturated)), tolerance)
    return Collapse(finding=finding, drop=drop, sentence=sentence)


def _sentence(recipe: str, finding: Finding, drop: Estimate, exact: float, saturated: float, tolerance: float) -> str:
    interval = f"{100 * drop.low:.1f} to {100 * drop.high:.1f}"
    if finding is Finding.COLLAPSES:
        return (
            f"{recipe} collapses on {WHERE}: accuracy falls from {exact:.1%} to {saturated:.1%}, "
            f"by {interval} points (n = {drop.n})"
        )
    if finding is Finding.HOLDS:
        return (
            f"{recipe} holds on {WHERE}: accuracy falls by at most {tolerance:.1%} there, "
            f"the interval is {interval} points (n = {drop.n})"
        )
    return (
        f"{recipe} may lose accuracy on {WHERE}: {drop.n} samples leave {interval} points open, "
        f"and {tolerance:.1%} would be accepted"
    )
