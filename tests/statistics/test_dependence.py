"""Intervals of an engine's own times know of launches that resemble the one before, and tails of few launches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark_runner.statistics.dependence import launch_correlation, widen, widening
from benchmark_runner.statistics.estimates import FloatArray, typical_estimate
from benchmark_runner.statistics.percentiles import percentile


def _following(rng: np.random.Generator, launches: int, correlation: float) -> FloatArray:
    values = rng.normal(0.0, 1.0, launches)
    for number in range(1, launches):
        values[number] = correlation * values[number - 1] + math.sqrt(1.0 - correlation**2) * values[number]
    return values


def test_the_widening_is_that_of_the_mean_of_a_first_order_series() -> None:
    """The variance of the mean by the whole matrix of correlations, and the expected spread by it too."""
    n, rho = 12, 0.6
    matrix = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    mean = float(matrix.sum()) / n**2
    spread = (n - float(matrix.sum()) / n) / (n - 1)
    from scipy import stats

    quantiles = stats.t.ppf(0.975, max(2.0, 1.0 / mean) - 1.0) / stats.t.ppf(0.975, n - 1)
    assert widening(rho, n, 0.95) == pytest.approx(math.sqrt(mean * n / spread) * quantiles, rel=1e-9)
    assert widening(0.0, n, 0.95) == widening(rho, 5, 0.95) == 1.0


def test_correlated_launches_are_seen_and_independent_ones_are_left_alone() -> None:
    rng = np.random.default_rng(3)
    assert launch_correlation([_following(rng, 20, 0.8) for _ in range(5)]) == pytest.approx(0.8, abs=0.2)
    assert launch_correlation([np.array([1.0, -1.0] * 5)] * 3) == 0.0
    assert launch_correlation([]) == launch_correlation([np.ones(9)]) == launch_correlation([np.arange(5.0)]) == 0.0


def test_widening_keeps_the_point_and_says_so() -> None:
    values = dict(enumerate([100.0, 102.0, 103.0, 103.0, 101.0, 99.0, 98.0, 99.0, 102.0, 99.0]))
    found = typical_estimate(np.array(list(values.values())), 0.95)
    assert found is not None
    numbers = {"median_interval": found.to_json(), "mean_interval": None, "without_outliers": None}
    widen([(numbers, values)])
    wide = numbers["median_interval"]
    assert wide is not None and wide["point"] == found.point
    assert wide["low"] < found.low < found.high < wide["high"]
    assert math.log(wide["high"] / found.point) == pytest.approx(math.log(found.point / wide["low"]))
    assert "launches resemble the one before" in wide["method"]


def test_launches_that_tell_nothing_of_the_mean_leave_the_point_alone_with_the_reason() -> None:
    values = {block: 8.0 * 1.2**block for block in range(1, 7)}
    place = []
    for own in (values, dict.fromkeys(values, 5.0)):
        found = typical_estimate(np.array(list(own.values())), 0.95)
        assert found is not None
        place.append(({"median_interval": found.to_json(), "without_outliers": None, "reason": None}, own))
    point = place[0][0]["median_interval"]["point"]
    widen(place)
    for numbers, _ in place:
        alone = numbers["median_interval"]
        assert alone["low"] is alone["high"] is None and alone["n"] == 6
        assert "resembles the one before" in numbers["reason"] and numbers["reason"] in alone["method"]
    assert place[0][0]["median_interval"]["point"] == point


def test_a_tail_that_launches_decide_has_no_interval() -> None:
    rng = np.random.default_rng(5)
    launches = [np.exp(shift + rng.normal(0.0, 0.1, 40)) for shift in rng.normal(0.0, 0.3, 10)]
    ordered = np.sort(np.concatenate(launches))
    found = percentile(launches, ordered, 0.95, 0.95, effective=11.2)
    assert found["value"] is not None and found["low"] is found["high"] is None
    assert found["reason"] == "no interval: 400 values of 10 launches are worth 11 independent ones, needs 72"
    assert percentile(launches, ordered, 0.5, 0.95, effective=5.0)["low"] is not None
    assert percentile(launches, ordered, 0.95, 0.95, effective=72.0)["low"] is not None
