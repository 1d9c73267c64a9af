"""Figures for machines that are not here, with honest intervals.

What a model asks of a machine (`terms`) is priced by a roofline that is fitted on published rows, where machines of
one kind borrow from each other (`hierarchy`, `support`). How far a figure may be off is learnt on networks that are
held out (`held_out`, `intervals`). What an accelerator cannot run goes to the host's CPU, by the vendors' published
tables (`coverage`). Decisions are pure; rows come in through `observations`.
"""

from edgewise.design.estimate.coverage import Coverage, Part, Unsupported, check
from edgewise.design.estimate.estimate import estimate, split
from edgewise.design.estimate.estimated import Estimated, LayerEstimate
from edgewise.design.estimate.observations import Observation, measured, published

__all__ = [
    "Coverage",
    "Estimated",
    "LayerEstimate",
    "Observation",
    "Part",
    "Unsupported",
    "check",
    "estimate",
    "measured",
    "published",
    "split",
]
