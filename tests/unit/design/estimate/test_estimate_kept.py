"""The kept fits are those of the built-in rows as they are."""

import numpy as np
import pytest

from edgewise.design.estimate import kept
from edgewise.design.estimate.hierarchy import ENERGY, fit, shape_of
from edgewise.design.estimate.observations import energies, latencies, published
from edgewise.design.estimate.terms import MachineKind

HINT = "run python bench/fits.py"


@pytest.mark.parametrize("kind", MachineKind)
def test_every_kind_that_has_rows_has_its_kept_fits(kind):
    rows = published()
    for points, shape in ((latencies(rows, kind), shape_of(kind)), (energies(rows, kind), ENERGY)):
        assert not points or kept.recall(points, shape) is not None, HINT


def test_nothing_is_kept_that_no_kind_has():
    rows = published()
    fitted = [(latencies(rows, kind), shape_of(kind)) for kind in MachineKind]
    fitted += [(energies(rows, kind), ENERGY) for kind in MachineKind]
    assert set(kept._file()) == {kept.key(points, shape) for points, shape in fitted if points}, HINT


def test_a_kept_fit_is_what_fitting_gives():
    points = energies(published(), MachineKind.NPU)
    found = kept.recall(points, ENERGY)
    assert found is not None, HINT
    fresh = fit(points, ENERGY)
    assert found[0].spread == fresh.spread
    np.testing.assert_allclose(found[0].ratios, fresh.ratios, atol=1e-3)
    for key, prices in fresh.series.items():
        np.testing.assert_allclose(found[0].series[key], prices, atol=1e-3)


def test_a_changed_row_is_another_fit():
    points = energies(published(), MachineKind.NPU)
    assert kept.key(points, ENERGY) != kept.key(points[1:], ENERGY)
