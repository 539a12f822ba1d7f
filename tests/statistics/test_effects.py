"""Effect sizes: by hand, and against plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark_runner.statistics import effects
from benchmark_runner.statistics.hypotheses import mann_whitney


@pytest.mark.parametrize("seed", range(20))
def test_cliffs_delta_is_the_difference_of_two_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 9, 3 + seed % 5).astype(float), rng.integers(0, 9, 4 + seed % 3).astype(float)
    above = np.mean([x > y for x in a for y in b])
    below = np.mean([x < y for x in a for y in b])
    found = effects.cliffs_delta(mann_whitney(a, b).statistic, len(a), len(b))
    assert found == pytest.approx(float(above - below), abs=1e-12)


def test_hedges_g_by_hand() -> None:
    # 1, 3 and 5, 7: difference -4, pooled deviation sqrt 2, d = -2.828427; factor for 2 degrees of freedom
    # gamma(1) / (sqrt(1) gamma(1/2)) = 1 / sqrt(pi) = .564190.
    found = effects.hedges_g(np.array([1.0, 3.0]), np.array([5.0, 7.0]))
    assert found == pytest.approx(-2.828427 * 0.564190, abs=1e-5)


def test_cliffs_delta_by_hand() -> None:
    # 1, 4, 4 against 2, 4: 4 > 2 twice, 1 < 2 and 1 < 4, two ties: U = 2 + 2/2 = 3, delta = (2 - 2) / 6 = 0.
    found = mann_whitney(np.array([1.0, 4.0, 4.0]), np.array([2.0, 4.0]))
    assert found.statistic == 3.0 and effects.cliffs_delta(found.statistic, 3, 2) == 0.0
    # 3, 4, 5 against 1, 2, 4: 3, 3 and 2 pairs above and a tie of nine: delta (7 - 1) / 9.
    found = mann_whitney(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 4.0]))
    assert effects.cliffs_delta(found.statistic, 3, 3) == pytest.approx(6 / 9, rel=1e-12)


def test_hedges_factor_nears_the_usual_approximation() -> None:
    a, b = np.arange(10.0), np.arange(10.0) + 3.0
    d = -3.0 / float(np.std(a, ddof=1))
    assert effects.hedges_g(a, b) == pytest.approx(d * (1 - 3 / (4 * 18 - 1)), rel=1e-3)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0, 3.0]), ([2.0, 2.0], [2.0, 2.0]), ([1.0, 1.0], [5.0, 5.0])])
def test_hedges_g_needs_spread(a: list[float], b: list[float]) -> None:
    assert effects.hedges_g(np.array(a), np.array(b)) is None


def test_hodges_lehmann_is_the_median_difference() -> None:
    # Differences 1-2, 1-4, 5-2, 5-4: -1, -3, 3, 1; median 0.
    assert effects.hodges_lehmann(np.array([1.0, 5.0]), np.array([2.0, 4.0])) == 0.0
    assert effects.hodges_lehmann(np.arange(5.0) + 7.5, np.arange(5.0)) == 7.5


def test_complete_separation_has_the_largest_delta() -> None:
    a, b = np.arange(4.0) + 10, np.arange(4.0)
    assert effects.cliffs_delta(mann_whitney(a, b).statistic, 4, 4) == 1.0
    assert math.isclose(effects.cliffs_delta(mann_whitney(b, a).statistic, 4, 4), -1.0)
