"""Intervals and tests: against scipy, against published examples, and by what they promise."""

from itertools import starmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgewise.design import statistics
from edgewise.design.statistics import Estimate

Table = tuple[int, int, int, int]

tables = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda table: sum(table) > 0)
"""Right before and after, lost, won, wrong before and after."""


def paired(table: Table) -> Estimate:
    both, lost, won, neither = table
    before = np.repeat([True, True, False, False], [both, lost, won, neither])
    after = np.repeat([True, False, True, False], [both, lost, won, neither])
    return statistics.paired_shares(before, after)


class TestShare:
    @given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_interval_is_clopper_and_pearsons(self, case: tuple[int, int]) -> None:
        successes, n = case
        ours = statistics.share(successes, n)
        theirs = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
        assert ours.value == successes / n
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)

    @pytest.mark.parametrize("truth", [0.02, 0.5, 0.9, 0.985])
    @pytest.mark.parametrize("n", [20, 150, 1000])
    def test_interval_covers_the_truth_in_at_least_95_of_100_cases(self, truth: float, n: int) -> None:
        draws = np.random.default_rng(7).binomial(n, truth, size=4000)
        intervals = {count: statistics.share(int(count), n) for count in np.unique(draws)}
        covered = np.mean([intervals[count].low <= truth <= intervals[count].high for count in draws])
        assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(draws))

    def test_more_samples_narrow_the_interval(self) -> None:
        widths = [statistics.share(9 * n, 10 * n) for n in (1, 10, 100)]
        assert sorted([w.high - w.low for w in widths], reverse=True) == [w.high - w.low for w in widths]


class TestPairedShares:
    @pytest.mark.parametrize(
        ("table", "low", "high"),
        [
            # Altman, Machin, Bryant and Gardner (2000), Statistics with Confidence, chapter 6: thermography
            ((14, 5, 0, 22), 0.011, 0.226),
            # Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33: airway hyper-responsiveness
            ((1, 1, 7, 12), -0.507, -0.026),
        ],
    )
    def test_interval_is_the_published_one(self, table: Table, low: float, high: float) -> None:
        found = paired(table)
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)

    @given(tables)
    def test_p_is_mcnemars_exact_one(self, table: Table) -> None:
        _, lost, won, _ = table
        expected = stats.binomtest(lost, lost + won, 0.5).pvalue if lost + won else 1.0
        assert paired(table).p == pytest.approx(expected)

    @given(tables)
    def test_value_lies_in_the_interval_and_the_interval_in_the_possible(self, table: Table) -> None:
        found = paired(table)
        assert -1 - 1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
        assert found.n == sum(table)

    @given(tables)
    def test_swapping_before_and_after_flips_the_sign(self, table: Table) -> None:
        both, lost, won, neither = table
        there, back = paired(table), paired((both, won, lost, neither))
        assert back.value == pytest.approx(-there.value)
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)
        assert back.p == pytest.approx(there.p)

    @given(st.lists(st.booleans(), min_size=1, max_size=80))
    def test_identical_answers_are_no_drop_with_p_1(self, hits: list[bool]) -> None:
        same = np.array(hits)
        found = statistics.paired_shares(same, same)
        assert found.value == 0.0
        assert found.p == 1.0
        assert found.low <= 0 <= found.high

    def test_order_of_the_samples_does_not_matter(self) -> None:
        random = np.random.default_rng(1)
        before, after = random.random(90) < 0.8, random.random(90) < 0.7
        order = random.permutation(90)
        assert statistics.paired_shares(before, after) == statistics.paired_shares(before[order], after[order])

    def test_pairing_narrows_the_interval(self) -> None:
        agreeing, independent = paired((85, 5, 5, 5)), paired((81, 9, 9, 1))
        assert agreeing.value == independent.value == 0
        assert agreeing.high - agreeing.low < independent.high - independent.low

    @pytest.mark.parametrize("n", [60, 300])
    @pytest.mark.parametrize("cells", [(0.85, 0.05, 0.03, 0.07), (0.6, 0.15, 0.1, 0.15), (0.93, 0.03, 0.03, 0.01)])
    def test_interval_covers_the_truth_about_95_times_in_100(
        self, cells: tuple[float, float, float, float], n: int
    ) -> None:
        truth = cells[1] - cells[2]
        draws = np.random.default_rng(11).multinomial(n, cells, size=1500)
        found = starmap(lambda *table: paired(table), draws.tolist())
        covered = np.mean([estimate.low <= truth <= estimate.high for estimate in found])
        assert 0.93 <= covered <= 1.0


