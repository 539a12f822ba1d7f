"""Percentiles: when they may be given, and their intervals by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from benchmark_runner.statistics.percentiles import (
    METHOD,
    PERCENTILES,
    fewest_values,
    median,
    median_deviation,
    ordered_quantile,
    percentile,
    share_standard_error,
)


def test_fewest_values_are_those_of_the_recipe() -> None:
    assert {name: fewest_values(share) for name, share in PERCENTILES.items()} == {
        "p50": 6,
        "p90": 36,
        "p95": 72,
        "p99": 368,
    }


@pytest.mark.parametrize(("share", "fewest"), [(0.95, 72), (0.99, 368)])
def test_one_value_fewer_is_not_estimable(share: float, fewest: int) -> None:
    values = np.arange(fewest, dtype=np.float64)
    launches = [values[::2], values[1::2]]
    assert percentile(launches, values, share, 0.95)["value"] is not None
    short = values[:-1]
    found = percentile([short[::2], short[1::2]], short, share, 0.95)
    assert found["value"] is None
    assert found["reason"] == f"not estimable: {fewest - 1} values, needs at least {fewest}"


def test_the_standard_error_is_the_linearised_one() -> None:
    # Three launches of 4 with 1, 2 and 3 values at or below 10; p = .5: deviations -1, 0, 1.
    # Between: 3/2 * 2 / 144 = .0208333; binomial: .25 / 12 = .0208333, the same by choice of numbers.
    launches = [np.array([1.0, 20, 20, 20]), np.array([1.0, 1, 20, 20]), np.array([1.0, 1, 1, 20])]
    assert share_standard_error(launches, 10.0, 0.5) == pytest.approx(math.sqrt(0.0208333333), rel=1e-6)
    # Launches that differ wholly: deviations -2, -2, 2, 2 of 16; between 4/3 * 16 / 256 = 1/12.
    apart = [np.full(4, 20.0), np.full(4, 20.0), np.full(4, 1.0), np.full(4, 1.0)]
    assert share_standard_error(apart, 10.0, 0.5) == pytest.approx(math.sqrt(1 / 12), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_standard_error_is_that_of_a_regression_clustered_by_launch(seed: int) -> None:
    """statsmodels: the share below as a regression on a constant, with errors that launches share."""
    rng = np.random.default_rng(seed)
    launches = [rng.normal(rng.normal(0.0, 3.0), 1.0, int(rng.integers(1, 20))) for _ in range(3 + seed % 8)]
    pooled, quantile = np.concatenate(launches), 0.0
    below = (pooled < quantile).astype(float)
    share = float(below.mean())
    groups = np.repeat(np.arange(len(launches)), [len(one) for one in launches])
    fitted = OLS(below, np.ones_like(below)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    binomial = math.sqrt(share * (1.0 - share) / len(pooled))
    found = share_standard_error(launches, quantile, share)
    assert found == pytest.approx(max(float(fitted.bse[0]), binomial), rel=1e-9)


def test_an_interval_by_hand() -> None:
    # 1 to 60 dealt out to three launches in turn: 10 below 30.5 in each, so the error is the binomial one,
    # sqrt(.25 / 60) = .064550; t(2, .975) = 4.302653, half .277735. Ranks: floor(60 * .222265) = 13 and
    # ceil(60 * .777735) + 1 = 48.
    values = np.arange(1.0, 61.0)
    found = percentile([values[start::3] for start in range(3)], values, 0.5, 0.95)
    assert (found["value"], found["low"], found["high"]) == (30.5, 13.0, 48.0)


def test_launches_that_agree_by_chance_keep_the_binomial_error() -> None:
    launches = [np.array([1.0, 20.0])] * 4
    assert share_standard_error(launches, 10.0, 0.5) == pytest.approx(math.sqrt(0.25 / 8), rel=1e-12)


def test_a_limit_beyond_the_data_is_null_with_its_reason() -> None:
    launches = [np.arange(10.0) + shift for shift in (0.0, 100.0, 200.0, 300.0)]
    found = percentile(launches, np.sort(np.concatenate(launches)), 0.9, 0.95)
    assert found["value"] is not None
    assert found["high"] is None
    assert "upper limit beyond the data: 4 launches are too few" in found["reason"]


def test_one_launch_gives_a_value_without_an_interval() -> None:
    values = np.arange(10.0)
    found = percentile([values], values, 0.5, 0.95)
    assert (found["value"], found["low"], found["high"]) == (4.5, None, None)
    assert "one launch" in found["reason"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.95, 1.0])
def test_quantiles_of_ordered_values_are_those_of_numpy(share: float) -> None:
    for size in (1, 2, 7, 100):
        values = np.sort(np.random.default_rng(size).lognormal(0, 1, size))
        assert ordered_quantile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 1000])
def test_the_median_of_unordered_values_is_that_of_numpy_and_leaves_them_alone(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 20, count).astype(np.float64) / 8
    before = values.copy()
    assert median(values) == np.median(values) == ordered_quantile(np.sort(values), 0.5)
    assert values.tolist() == before.tolist()


def test_no_values_are_no_percentile() -> None:
    found = percentile([], np.empty(0), 0.5, 0.95)
    assert found["value"] is None and found["n"] == 0 and found["method"] == METHOD


def test_equal_values_have_an_interval_without_width() -> None:
    launches = [np.full(10, 3.0)] * 5
    found = percentile(launches, np.concatenate(launches), 0.5, 0.95)
    assert (found["low"], found["value"], found["high"]) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("seed", range(30))
def test_the_median_deviation_is_that_of_all_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(rng.lognormal(0.0, 1.0, int(rng.integers(1, 40))))
    if seed % 3 == 0:
        values = np.sort(values.round())
    for centre in (float(np.median(values)), float(values.mean()), float(values[0]), -5.0, 1e6):
        expected = float(np.median(np.abs(values - centre)))
        assert median_deviation(values, centre) == pytest.approx(expected, rel=1e-12, abs=1e-12)
