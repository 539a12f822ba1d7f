"""Permutation tests: every arrangement is counted, and only once."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.statistics.permutation import SEED, label_exchange, sign_flip
from benchmark_runner.statistics.power import (
    ARRANGEMENTS_DRAWN,
    MOST_VALUES_COUNTED,
    PERMUTATION,
    can_reach,
    smallest_p,
)


def _flipped(differences: np.ndarray) -> float:
    """The same p by listing all choices of signs."""
    observed = abs(differences.sum()) * (1 - 1e-12)
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1.0, 1.0), repeat=len(differences))]
    return sum(one >= observed for one in sums) / len(sums)


def _exchanged(a: np.ndarray, b: np.ndarray) -> float:
    """The same p by listing all choices of side a."""
    pooled, total = np.concatenate((a, b)), float(np.sum(a) + np.sum(b))
    observed = abs(a.mean() - b.mean()) * (1 - 1e-12)

    def difference(chosen: tuple[int, ...]) -> float:
        own = float(pooled[list(chosen)].sum())
        return abs(own / len(a) - (total - own) / len(b))

    chosen = list(itertools.combinations(range(len(pooled)), len(a)))
    return sum(difference(one) >= observed for one in chosen) / len(chosen)


@pytest.mark.parametrize("seed", range(20))
def test_sign_flips_agree_with_listing_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = rng.normal(0.3, 1.0, int(rng.integers(1, 11)))
    if seed % 2:
        differences = differences.round(1)  # ties, and sums that are equal but for rounding
    assert sign_flip(differences).p == pytest.approx(_flipped(differences), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_exchanged_labels_agree_with_listing_them(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    a, b = (rng.normal(shift, 1.0, int(rng.integers(1, 7))) for shift in (0.0, 0.7))
    if seed % 2:
        a, b = a.round(1), b.round(1)
    assert label_exchange(a, b).p == pytest.approx(_exchanged(a, b), abs=1e-12)


def test_sign_flips_agree_with_scipy_at_a_size_that_it_can_list() -> None:
    differences = np.random.default_rng(5).normal(0.4, 1.0, 14)
    found = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=10**6)
    assert sign_flip(differences).p == pytest.approx(float(found.pvalue), rel=1e-9)


def test_by_hand() -> None:
    # Three differences of one sign: 2 of 8 choices of signs are as extreme.
    assert sign_flip(np.array([1.0, 2.0, 4.0])).p == 0.25
    # 1 + 2 - 4 = -1: |sum| >= 1 under all 8 choices, since no choice gives less than 1.
    assert sign_flip(np.array([1.0, 2.0, -4.0])).p == 1.0
    # Complete separation of 3 and 3: 2 of the 20 ways to choose three.
    assert label_exchange(np.array([1.0, 2.0, 3.0]), np.array([7.0, 8.0, 9.0])).p == 0.1


def test_no_difference_and_no_spread_have_p_one() -> None:
    assert sign_flip(np.zeros(6)).p == 1.0
    assert sign_flip(np.array([2.0, -2.0])).p == 1.0
    assert label_exchange(np.full(3, 5.0), np.full(4, 5.0)).p == 1.0


def test_thirty_blocks_are_counted_exactly() -> None:
    found = sign_flip(np.full(30, 0.5))
    assert found.p == 2.0 / 2**30 and found.method.startswith("exact")
    apart = label_exchange(np.full(15, 1.0), np.full(15, 2.0))
    assert apart.p == pytest.approx(2.0 / math.comb(30, 15)) and apart.method.startswith("exact")


def _counted(differences: np.ndarray) -> float:
    """The same p of values as they are, however many: sums of both halves, matched."""
    middle, least = len(differences) // 2, abs(differences.sum()) * (1 - 1e-12)
    left, right = (np.zeros(1) for _ in range(2))
    for value in differences[:middle]:
        left = np.concatenate((left - value, left + value))
    for value in differences[middle:]:
        right = np.concatenate((right - value, right + value))
    places = np.searchsorted(np.sort(right), least - left)
    return float(min(1.0, 2.0 * np.sum(len(right) - places) / 2.0 ** len(differences)))


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 0.9])
def test_signs_of_many_values_are_counted_after_rounding_that_hardly_moves_p(shift: float) -> None:
    differences = np.random.default_rng(9).normal(shift, 1.0, MOST_VALUES_COUNTED + 4)
    found = sign_flip(differences)
    assert found.p == pytest.approx(_counted(differences), rel=0.01)
    assert found.statistic == differences.mean() and "rounded to 1/128" in found.method


def test_signs_of_many_values_are_counted_exactly_where_rounding_changes_none() -> None:
    few, many = np.array([1.0, -1.0, 1.0, 1.0]), np.ones(100)
    many[:30] = -1.0  # a sum of 40: 70 of 100 or more of one sign
    assert sign_flip(many).p == pytest.approx(2.0 * float(stats.binom.sf(69, 100, 0.5)), rel=1e-12)
    assert sign_flip(np.tile(few, 10)).p == pytest.approx(2.0 * float(stats.binom.sf(29, 40, 0.5)), rel=1e-12)
    assert sign_flip(np.full(200, 0.25)).p == 2.0 / 2.0**200
    assert sign_flip(np.tile([1.0, -1.0], 50)).p == 1.0


def test_a_hundred_launches_can_show_what_thirty_could() -> None:
    assert smallest_p(100, 100, PERMUTATION) < smallest_p(30, 30, PERMUTATION)
    assert can_reach(100, 100, 950, 0.05, PERMUTATION)
    unpaired = smallest_p(100, 100, PERMUTATION, paired=False)
    assert unpaired == label_exchange(np.arange(100.0), np.arange(100.0) + 500.0).p == 2e-4


@pytest.mark.parametrize("sides", [(20, 20), (12, 30), (50, 51)])
def test_drawn_exchanges_are_those_that_scipy_draws(sides: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.4, 1.0, sides[0]), rng.normal(0.0, 1.0, sides[1])
    drawn = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="independent",
        n_resamples=ARRANGEMENTS_DRAWN,
        rng=SEED,
        vectorized=True,
    )
    found = label_exchange(a, b)
    assert found.p == float(drawn.pvalue) and "seeded" in found.method
    assert found == label_exchange(a, b)
