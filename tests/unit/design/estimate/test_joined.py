"""A few more rows beside a kept fit: near what a full fit would say, at once."""

import time
from dataclasses import replace

import pytest

from edgewise.design.estimate import fitted as fitting
from edgewise.design.estimate import measured, published
from edgewise.design.estimate.hierarchy import fit, shape_of
from edgewise.design.estimate.joined import joined
from edgewise.design.estimate.observations import latencies
from edgewise.design.estimate.terms import MachineKind
from edgewise.nouns import Quantity

KIND = MachineKind.EDGE_TPU


def test_a_series_that_is_joined_is_priced_as_a_whole_fit_would() -> None:
    points = latencies(published(), KIND)
    keys = sorted({point.series for point in points})
    left_out = keys[-1]
    rest = [point for point in points if point.series != left_out]
    own = [point for point in points if point.series == left_out]
    whole, quick = fit(points, shape_of(KIND)), joined(fit(rest, shape_of(KIND)), own, rest)
    for point in own:
        assert quick.predict(left_out, point.amounts) == pytest.approx(whole.predict(left_out, point.amounts), rel=0.25)
    for key in keys[:-1]:
        assert (quick.series[key] == fit(rest, shape_of(KIND)).series[key]).all()


def test_what_was_measured_there_is_joined_to_the_kept_fit_in_no_time() -> None:
    rows = published()
    like = next(each for each in rows if each.row.machine == "raspberry-pi-4")
    row = replace(like.row, machine="raspberry-pi-5", latency_ms=3.0, source="measured", threads=1)
    fitting._fitted.cache_clear()
    started = time.process_time()
    found = fitting.fitted((*rows, measured(row, like.layers)), MachineKind.CPU, Quantity.LATENCY_P50)
    assert time.process_time() - started < 5
    assert found is not None
    point = found.points[-1]
    assert point.series[0] == "raspberry-pi-5"
    assert found.prices.predict(point.series, point.amounts) == pytest.approx(3.0, rel=0.05)
