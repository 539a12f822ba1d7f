"""Tests and corrections: numbers by hand, and scipy and statsmodels as witnesses on twenty data sets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from benchmark_runner.statistics import hypotheses
from benchmark_runner.statistics.estimates import LARGEST_LOG

DATA_SETS = [
    (np.random.default_rng(seed).lognormal(0.0, 0.05, 3 + seed % 9), 0.01 * (seed % 7), seed) for seed in range(20)
]


def _second(first: np.ndarray, shift: float, seed: int, size: int | None = None) -> np.ndarray:
    return np.random.default_rng(100 + seed).lognormal(shift, 0.05, size or len(first))


@pytest.mark.parametrize(("a", "shift", "seed"), DATA_SETS)
def test_the_paired_comparison_is_that_of_scipy_and_statsmodels(a: np.ndarray, shift: float, seed: int) -> None:
    b = _second(a, shift, seed)
    found = hypotheses.paired_log_ratio(np.log(a / b)).compared(0.95, 0.99)
    witness = stats.ttest_rel(np.log(a), np.log(b))
    assert found.test.p == pytest.approx(float(witness.pvalue), rel=1e-9)
    assert found.test.statistic == pytest.approx(float(witness.statistic), rel=1e-9)
    for estimate, level in ((found.ratio, 0.95), (found.simultaneous, 0.99)):
        interval = witness.confidence_interval(level)
        assert estimate.low == pytest.approx(math.exp(interval.low), rel=1e-9)
        assert estimate.high == pytest.approx(math.exp(interval.high), rel=1e-9)
    margin = math.log(1.02)
    assert found.equivalence_p == pytest.approx(float(ttost_paired(np.log(a), np.log(b), -margin, margin)[0]), rel=1e-9)
    assert found.test.n == len(a)


@pytest.mark.parametrize(("a", "shift", "seed"), DATA_SETS)
def test_the_unpaired_comparison_is_that_of_scipy_and_statsmodels(a: np.ndarray, shift: float, seed: int) -> None:
    b = _second(a, shift, seed, size=4 + seed % 5)
    found = hypotheses.welch_log_ratio(np.log(a), np.log(b)).compared(0.95, 0.99)
    witness = stats.ttest_ind(np.log(a), np.log(b), equal_var=False)
    assert found.test.p == pytest.approx(float(witness.pvalue), rel=1e-9)
    interval = witness.confidence_interval(0.95)
    assert (found.ratio.low, found.ratio.high) == pytest.approx(
        (math.exp(interval.low), math.exp(interval.high)), rel=1e-9
    )
    margin = math.log(1.02)
    equivalence = float(ttost_ind(np.log(a), np.log(b), -margin, margin, usevar="unequal")[0])
    assert found.equivalence_p == pytest.approx(equivalence, rel=1e-9)
    assert found.test.n == min(len(a), len(b))


def test_a_paired_comparison_by_hand() -> None:
    # Log ratios .1, .2, .3: mean .2, deviation .1, t = .2 / (.1 / sqrt 3) = 3.4641 with 2 degrees of freedom.
    found = hypotheses.paired_log_ratio(np.array([0.1, 0.2, 0.3])).compared(0.95, 0.95)
    assert found.test.statistic == pytest.approx(3.464102, abs=1e-6)
    assert found.test.p == pytest.approx(0.0741799, abs=1e-6)
    assert found.ratio.point == pytest.approx(math.exp(0.2), rel=1e-12)
    assert math.log(found.ratio.high) == pytest.approx(0.2 + 4.302653 * 0.1 / math.sqrt(3), abs=1e-6)


def test_two_blocks_that_disagree_have_an_interval_at_the_level_of_a_large_family() -> None:
    # Log ratios 0 and .9: error .45, times t(1, .9998) = 1,592 a logarithm of 716, which no double can take.
    found = hypotheses.paired_log_ratio(np.array([0.0, 0.9])).compared(0.95, 1.0 - 0.04 / 100)
    assert found.ratio.point == found.simultaneous.point == pytest.approx(math.exp(0.45), rel=1e-12)
    assert found.simultaneous.high == math.exp(LARGEST_LOG)


def test_an_unpaired_comparison_by_hand() -> None:
    # .1, .3 and .0, .2: means .2 and .1; both variances .02, shares .01; error sqrt .02; df .02^2 / (2 * .01^2) = 2.
    # t = .1 / .141421 = .707107; with 2 degrees of freedom F(t) = 1/2 + t / (2 sqrt(2 + t^2)): p = 1 - t / sqrt(2.5).
    found = hypotheses.welch_log_ratio(np.array([0.1, 0.3]), np.array([0.0, 0.2]))
    assert (found.mean, found.df, found.n) == (pytest.approx(0.1), pytest.approx(2.0), 2)
    assert found.test().statistic == pytest.approx(math.sqrt(0.5), rel=1e-12)
    assert found.test().p == pytest.approx(1.0 - math.sqrt(0.5 / 2.5), rel=1e-12)
    assert math.log(found.estimate(0.95).high) == pytest.approx(0.1 + 4.302653 * math.sqrt(0.02), abs=1e-6)


def test_equivalence_by_hand() -> None:
    # Log ratios -.003, 0, .003: mean 0, deviation .003, error .0017321; t = ln 1.02 / .0017321 = 11.4331 both ways.
    # With 2 degrees of freedom 1 - F(t) = 1/2 - t / (2 sqrt(2 + t^2)) = .0037818.
    found = hypotheses.paired_log_ratio(np.array([-0.003, 0.0, 0.003]))
    t = math.log(1.02) / (0.003 / math.sqrt(3.0))
    assert t == pytest.approx(11.4331, abs=1e-4)
    assert found.equivalence_p() == pytest.approx(0.5 - t / (2.0 * math.sqrt(2.0 + t * t)), rel=1e-9)
    assert found.equivalence_p() == pytest.approx(0.0037818, abs=1e-6)
    # A mean at the margin itself is equivalent by neither side's half.
    at_margin = hypotheses.paired_log_ratio(math.log(1.02) + np.array([-0.003, 0.0, 0.003]))
    assert at_margin.equivalence_p() == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(("a", "shift", "seed"), DATA_SETS)
def test_mann_whitney_without_ties_is_scipys_exact_test(a: np.ndarray, shift: float, seed: int) -> None:
    b = _second(a, shift, seed, size=3 + seed % 8)
    found = hypotheses.mann_whitney(a, b)
    witness = stats.mannwhitneyu(a, b, method="exact")
    assert (found.statistic, found.p) == pytest.approx((float(witness.statistic), float(witness.pvalue)), rel=1e-12)


def _orders_with_u_at_most(few: int, many: int) -> list[int]:
    """Numbers of orders in whole numbers, by the recurrence on the largest value (Mann & Whitney 1947)."""
    last = few * many // 2
    counts = {(own, 0): [1] + [0] * last for own in range(few + 1)}
    for other in range(1, many + 1):
        counts[0, other] = [1] + [0] * last
        for own in range(1, few + 1):
            # The largest is of the first side, and above all `other` of the second, or of the second.
            above, below = counts[own - 1, other], counts[own, other - 1]
            counts[own, other] = [below[u] + (above[u - other] if u >= other else 0) for u in range(last + 1)]
    return list(itertools.accumulate(counts[few, many]))


@pytest.mark.parametrize(("few", "many"), [(1, 1), (1, 9), (3, 3), (4, 11), (12, 12), (10, 40), (30, 30)])
def test_the_distribution_of_u_is_counted_to_the_last_order(few: int, many: int) -> None:
    orders = math.comb(few + many, few)
    expected = [count / orders for count in _orders_with_u_at_most(few, many)]
    assert hypotheses.chance_of_u_at_most(few, many) == pytest.approx(expected, rel=1e-12)


def test_more_launches_than_a_double_can_count_orders_of_have_a_p_value() -> None:
    # C(1100, 550) is about 1e329: scipy's exact test answers nan, after minutes.
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.0, 1.0, 550), rng.normal(0.1, 1.0, 550)
    found = hypotheses.mann_whitney(a, b)
    witness = stats.mannwhitneyu(a, b, method="asymptotic")
    assert found.p == pytest.approx(float(witness.pvalue), rel=1e-9)
    assert found.method.startswith("Mann-Whitney U, normal approximation")


def test_the_normal_approximation_takes_over_without_a_jump() -> None:
    chance = hypotheses.chance_of_u_at_most(500, 500)
    u = int(np.searchsorted(chance, 0.025))
    deviation = math.sqrt(250_000 * 1001 / 12)
    normal = float(stats.norm.cdf((u + 0.5 - 125_000) / deviation))
    assert 2.0 * float(chance[u]) == pytest.approx(2.0 * normal, abs=1e-4)
    assert bool(np.all(np.diff(chance) >= 0.0)) and chance[-1] == pytest.approx(0.5, abs=1e-3)


def test_complete_separation_of_five_by_hand() -> None:
    # 2 of C(10, 5) = 252 orders.
    found = hypotheses.mann_whitney(np.arange(5.0), np.arange(10.0, 15.0))
    assert (found.statistic, found.p) == (0.0, pytest.approx(2 / 252, rel=1e-12))


def test_all_ties_are_no_difference() -> None:
    found = hypotheses.mann_whitney(np.full(6, 3.0), np.full(6, 3.0))
    assert (found.statistic, found.p) == (18.0, 1.0)


def _orders(counts: list[tuple[int, int]]) -> Iterator[list[bool]]:
    """All orders in which tied groups of (of a, of b) values can stand, ascending; True where the value is of a."""
    if not counts:
        yield []
        return
    (own, other), *rest = counts
    for places in itertools.combinations(range(own + other), own):
        for later in _orders(rest):
            yield [place in places for place in range(own + other)] + later


@pytest.mark.parametrize("seed", range(20))
def test_ties_have_the_largest_p_of_all_orders_on_their_side_of_the_middle(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    a = rng.integers(0, 5, int(rng.integers(2, 6))).astype(float)
    b = rng.integers(seed % 4, 5 + seed % 4, int(rng.integers(2, 6))).astype(float)
    counts = [(int(np.sum(a == value)), int(np.sum(b == value))) for value in np.unique(np.concatenate((a, b)))]
    found, middle = hypotheses.mann_whitney(a, b), len(a) * len(b) / 2
    p_values = []
    for order in _orders(counts):
        ranks = np.arange(len(order))
        broken = stats.mannwhitneyu(ranks[order], ranks[np.invert(order)], method="exact")
        same_side = (broken.statistic - middle) * (found.statistic - middle) > 0
        p_values.append(float(broken.pvalue) if same_side else 1.0)
    assert found.p == pytest.approx(max(p_values), rel=1e-12)


def test_a_tie_in_a_separated_pair_is_broken_against_the_difference() -> None:
    # 1 2 3 | 3 4 5: as if the tie were 3 of b before 3 of a, U = 1: 2 * 2 of C(6, 3) = 20 orders.
    found = hypotheses.mann_whitney(np.array([1.0, 2, 3]), np.array([3.0, 4, 5]))
    assert (found.statistic, found.p) == (0.5, pytest.approx(4 / 20, rel=1e-12))


def test_holm_by_hand() -> None:
    # .01 * 3 = .03; max(.03, .03 * 2 = .06) = .06; max(.06, .04) = .06.
    assert hypotheses.holm([0.03, 0.01, 0.04], 3) == pytest.approx([0.06, 0.03, 0.06])


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    p_values = list(np.random.default_rng(seed).uniform(0, 0.3, 2 + seed % 8))
    witness = multipletests(p_values, method="holm")[1]
    assert hypotheses.holm(p_values, len(p_values)) == pytest.approx(list(witness), rel=1e-12)


def test_an_untested_comparison_counts_as_one_in_the_family() -> None:
    assert hypotheses.holm([0.01, None], 2) == [0.02, None]
    assert hypotheses.holm([0.01, None, None], 2) == [0.02, None, None]
    witness = multipletests([0.01, 0.02, 1.0], method="holm")[1]
    assert hypotheses.holm([0.01, 0.02, None], 3)[:2] == pytest.approx(list(witness[:2]))


def test_a_family_smaller_than_its_tests_is_refused() -> None:
    with pytest.raises(ValueError, match="a family of 1 cannot hold 2"):
        hypotheses.holm([0.1, 0.2], 1)


def test_no_tests_are_no_family() -> None:
    assert hypotheses.holm([], 0) == []


@pytest.mark.parametrize(("p", "tests", "expected"), [(0.01, 5, 0.05), (0.5, 3, 1.0), (0.2, 0, 0.2)])
def test_bonferroni_multiplies_up_to_one(p: float, tests: int, expected: float) -> None:
    assert hypotheses.bonferroni(p, tests) == pytest.approx(expected)


def test_holm_never_exceeds_bonferroni() -> None:
    for p_values in itertools.product((0.001, 0.02, 0.4), repeat=3):
        for corrected, p in zip(hypotheses.holm(list(p_values), 3), p_values, strict=True):
            assert corrected is not None and corrected <= hypotheses.bonferroni(p, 3)
