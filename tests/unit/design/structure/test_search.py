"""What is trained and what is planned: pure decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.structure import search
from edgewise.design.structure.search import Candidate, Standing, Trained, spread, standing, survivors
from edgewise.nouns import Quantity
from fakes.designs import budget, figure


def candidate(name: str, *, macs: int | None = 1000, parameters: int = 100, ms: float | None = 1.0) -> Candidate:
    latency = None if ms is None else figure(Quantity.LATENCY_P50, (0.95 * ms, ms, 1.05 * ms))
    return Candidate(name=name, structure={}, macs=macs, parameters=parameters, latency=latency)


def trained(name: str, drop: float, *, significant: bool = False, **more: object) -> Trained:
    return Trained(candidate=candidate(name, **more), metric=0.9 - drop, drop=drop, significant=significant)


def test_only_what_no_recipe_can_save_is_ruled_out():
    limits = budget({Quantity.LATENCY_P99: 2.0})
    assert standing(candidate("a", ms=1.0), limits, 1)[0] is Standing.FITS
    assert standing(candidate("b", ms=15.0), limits, 1)[0] is Standing.MAY_FIT
    found, why = standing(candidate("c", ms=20.0), limits, 1)
    assert found is Standing.MISSES
    assert "more than 8 times the 2.00 ms of latency_p99" in why
    assert standing(candidate("c", ms=20.0), limits, 2)[0] is Standing.MAY_FIT


def test_a_byte_a_parameter_must_fit_flash_and_memory():
    for quantity in (Quantity.FLASH, Quantity.MEMORY):
        limits = budget({quantity: 1000.0})
        assert standing(candidate("a", parameters=1000), limits, 1)[0] is Standing.FITS
        found, why = standing(candidate("b", parameters=1001), limits, 1)
        assert found is Standing.MISSES
        assert "1,001 parameters" in why


def test_what_could_not_be_timed_is_not_ruled_out_by_time():
    assert standing(candidate("a", ms=None), budget({Quantity.LATENCY_P50: 0.001}), 1) == (Standing.FITS, "")


def test_the_first_to_train_spread_over_the_costs_and_what_fits_goes_first():
    fits = [(candidate(f"f{macs}", macs=macs), Standing.FITS) for macs in (100, 200, 300, 400, 500)]
    may = [(candidate("m900", macs=900), Standing.MAY_FIT)]
    assert spread([*may, *fits], 3) == ["f500", "f300", "f100"]
    assert spread([*may, *fits], 1) == ["f500"]
    assert spread([*may, *fits], 6) == ["f500", "f400", "f300", "f200", "f100", "m900"]
    assert spread(may, 4) == ["m900"]


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(Standing)), max_size=30), st.integers(0, 12))
def test_spread_names_each_once_never_a_miss_and_as_many_as_it_can(made, count):
    candidates = [(candidate(f"c{i}", macs=macs), found) for i, (macs, found) in enumerate(made)]
    names = spread(candidates, count)
    alive = {c.name for c, found in candidates if found is not Standing.MISSES}
    assert len(names) == len(set(names)) == min(count, len(alive))
    assert set(names) <= alive


def test_survivors_keep_the_drop_and_the_fastest_comes_first():
    best = trained("best", 0.0, macs=900, ms=9.0)
    near = trained("near", 0.01, macs=500, ms=5.0)
    worse_and_slower = trained("slow", 0.012, macs=600, ms=6.0)
    far = trained("far", 0.2, macs=100, ms=1.0)
    assert survivors([best, near, worse_and_slower, far], "best", 0.02) == ["near", "best"]
    assert survivors([best, near, worse_and_slower, far], "best", 0.0) == ["best"]


def test_without_a_limit_the_paired_test_decides():
    best, chance, real = trained("best", 0.0, ms=9.0), trained("a", 0.01, ms=5.0), trained("b", 0.02, ms=1.0)
    real = Trained(candidate=real.candidate, metric=real.metric, drop=real.drop, significant=True)
    assert survivors([best, chance, real], "best", None) == ["a", "best"]


def test_the_best_is_never_left_out_of_the_first():
    many = [trained(f"t{i}", 0.01 + i / 1000, macs=900 - i, ms=1.0 + i) for i in range(6)]
    best = trained("best", 0.0, macs=1000, ms=50.0)
    names = survivors([*many, best], "best", 0.02)
    assert names.index("best") == search.MOST_PLANNED - 1
    assert len(names) == len(set(names)) == 7


@pytest.mark.parametrize(("higher", "name"), [(True, "a"), (False, "b")])
def test_best_by_the_metric_s_direction(higher, name):
    found = [trained("a", 0.0), trained("b", 0.1)]
    assert search.best_of(found, higher_is_better=higher).candidate.name == name


@given(st.integers(1, 10_000))
def test_a_batch_depends_on_nothing_but_the_trials(trials):
    assert 4 <= search.batch(trials) <= max(4, trials)
