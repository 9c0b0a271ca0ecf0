"""Intervals and comparisons: known values, properties, and coverage by simulation with fixed seeds."""

import math
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import (
    classify,
    clopper_pearson,
    clopper_pearson_lower,
    holm_levels,
    minimum_detectable_effect,
    noise_floor,
    quantile_interval,
    ratio_of_medians,
)
from harness.stats.comparison import widened_tail
from harness.stats.distributions import beta_share, student_quantile


def blocks(generator, count, *, size=30, factor=1.0, spread=0.1):
    """Blocks of skewed latencies; blocks differ among each other by `spread`."""
    return [factor * generator.lognormal(0, 0.3, size) * generator.lognormal(0, spread) for _ in range(count)]


class TestRates:
    def test_59_probes_of_59_prove_95_percent_and_58_do_not(self):
        assert clopper_pearson_lower(59, 59) >= 0.95
        assert clopper_pearson_lower(58, 58) < 0.95
        assert clopper_pearson_lower(92, 93) >= 0.95
        assert clopper_pearson_lower(91, 92) < 0.95

    @pytest.mark.parametrize(
        ("passes", "n", "low", "high"), [(5, 10, 0.18709, 0.81291), (0, 100, 0.0, 0.03622), (9, 10, 0.55498, 0.99747)]
    )
    def test_intervals_agree_with_published_tables(self, passes, n, low, high):
        assert clopper_pearson(passes, n) == pytest.approx((low, high), abs=1e-5)

    @given(n=st.integers(1, 60), level=st.sampled_from([0.8, 0.95, 0.99]), data=st.data())
    def test_the_lower_bound_is_where_the_tail_holds_what_the_level_leaves(self, n, level, data):
        passes = data.draw(st.integers(1, n))
        bound = Fraction(clopper_pearson_lower(passes, n, level))
        tail = sum(math.comb(n, k) * bound**k * (1 - bound) ** (n - k) for k in range(passes, n + 1))
        assert float(tail) == pytest.approx(1 - level, rel=1e-6)

    @given(n=st.integers(1, 200), data=st.data())
    def test_more_passes_never_lower_a_bound(self, n, data):
        passes = data.draw(st.integers(0, n - 1))
        assert clopper_pearson_lower(passes, n) <= clopper_pearson_lower(passes + 1, n)
        low, high = clopper_pearson(passes, n)
        assert 0 <= low <= passes / n <= high <= 1
        assert clopper_pearson(n - passes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)

    @pytest.mark.parametrize(
        ("passes", "n", "level"), [(0, 0, 0.95), (2, 1, 0.95), (-1, 1, 0.95), (1, 1, 1), (1, 1, 0)]
    )
    def test_no_rate_no_bound(self, passes, n, level):
        with pytest.raises(ValueError, match=r"passes of n|a level lies"):
            clopper_pearson_lower(passes, n, level)
        with pytest.raises(ValueError, match=r"passes of n|a level lies"):
            clopper_pearson(passes, n, level)

    def test_a_million_requests_are_quick_work_and_exact(self):
        low, high = clopper_pearson(500_000, 1_000_000)
        # normal approximation, which is good to 1e-6 here
        assert (low, high) == pytest.approx((0.5 - 0.00098, 0.5 + 0.00098), abs=2e-6)


