"""Intervals of an engine's own times know of launches that resemble the one before, and tails of few launches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.dependence import (
    CORRELATIONS,
    correlation_weights,
    fit,
    independent_series,
    widen,
    widening,
)
from benchmark_runner.statistics.estimates import t_quantile, typical_estimate
from benchmark_runner.statistics.percentiles import percentile


def _following(rng: np.random.Generator, launches: int, correlation: float) -> FloatArray:
    values = rng.normal(0.0, 1.0, launches)
    for number in range(1, launches):
        values[number] = correlation * values[number - 1] + math.sqrt(1.0 - correlation**2) * values[number]
    return values


def _by_block(values: Iterable[float]) -> dict[int, float]:
    return dict(enumerate(values, 1))


def _numbers(values: Iterable[float]) -> dict[str, Any]:
    found = typical_estimate(np.array(list(values)), 0.95)
    assert found is not None
    return {"median_interval": found.to_json(), "mean_interval": None, "without_outliers": None, "reason": None}


def test_a_series_is_fitted_as_by_its_whole_matrix_of_correlations() -> None:
    """Generalised least squares and the restricted likelihood, from the inverse and determinants of matrices."""
    values = np.array([5.1, 5.4, 5.0, 4.7, 4.9, 5.6, 5.2])
    n, found = len(values), fit(values)
    ones = np.ones(n)
    for place in (0, 7, 19):
        matrix = CORRELATIONS[place] ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        inverse = np.linalg.inv(matrix)
        weight = ones @ inverse @ ones
        mean = ones @ inverse @ values / weight
        squares = (values - mean) @ inverse @ (values - mean)
        likelihood = -0.5 * (np.log(np.linalg.det(matrix)) + math.log(weight) + (n - 1) * math.log(squares))
        assert found.mean[place] == pytest.approx(mean)
        assert found.error[place] == pytest.approx(math.sqrt(squares / (n - 1) / weight))
        assert found.likelihood[place] == pytest.approx(likelihood)


def test_the_widening_is_that_of_the_likeliest_correlation_where_one_has_all_the_weight() -> None:
    values = _following(np.random.default_rng(4), 12, 0.6)
    for place, correlation in enumerate(CORRELATIONS):
        factor = widening(values, np.eye(len(CORRELATIONS))[place], 0.95)
        found = fit(values)
        half = factor * t_quantile(11, 0.95) * float(np.std(values, ddof=1)) / math.sqrt(12)
        assert factor >= 1.0 and (correlation > 0.0 or factor == 1.0)
        if factor > 1.0:
            sides = [(values.mean() + side * half - found.mean[place]) / found.error[place] for side in (-1.0, 1.0)]
            assert float(np.diff(stats.t.cdf(sides, 11))[0]) == pytest.approx(0.95)


def test_series_that_move_together_are_worth_one_and_others_their_number() -> None:
    rng = np.random.default_rng(6)
    own = [_by_block(rng.normal(0.0, 1.0, 400)) for _ in range(4)]
    assert independent_series(own) == pytest.approx(4.0, rel=0.15)
    assert independent_series(own[:1] * 4) == pytest.approx(1.0)
    lost = [{block: value for block, value in one.items() if block % 5} for one in own[:2]]
    assert 2.5 < independent_series([*lost, *own[2:]]) < 4.0


def test_correlated_launches_are_seen_and_few_are_taken_as_independent() -> None:
    rng = np.random.default_rng(3)
    seen = correlation_weights([_by_block(_following(rng, 20, 0.8)) for _ in range(5)])
    assert seen is not None and float(seen @ CORRELATIONS) == pytest.approx(0.8, abs=0.1)
    quiet = correlation_weights([_by_block(rng.normal(0.0, 1.0, 20)) for _ in range(5)])
    assert quiet is not None and float(quiet @ CORRELATIONS) < 0.2
    few = _by_block(1.2**block for block in range(6))
    assert correlation_weights([few]) is correlation_weights([few] * 6) is correlation_weights([]) is None
    assert correlation_weights([_by_block(one) for one in ([1, 2, 1, 3, 5, 4], [4, 1, 3, 1, 2, 1])]) is None
    assert correlation_weights([_by_block([1.0] * 30), _by_block([1.0, 2.0])]) is None


def test_widening_keeps_the_point_and_says_so() -> None:
    values = _by_block([100.0, 102.0, 103.0, 103.0, 101.0, 99.0, 98.0, 99.0, 102.0, 99.0])
    numbers = _numbers(values.values())
    found = numbers["median_interval"]
    widen([(numbers, values)], 0.95)
    wide = numbers["median_interval"]
    assert wide["point"] == found["point"]
    assert wide["low"] < found["low"] < found["high"] < wide["high"]
    assert math.log(wide["high"] / found["point"]) == pytest.approx(math.log(found["point"] / wide["low"]))
    assert "times as wide since a launch may resemble the one before" in wide["method"]


def test_launches_that_tell_nothing_of_the_mean_leave_the_point_alone_with_the_reason() -> None:
    values = _by_block(8.0 * 1.2**block for block in range(14))
    cells = [(_numbers(own.values()), own) for own in (values, dict.fromkeys(values, 5.0))]
    points = [numbers["median_interval"]["point"] for numbers, _ in cells]
    widen(cells, 0.95)
    for (numbers, _), point in zip(cells, points, strict=True):
        alone = numbers["median_interval"]
        assert alone["low"] is alone["high"] is None and alone["n"] == 14 and alone["point"] == point
        assert "resembles the one before" in numbers["reason"] and numbers["reason"] in alone["method"]


def test_six_launches_of_a_lone_engine_keep_their_interval_whatever_their_order() -> None:
    values = _by_block(8.0 * 1.2**block for block in range(6))
    numbers = _numbers(values.values())
    before = dict(numbers)
    widen([(numbers, values)], 0.95)
    assert numbers == before


def test_a_tail_that_launches_decide_has_no_interval() -> None:
    rng = np.random.default_rng(5)
    launches = [np.exp(shift + rng.normal(0.0, 0.1, 40)) for shift in rng.normal(0.0, 0.3, 10)]
    ordered = np.sort(np.concatenate(launches))
    found = percentile(launches, ordered, 0.95, 0.95, effective=11.2)
    assert found["value"] is not None and found["low"] is found["high"] is None
    assert found["reason"] == "no interval: 400 values of 10 launches are worth 11 independent ones, needs 72"
    assert percentile(launches, ordered, 0.5, 0.95, effective=5.0)["low"] is not None
    assert percentile(launches, ordered, 0.95, 0.95, effective=72.0)["low"] is not None
