"""Diagnostics: numbers by hand, statsmodels and scipy as witnesses, and silence where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.diagnostic import acorr_ljungbox

from benchmark_runner.statistics import diagnostics


def test_cv_within_is_the_root_mean_square_over_launches() -> None:
    # 9, 11: mean 10, deviation sqrt 2, CV .141421; 10, 10: 0. Root mean square sqrt(.02 / 2) = .1.
    assert diagnostics.cv_within([np.array([9.0, 11.0]), np.array([10.0, 10.0])]) == pytest.approx(0.1, rel=1e-12)
    assert diagnostics.cv_within([np.array([9.0]), np.array([10.0])]) is None


def test_cv_between_is_that_of_the_medians() -> None:
    assert diagnostics.cv_between(np.array([9.0, 11.0])) == pytest.approx(math.sqrt(2) / 10, rel=1e-12)
    assert diagnostics.cv_between(np.array([9.0])) is None
    assert diagnostics.cv_between(np.array([-1.0, 1.0])) is None


@pytest.mark.parametrize(
    ("within", "between", "expected"),
    [(0.099, 0.05, False), (0.10, 0.05, True), (0.05, 0.10, True), (None, None, False), (None, 0.2, True)],
)
def test_the_gate_lies_at_ten_percent(within: float | None, between: float | None, expected: bool) -> None:
    assert diagnostics.noisy(within, between) is expected


def test_normality_is_shapiro_of_the_logarithms() -> None:
    values = np.exp(2.0 + 0.1 * stats.norm.ppf((np.arange(10) + 0.5) / 10))
    found = diagnostics.normality(values)
    witness = stats.shapiro(np.log(values))
    assert found["p"] == pytest.approx(float(witness.pvalue), rel=1e-9)
    assert found["statistic"] == pytest.approx(float(witness.statistic), rel=1e-9)
    assert found["normal"] is True and found["reason"] is None


def test_normality_of_three_launches_by_hand() -> None:
    # Logarithms 0, 1, 3: W = (3 - 0)^2 / 2 over squares 42/9 = 27/28; p = 6/pi (asin sqrt W - asin sqrt 3/4).
    found = diagnostics.normality(np.exp(np.array([0.0, 1.0, 3.0])))
    assert found["statistic"] == pytest.approx(27 / 28, rel=1e-9)
    expected = 6 / math.pi * (math.asin(math.sqrt(27 / 28)) - math.asin(math.sqrt(3 / 4)))
    assert found["p"] == pytest.approx(expected, rel=1e-9)
    assert found["p"] == pytest.approx(0.63689, abs=1e-5)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 2.0]])
def test_normality_is_silent_where_it_cannot_be_told(values: list[float]) -> None:
    found = diagnostics.normality(np.array(values))
    assert found["p"] is None and found["normal"] is None and found["reason"]


def test_ljung_box_of_one_launch_is_that_of_statsmodels() -> None:
    for seed in range(20):
        series = np.random.default_rng(seed).normal(0, 1, 12 + seed).cumsum()
        witness = acorr_ljungbox(series, lags=[1])
        assert diagnostics.ljung_box([series])["p"] == pytest.approx(float(witness["lb_pvalue"].iloc[0]), rel=1e-9)


def test_ljung_box_by_hand() -> None:
    # 9, 11, 9 ... ten times: products -1 nine times over squares 10, r = -.9; 10 * 12 * .81 / 9 = 10.8;
    # chi-square with one degree of freedom beyond 10.8: erfc(sqrt(5.4)) = .0010146.
    found = diagnostics.ljung_box([np.array([9.0, 11.0] * 5)])
    assert found["lag1"] == pytest.approx(-0.9, rel=1e-12)
    assert found["p"] == pytest.approx(math.erfc(math.sqrt(5.4)), rel=1e-9)
    assert found["p"] == pytest.approx(0.0010146, abs=1e-6)


def test_ljung_box_adds_launches_and_skips_short_ones() -> None:
    rng = np.random.default_rng(5)
    one, two = rng.normal(0, 1, 20), rng.normal(0, 1, 30)
    statistic = sum(float(acorr_ljungbox(series, lags=[1])["lb_stat"].iloc[0]) for series in (one, two))
    found = diagnostics.ljung_box([one, np.array([1.0, 2.0]), two, np.full(15, 3.0)])
    assert found["n"] == 2
    assert found["p"] == pytest.approx(float(stats.chi2.sf(statistic, 2)), rel=1e-9)


def test_ljung_box_is_silent_without_long_launches() -> None:
    assert diagnostics.ljung_box([np.array([1.0, 2.0, 3.0])])["reason"]


def test_icc_by_hand() -> None:
    # Launches (1, 3) and (5, 7): grand mean 4; between 2 * (2^2 + 2^2) / 1 = 16; within (2 + 2) / 2 = 2.
    # ICC (16 - 2) / (16 + 2) = 7/9; effective size 4 / (1 + 7/9) = 2.25.
    found = diagnostics.intraclass_correlation([np.array([1.0, 3.0]), np.array([5.0, 7.0])])
    assert found["icc"] == pytest.approx(7 / 9, rel=1e-12)
    assert found["effective_n"] == pytest.approx(2.25, rel=1e-12)


def test_independent_launches_are_worth_all_their_iterations() -> None:
    found = diagnostics.intraclass_correlation([np.array([1.0, 3.0]), np.array([3.0, 1.0])])
    assert (found["icc"], found["effective_n"]) == (0.0, 4.0)


@pytest.mark.parametrize(
    "launches", [[], [np.array([1.0, 2.0])], [np.array([1.0]), np.array([2.0])], [np.full(3, 2.0), np.full(3, 2.0)]]
)
def test_icc_is_silent_where_it_cannot_be_told(launches: list[np.ndarray]) -> None:
    found = diagnostics.intraclass_correlation(launches)
    assert found["icc"] is None and found["reason"]


@pytest.mark.parametrize("value", [0.1, 114.3, 1 / 3, 1e-9, 1e12 / 7])
@pytest.mark.parametrize("count", [10, 13, 15, 50])
def test_iterations_that_are_equal_but_for_rounding_show_no_dependence(value: float, count: int) -> None:
    # The mean of 13 times 114.3 is not 114.3: what is left correlates perfectly.
    launches = [np.full(count, value)] * 3
    assert diagnostics.ljung_box(launches)["p"] is None
    assert diagnostics.intraclass_correlation(launches)["reason"] == "all iterations are equal"


def test_a_trend_over_the_campaign_is_drift() -> None:
    found = diagnostics.drift(np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5]), np.arange(6.0))
    # Complete order of six: 2 of 720 permutations.
    assert (found["tau"], found["drifts"]) == (pytest.approx(1.0), True)
    assert found["p"] == pytest.approx(2 / 720, rel=1e-9)


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0], [0.0] * 4])
def test_drift_is_silent_where_it_cannot_be_told(values: list[float]) -> None:
    found = diagnostics.drift(np.array(values), np.arange(float(len(values))))
    assert found["tau"] is None and found["drifts"] is None and found["reason"]


def test_launches_that_started_together_show_no_drift() -> None:
    assert diagnostics.drift(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4))["drifts"] is None


@pytest.mark.parametrize(("height", "found"), [(10.0, 5), (8.0, 5), (7.0, None)])
def test_a_step_by_hand(height: float, found: int | None) -> None:
    # 0 1 0 1 0 and the same raised: differences 1 (four times), -1 (four times) and the height; median 1, distances 0,
    # 2 and height - 1, median 2: variance (1.4826 * 2)^2 / 2 = 4.396; penalty 15 ln 10 * 4.396 = 151.8.
    # A split in the middle gains 25 / 10 * height^2: 250, 160 and 122.5.
    low = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    assert diagnostics.step_at(np.concatenate((low, low + height))) == found


def test_a_step_is_found_where_it_is() -> None:
    values = np.random.default_rng(2).normal(10.0, 0.1, 60)
    values[:15] += 2.0
    assert diagnostics.step_at(values) == 15


def test_level_series_have_steps_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(4)
    for length, most in ((10, 0.04), (20, 0.01), (50, 0.002)):
        found = [diagnostics.step_at(rng.normal(10.0, 0.3, length)) is not None for _ in range(1000)]
        assert np.mean(found) <= most


def test_a_step_in_most_launches_is_not_steady_and_in_one_is() -> None:
    rng = np.random.default_rng(6)
    level = [rng.normal(10.0, 0.1, 40) for _ in range(5)]
    warming = [values + 3.0 * (np.arange(40) < 8) for values in level]
    assert diagnostics.steady_state(level)["steady"] is True
    assert diagnostics.steady_state(warming) | {"method": ""} == {
        "method": "",
        "n": 5,
        "steady": False,
        "launches_with_step": 5,
        "reason": None,
    }
    assert diagnostics.steady_state([warming[0], *level[1:]])["steady"] is True


def test_short_launches_are_not_audited() -> None:
    found = diagnostics.steady_state([np.array([1.0, 2.0])] * 5)
    assert found["steady"] is None and "fewer than 10 iterations" in found["reason"]