class TestQuantiles:
    def test_the_median_of_a_hundred_lies_between_the_40th_and_the_61st(self):
        # ranks 40 and 61: Conover, Practical Nonparametric Statistics, 3.2
        assert quantile_interval(range(1, 101), 0.5) == (40.0, 61.0)

    def test_a_p99_needs_368_samples(self):
        assert quantile_interval(np.arange(367), 0.99) is None
        assert quantile_interval(np.arange(368), 0.99) is not None

    @given(samples=st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=60), scale=st.sampled_from([0.5, 2.0, 1024.0]))
    def test_it_holds_the_sample_quantile_and_follows_scale_and_order(self, samples, scale):
        found = quantile_interval(samples, 0.5)
        assert found is not None
        assert found[0] <= float(np.median(samples)) <= found[1]
        assert quantile_interval(samples[::-1], 0.5) == found
        assert quantile_interval([scale * one for one in samples], 0.5) == (scale * found[0], scale * found[1])

    @given(samples=st.lists(st.floats(0, 1e6), min_size=30, max_size=60))
    def test_a_higher_level_is_wider(self, samples):
        narrow, wide = quantile_interval(samples, 0.5, 0.8), quantile_interval(samples, 0.5, 0.99)
        assert narrow is not None
        assert wide is not None
        assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]

    @pytest.mark.parametrize("q", [0.5, 0.95])
    def test_it_holds_the_truth_as_often_as_it_says(self, q):
        generator = np.random.default_rng(20260131)
        truth = -math.log(1 - q)
        found = [quantile_interval(generator.exponential(1, 200), q) for _ in range(1000)]
        held = sum(one is not None and one[0] <= truth <= one[1] for one in found)
        assert 945 <= held <= 985

    @pytest.mark.parametrize(
        ("samples", "q", "said"),
        [
            ([], 0.5, "one sample or more"),
            ([1, math.nan], 0.5, "not a finite number"),
            ([[1, 2]], 0.5, "one sample or more"),
            ([1, 2], 0, "q must lie"),
            ([1, 2], 1, "q must lie"),
        ],
    )
    def test_degenerate_input_is_named(self, samples, q, said):
        with pytest.raises(ValueError, match=said):
            quantile_interval(samples, q)


class TestRatio:
    def test_the_value_is_the_ratio_of_the_pooled_medians(self):
        generator = np.random.default_rng(1)
        base, candidate = blocks(generator, 8), blocks(generator, 8, factor=1.5)
        found = ratio_of_medians(base, candidate, seed=1)
        expected = np.median(np.concatenate(candidate)) / np.median(np.concatenate(base))
        assert found.value == pytest.approx(expected)
        assert found.low < found.value < found.high
        assert (found.n_base, found.n_candidate) == (240, 240)

    @pytest.mark.parametrize(("count", "spread"), [(5, 0.15), (12, 0.0), (12, 0.15)])
    def test_the_interval_holds_the_truth_as_often_as_it_says(self, count, spread):
        generator = np.random.default_rng(count)
        held = 0
        for trial in range(120):
            base = blocks(generator, count, spread=spread)
            candidate = blocks(generator, count, factor=1.2, spread=spread)
            found = ratio_of_medians(base, candidate, trial, resamples=400)
            held += found.low <= 1.2 <= found.high
        # 95 % of 120 is 114; three standard errors below it
        assert held >= 107

    def test_blocks_are_drawn_whole_so_that_blocks_that_differ_widen_the_interval(self):
        generator = np.random.default_rng(3)
        alike = ratio_of_medians(blocks(generator, 10, spread=0), blocks(generator, 10, spread=0), 1)
        apart = ratio_of_medians(blocks(generator, 10, spread=0.5), blocks(generator, 10, spread=0.5), 1)
        assert apart.high - apart.low > 3 * (alike.high - alike.low)

    def test_the_seed_decides(self):
        generator = np.random.default_rng(5)
        base, candidate = blocks(generator, 6), blocks(generator, 6)
        assert ratio_of_medians(base, candidate, 7) == ratio_of_medians(base, candidate, 7)
        assert ratio_of_medians(base, candidate, 7) != ratio_of_medians(base, candidate, 8)

    @settings(max_examples=25)
    @given(scale=st.sampled_from([0.25, 2.0, 1000.0]), seed=st.integers(0, 2**32), count=st.integers(4, 8))
    def test_units_do_not_matter_and_the_candidates_scale_does(self, scale, seed, count):
        generator = np.random.default_rng(seed)
        base, candidate = blocks(generator, count), blocks(generator, count)
        first = ratio_of_medians(base, candidate, seed, resamples=200)
        both = ratio_of_medians([scale * one for one in base], [scale * one for one in candidate], seed, resamples=200)
        assert (both.value, both.low, both.high) == pytest.approx((first.value, first.low, first.high))
        slower = ratio_of_medians(base, [scale * one for one in candidate], seed, resamples=200)
        assert (slower.value, slower.low, slower.high) == pytest.approx(
            (scale * first.value, scale * first.low, scale * first.high)
        )

    def test_blocks_may_have_different_sizes_and_other_quantiles_work(self):
        generator = np.random.default_rng(9)
        base = [generator.exponential(1, size) for size in (50, 100, 150, 200, 250)]
        candidate = [2 * generator.exponential(1, size) for size in (250, 200, 150, 100, 50)]
        found = ratio_of_medians(base, candidate, 1, q=0.9)
        assert found.low < 2 < found.high

    @pytest.mark.parametrize(
        ("base", "said"),
        [
            ([[1.0]] * 3, "base: 3 blocks, at least 4 are needed"),
            ([[1.0]] * 4 + [[]], "base block 4: a list of one sample or more"),
            ([[1.0]] * 4 + [[math.inf]], "base block 4: a sample is not a finite number"),
            ([[1.0]] * 4 + [[0.0]], "base: a latency of 0"),
            ([[1.0]] * 4 + [[-1.0]], "base: a latency of -1"),
        ],
    )
    def test_degenerate_blocks_are_named(self, base, said):
        with pytest.raises(ValueError, match=said):
            ratio_of_medians(base, [[1.0]] * 4, 1)

    def test_few_blocks_widen_the_interval_and_many_do_not(self):
        # sqrt(5/4) times t(0.975, 4) = 2.776 is 3.104; the normal tail beyond it is 0.00095
        assert widened_tail(0.05, 5) == pytest.approx(0.00095, abs=1e-5)
        assert widened_tail(0.05, 10_000) == pytest.approx(0.025, abs=1e-4)
        generator = np.random.default_rng(15)
        base, candidate = blocks(generator, 5), blocks(generator, 5)
        found = ratio_of_medians(base, candidate, 1)
        draws = generator.integers(0, 5, (2, 400, 5))
        medians = [
            [np.median(np.concatenate([side[block] for block in row])) for row in rows]
            for side, rows in zip((base, candidate), draws, strict=True)
        ]
        plain = np.quantile(np.divide(medians[1], medians[0]), [0.025, 0.975])
        assert found.low < plain[0] < plain[1] < found.high

    def test_equal_samples_have_no_width(self):
        found = ratio_of_medians([[2.0] * 5] * 4, [[3.0] * 5] * 4, 1)
        assert (found.value, found.low, found.high) == (1.5, 1.5, 1.5)


