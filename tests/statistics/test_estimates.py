"""Estimates: hand-worked intervals, and what is no estimate at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.statistics.estimates import (
    LARGEST_LOG,
    Estimate,
    mean_estimate,
    negligible_spread,
    t_quantile,
    typical_estimate,
)


def test_the_mean_has_students_interval() -> None:
    # 10, 12, 14: mean 12, deviation 2, t(2, .975) = 4.30265; half width 4.30265 * 2 / sqrt(3) = 4.96828.
    found = mean_estimate(np.array([10.0, 12.0, 14.0]), 0.95)
    assert found is not None
    assert (found.point, found.n) == (12.0, 3)
    assert found.high - 12.0 == pytest.approx(4.96828, abs=1e-5)
    assert 12.0 - found.low == pytest.approx(4.96828, abs=1e-5)


def test_the_typical_value_is_a_geometric_mean_with_an_interval_in_proportion() -> None:
    # 1, 2, 4: logarithms 0, ln 2, 2 ln 2; mean ln 2, deviation ln 2; half width 4.30265 ln 2 / sqrt(3) = 1.721873.
    found = typical_estimate(np.array([1.0, 2.0, 4.0]), 0.95)
    assert found is not None
    assert found.point == pytest.approx(2.0, rel=1e-12)
    assert found.high / found.point == pytest.approx(math.exp(1.721873), rel=1e-5)
    assert found.point / found.low == pytest.approx(math.exp(1.721873), rel=1e-5)


def test_equal_launches_give_their_value_back_exactly() -> None:
    found = typical_estimate(np.array([123.456789] * 5), 0.95)
    assert found is not None
    assert (found.low, found.point, found.high) == (123.456789,) * 3


@pytest.mark.parametrize("values", [[], [3.0]])
def test_below_two_launches_there_is_no_interval(values: list[float]) -> None:
    assert mean_estimate(np.array(values), 0.95) is None
    assert typical_estimate(np.array(values), 0.95) is None


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_value_that_is_not_positive_has_no_geometric_mean(bad: float) -> None:
    assert typical_estimate(np.array([1.0, bad]), 0.95) is None


def test_the_ratio_of_typical_values_is_the_mean_log_ratio() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.lognormal(1.0, 0.1, 8), rng.lognormal(0.0, 0.1, 8)
    own, other = typical_estimate(a, 0.95), typical_estimate(b, 0.95)
    assert own is not None and other is not None
    assert own.point / other.point == pytest.approx(math.exp(float(np.mean(np.log(a / b)))), rel=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        (1.0, 1.1, 1.2, 0.95),  # the point lies below its interval
        (math.nan, 0.0, 1.0, 0.95),
        (1.0, 0.0, math.inf, 0.95),
        (1.0, 0.5, 2.0, 1.0),
    ],
)
def test_an_estimate_that_makes_no_sense_cannot_be_made(fields: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Estimate(*fields, "test", 3)


def test_an_interval_beyond_what_a_double_holds_ends_at_the_largest_ratio() -> None:
    # Two launches 1,000 times apart, 100 comparisons: t(1, .9998) = 1,592 times 3.45 is a logarithm of 5,498.
    found = typical_estimate(np.array([1.0, 1000.0]), 1.0 - 0.04 / 100)
    assert found is not None
    assert found.point == pytest.approx(math.sqrt(1000.0), rel=1e-12)
    assert (found.low, found.high) == (math.exp(-LARGEST_LOG), math.exp(LARGEST_LOG))
    assert found.inverted().high == pytest.approx(math.exp(LARGEST_LOG), rel=1e-12)


def test_inverting_turns_the_interval_round() -> None:
    found = Estimate(2.0, 1.6, 2.5, 0.95, "test", 3).inverted()
    assert (found.point, found.low, found.high) == (0.5, 0.4, 0.625)


def test_rounding_is_no_spread() -> None:
    assert negligible_spread(np.log(np.array([0.1 + 0.2, 0.3]) / 0.3))
    assert not negligible_spread(np.array([0.0, 1e-9]))


@pytest.mark.parametrize("df", [1, 2, 9, 29])
def test_t_quantiles_are_those_of_scipy(df: int) -> None:
    assert t_quantile(df, 0.95) == pytest.approx(float(stats.t.ppf(0.975, df)), rel=1e-10)
