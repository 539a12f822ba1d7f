"""Permutation tests: every arrangement is counted, and only once."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.statistics.permutation import MOST_VALUES_COUNTED, label_exchange, sign_flip


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


def test_more_values_are_drawn_with_a_fixed_seed() -> None:
    rng = np.random.default_rng(9)
    differences = rng.normal(0.25, 1.0, MOST_VALUES_COUNTED + 5)
    first, second = sign_flip(differences), sign_flip(differences)
    assert first == second and "seeded" in first.method
    assert first.p == pytest.approx(float(stats.ttest_1samp(differences, 0.0).pvalue), rel=0.2)
    side = label_exchange(differences[:22], differences[22:])
    assert "seeded" in side.method and 0.0 < side.p <= 1.0