class TestNoise:
    def test_the_floor_is_the_far_end_of_the_interval(self):
        generator = np.random.default_rng(11)
        first, second = blocks(generator, 10), blocks(generator, 10)
        found = ratio_of_medians(first, second, 3)
        assert noise_floor(first, second, 3) == max(abs(found.low - 1), abs(found.high - 1))

    def test_a_slower_machine_is_no_noise_but_a_restless_one_is(self):
        generator = np.random.default_rng(12)
        quiet = noise_floor(blocks(generator, 10, spread=0.01), blocks(generator, 10, spread=0.01), 1)
        restless = noise_floor(blocks(generator, 10, spread=0.5), blocks(generator, 10, spread=0.5), 1)
        assert restless > 3 * quiet

    def test_equal_things_are_rarely_told_apart(self):
        generator = np.random.default_rng(13)
        alarms = 0
        for trial in range(60):
            found = ratio_of_medians(blocks(generator, 8), blocks(generator, 8), trial, resamples=300)
            alarms += classify((found.low, found.high), 0.0, 0.0) in ("regression", "improvement")
        assert alarms <= 8

    def test_an_effect_twice_the_detectable_one_is_detected(self):
        generator = np.random.default_rng(14)
        control = ratio_of_medians(blocks(generator, 12), blocks(generator, 12), 1)
        effect = 1 + 2 * minimum_detectable_effect((control.low / control.value, control.high / control.value))
        seen = 0
        for trial in range(20):
            found = ratio_of_medians(blocks(generator, 12), blocks(generator, 12, factor=effect), trial, resamples=300)
            seen += found.low > 1
        assert seen >= 18

    @given(low=st.floats(0.5, 1), width=st.floats(1.001, 2), factor=st.floats(1.01, 3))
    def test_a_wider_control_detects_less(self, low, width, factor):
        narrow = minimum_detectable_effect((low, low * width))
        assert 0 < narrow < minimum_detectable_effect((low, low * width * factor))
        assert minimum_detectable_effect((low, low * width), power=0.5) < narrow
        assert minimum_detectable_effect((low, low)) == 0

    @pytest.mark.parametrize("interval", [(0, 1), (2, 1), (-1, 1), (1, math.inf), (math.nan, 1)])
    def test_no_control_no_effect(self, interval):
        with pytest.raises(ValueError, match="an interval of ratios"):
            minimum_detectable_effect(interval)


