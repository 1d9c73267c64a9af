"""How long a request may wait for others: what the site's latency budget leaves."""

import pytest

from edgewise.flow.served import delay_bound_ms
from edgewise.nouns import Quantity
from fakes.designs import budget, timed

P50, P99 = Quantity.LATENCY_P50, Quantity.LATENCY_P99


@pytest.mark.parametrize(
    ("limits", "bound"),
    [
        ({}, 0.0),
        ({Quantity.MEMORY: 1.0}, 0.0),
        ({P99: 10.0}, 3.5),  # half of what is left above the high end of the interval
        ({P50: 2.1, P99: 10.0}, 0.5),  # the tightest counts
        ({P99: 2.0}, 0.0),
    ],
)
def test_it_is_half_of_what_the_tightest_limit_leaves(limits: dict[Quantity, float], bound: float) -> None:
    design = timed("fast", {P50: (0.9, 1.0, 1.1), P99: (1.0, 2.0, 3.0)})
    assert delay_bound_ms(budget(limits), design) == pytest.approx(bound)