class TestBootstrap:
    def test_twice_gives_the_same(self) -> None:
        values = np.random.default_rng(0).normal(size=60)
        first, second = (statistics.bootstrap(lambda i: float(values[i].mean()), 60) for _ in range(2))
        assert first == second

    def test_interval_of_a_mean_is_about_the_normal_one(self) -> None:
        values = np.random.default_rng(3).normal(loc=2.0, size=400)
        found = statistics.bootstrap(lambda i: float(values[i].mean()), 400)
        assert found.value == pytest.approx(values.mean())
        assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
        assert found.p is not None
        assert found.p < 0.01

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
    @settings(max_examples=30)
    def test_value_lies_in_the_interval(self, numbers: list[float]) -> None:
        values = np.array(numbers)
        found = statistics.bootstrap(lambda i: float(np.median(values[i])), len(values), count=100)
        assert found.low <= found.value <= found.high
        assert found.p is not None
        assert 0 < found.p <= 1

    def test_no_difference_at_all_has_p_1(self) -> None:
        assert statistics.bootstrap(lambda _: 0.0, 50) == Estimate(value=0.0, low=0.0, high=0.0, n=50, p=1.0)

    def test_resamples_without_an_answer_are_left_out(self) -> None:
        truth = np.array([1] + [0] * 29)
        found = statistics.bootstrap(lambda i: float("nan") if truth[i].sum() == 0 else 0.5, 30)
        assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)

    def test_under_the_null_p_is_seldom_small(self) -> None:
        random = np.random.default_rng(5)
        small = 0
        for _ in range(200):
            values = random.normal(size=80)
            found = statistics.bootstrap(lambda i, v=values: float(v[i].mean()), 80, count=300)
            assert found.p is not None
            small += found.p < 0.05
        assert 1 <= small <= 24


class TestPercentileOfBursts:
    def test_interval_is_wider_where_bursts_differ_from_each_other(self) -> None:
        random = np.random.default_rng(2)
        alike = [random.normal(10, 1, 20) for _ in range(30)]
        shifted = [burst + random.normal(0, 3) for burst in alike]
        calm, restless = (statistics.percentile_of_bursts(bursts, 50) for bursts in (alike, shifted))
        assert restless.high - restless.low > 3 * (calm.high - calm.low)

    @given(st.lists(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=6), min_size=1, max_size=8), st.floats(0, 100))
    @settings(max_examples=40)
    def test_value_is_the_pooled_percentile_within_its_interval(
        self, bursts: list[list[float]], percent: float
    ) -> None:
        arrays = [np.array(burst) for burst in bursts]
        found = statistics.percentile_of_bursts(arrays, percent, count=50)
        assert found.value == np.percentile(np.concatenate(arrays), percent)
        assert found.low <= found.value <= found.high
        assert found.n == sum(map(len, bursts))

    def test_one_burst_says_only_its_range(self) -> None:
        found = statistics.percentile_of_bursts([np.array([1.0, 2.0, 9.0])], 50)
        assert (found.value, found.low, found.high) == (2.0, 1.0, 9.0)

    def test_median_is_covered_about_95_times_in_100(self) -> None:
        random = np.random.default_rng(4)
        covered = 0
        for _ in range(200):
            bursts = [random.normal(random.normal(10, 1), 1, 10) for _ in range(30)]
            found = statistics.percentile_of_bursts(bursts, 50)
            covered += found.low <= 10 <= found.high
        assert 0.88 <= covered / 200 <= 1.0


class TestPairedRatio:
    def test_what_disturbs_both_cancels(self) -> None:
        random = np.random.default_rng(6)
        disturbance = np.exp(random.normal(0, 0.8, 40))
        slow, fast = 1.1 * disturbance, disturbance * np.exp(random.normal(0, 0.01, 40))
        found = statistics.paired_ratio(slow, fast)
        assert found.value == pytest.approx(1.1, rel=0.02)
        assert 1.05 < found.low <= found.value <= found.high < 1.15

    @given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=3, max_size=41).filter(
        lambda rounds: len(rounds) % 2
    ))  # fmt: skip
    @settings(max_examples=50)
    def test_the_other_way_round_is_the_inverse(self, rounds: list[tuple[float, float]]) -> None:
        one, other = (np.array(side) for side in zip(*rounds, strict=True))
        there, back = statistics.paired_ratio(one, other), statistics.paired_ratio(other, one)
        assert back.value == pytest.approx(1 / there.value)

    def test_a_design_against_itself_is_exactly_1(self) -> None:
        times = np.random.default_rng(0).random(30) + 1
        found = statistics.paired_ratio(times, times)
        assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


class TestSamplesToProve:
    def test_so_many_samples_of_the_same_kind_do_prove_it(self) -> None:
        table = (180, 8, 6, 6)
        drop = paired(table)
        assert drop.high > 0.03
        needed = statistics.samples_to_prove(0.03, drop)
        assert needed is not None
        times = needed / drop.n
        grown = paired((round(180 * times), round(8 * times), round(6 * times), round(6 * times)))
        assert grown.high == pytest.approx(0.03, abs=0.003)

    def test_no_number_proves_a_drop_beyond_the_limit(self) -> None:
        assert statistics.samples_to_prove(0.01, paired((80, 10, 2, 8))) is None

    @pytest.mark.parametrize("value", [0.01 - 1e-18, 0.00999999, -1e-300])
    def test_no_absurd_number_is_asked_for(self, value: float) -> None:
        drop = Estimate(value=value, low=-0.5, high=0.5, n=300)
        needed = statistics.samples_to_prove(max(value, 0.0), drop)
        assert needed is None

    def test_where_nothing_is_uncertain_none_is_asked_for(self) -> None:
        assert statistics.samples_to_prove(0.1, Estimate(value=0.0, low=0.0, high=0.0, n=50)) is None