class TestClassify:
    @pytest.mark.parametrize(
        ("interval", "floor", "tolerance", "verdict"),
        [
            ((1.11, 1.20), 0.03, 0.10, "regression"),
            ((1.09, 1.20), 0.03, 0.10, "inconclusive"),
            ((1.11, 1.20), 0.15, 0.10, "inconclusive"),
            ((0.70, 0.89), 0.03, 0.10, "improvement"),
            ((0.70, 0.89), 0.15, 0.10, "inconclusive"),
            ((0.95, 1.05), 0.03, 0.10, "equivalent"),
            ((0.90, 1.10), 0.03, 0.10, "equivalent"),
            ((0.85, 1.05), 0.03, 0.10, "inconclusive"),
            ((0.40, 3.00), 0.03, 0.10, "inconclusive"),
            ((1.10, 1.10), 0.00, 0.10, "equivalent"),
        ],
    )
    def test_an_interval_is_classified(self, interval, floor, tolerance, verdict):
        assert classify(interval, floor, tolerance) == verdict

    @pytest.mark.parametrize(
        ("interval", "floor", "tolerance"),
        [((2, 1), 0, 0), ((math.nan, 1), 0, 0), ((1, math.inf), 0, 0), ((1, 2), -1, 0), ((1, 2), 0, math.nan)],
    )
    def test_nonsense_is_refused(self, interval, floor, tolerance):
        with pytest.raises(ValueError, match=r"expected|must be"):
            classify(interval, floor, tolerance)

    def test_six_milliseconds_to_five_from_blocks_that_vary_is_inconclusive(self):
        generator = np.random.default_rng(6)
        base, candidate = (
            blocks(generator, 6, size=2, spread=0.4),
            blocks(generator, 6, size=2, factor=5 / 6, spread=0.4),
        )
        found = ratio_of_medians(base, candidate, 1)
        assert classify((found.low, found.high), 0.05, 0.05) == "inconclusive"


class TestHolm:
    def test_the_first_is_bonferronis_and_the_last_is_plain(self):
        assert holm_levels(4, 0.95) == pytest.approx((0.9875, 1 - 0.05 / 3, 0.975, 0.95))
        assert holm_levels(1) == pytest.approx((0.95,))

    @given(count=st.integers(1, 50))
    def test_levels_fall(self, count):
        levels = holm_levels(count)
        assert len(levels) == count
        assert all(one > other for one, other in pairwise(levels))

    def test_a_family_has_a_member(self):
        with pytest.raises(ValueError, match="a family has 1"):
            holm_levels(0)


class TestDistributions:
    @pytest.mark.parametrize(("p", "freedom", "t"), [(0.975, 1, 12.7062), (0.975, 9, 2.26216), (0.95, 30, 1.69726)])
    def test_students_t_agrees_with_published_tables(self, p, freedom, t):
        assert student_quantile(p, freedom) == pytest.approx(t, abs=1e-4)

    @given(x=st.floats(0.001, 0.999), a=st.integers(1, 30), b=st.integers(1, 30))
    def test_the_beta_distribution_is_the_binomials_tail(self, x, a, b):
        n = a + b - 1
        tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
        assert beta_share(x, a, b) == pytest.approx(tail, abs=1e-10)


def test_no_quick_command_pays_for_scipy():
    code = "import sys, harness.stats; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
