"""Launches of an engine that resemble the launch before: they are worth fewer than their number, so that the intervals
of its own times are widened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr

from benchmark_runner.arrays import FloatArray
from benchmark_runner.display import significant
from benchmark_runner.statistics.diagnostics import lag_one
from benchmark_runner.statistics.estimates import Estimate, t_quantile

CORRELATIONS: Final = np.sin(np.linspace(0.0, math.asin(0.99), 20))
"""Correlations of a launch with the one before to weigh, as dense as Jeffreys' prior of a first-order series."""

PRIOR: Final = np.array([0.6, *[0.4 / (len(CORRELATIONS) - 1)] * (len(CORRELATIONS) - 1)])
"""Chosen: with more weight on independent launches, ten of a lone engine correlated by 0.7 are covered too seldom; with
less, few launches that are independent get intervals much wider than they need (simulated)."""

FEWEST_FOR_DEPENDENCE: Final = 7
"""Chosen: launches beyond the three of a series that mean, spread and correlation take, counted in independent series.
Fewer do not tell a correlation from none: 10 launches of a lone engine do, 6 of two engines do not."""

UNTOLD: Final = 0.9
"""Chosen: where correlations from here on are likelier than all below, launches tell nothing of the mean."""

NO_INTERVAL: Final = f"no interval: each launch resembles the one before (correlation {UNTOLD:g} or more)"

Series = Mapping[int, float]
"""Values of launches by block."""


@dataclass(frozen=True)
class Fit:
    """Launch values by each of CORRELATIONS: logarithm of the likelihood, the mean and its standard error."""

    likelihood: FloatArray
    mean: FloatArray
    error: FloatArray


def _ordered(series: Series) -> FloatArray:
    return np.array([series[block] for block in sorted(series)])


def fit(values: FloatArray) -> Fit:
    """A first-order series by generalised least squares, its mean and spread integrated out of the likelihood (Harville
    1974, Biometrika 61, 383-385)."""
    n, rho = len(values), CORRELATIONS[:, None]
    middle = (1.0 - CORRELATIONS) * float(np.sum(values[1:-1]))
    weight = (n - (n - 2) * CORRELATIONS) / (1.0 + CORRELATIONS)
    mean = (values[0] + values[-1] + middle) / (1.0 + CORRELATIONS) / weight
    left = values - mean[:, None]
    news = (left[:, 1:] - rho * left[:, :-1]) / np.sqrt(1.0 - rho**2)
    squares = left[:, 0] ** 2 + np.sum(news**2, axis=1)
    likelihood = -0.5 * ((n - 1) * (np.log(1.0 - CORRELATIONS**2) + np.log(squares)) + np.log(weight))
    return Fit(likelihood, mean, np.sqrt(squares / (n - 1) / weight))


def independent_series(series: Sequence[Series]) -> float:
    """How many independent series these are worth: 1 where the machine moves all alike, their number where each moves
    by itself."""
    blocks = sorted(set().union(*series))
    values = np.array([[one.get(block, math.nan) for block in blocks] for one in series])
    own = (values - np.nanmean(values, axis=1, keepdims=True)) / np.nanstd(values, axis=1, keepdims=True)
    shared = float(np.mean(np.nanmean(own, axis=0) ** 2))
    return 1.0 / min(max(shared, 1.0 / len(series)), 1.0)


def correlation_weights(series: Iterable[Series]) -> FloatArray | None:
    """How likely each of CORRELATIONS is, by all series of one metric; None where launches are too few to tell and are
    taken as independent."""
    told = [one for one in series if len(one) > 2 and lag_one(_ordered(one)) is not None]
    if not told:
        return None
    worth = independent_series(told)
    if worth * (sum(map(len, told)) / len(told) - 3.0) < FEWEST_FOR_DEPENDENCE:
        return None
    likelihood = np.mean([fit(_ordered(one)).likelihood for one in told], axis=0)
    logs = np.log(PRIOR) + worth * likelihood
    weights: FloatArray = np.exp(logs - np.max(logs))
    return weights / np.sum(weights)


def widening(values: FloatArray, weights: FloatArray, level: float) -> float:
    """Factor, never below 1, on the half width of a t interval of the mean with which it holds this share of what the
    intervals by each of CORRELATIONS say, weighed."""
    n, found, mean = len(values), fit(values), float(np.mean(values))
    half = t_quantile(n - 1, level) * float(np.std(values, ddof=1)) / math.sqrt(n)

    def surplus(factor: float) -> float:
        low, high = (stdtr(n - 1, (mean + side * factor * half - found.mean) / found.error) for side in (-1.0, 1.0))
        return float(np.sum(weights * (high - low))) - level

    return 1.0 if surplus(1.0) >= 0.0 else float(brentq(surplus, 1.0, 1e6))


def _widened(interval: Mapping[str, Any], factor: float, *, logarithmic: bool) -> dict[str, Any]:
    one = Estimate(**interval)
    if math.isinf(factor):
        return one.to_json() | {"low": None, "high": None, "method": f"{one.method}; {NO_INTERVAL}"}
    method = f"{one.method}, {significant(factor, 2)} times as wide since a launch may resemble the one before"
    if logarithmic:
        return replace(one.widened((factor - 1.0) * math.log(one.high / one.point)), method=method).to_json()
    more = (factor - 1.0) * (one.high - one.point)
    return replace(one, low=one.low - more, high=one.high + more, method=method).to_json()


def widen(cells: Iterable[tuple[dict[str, Any], Series]], level: float) -> None:
    """Widen the intervals of one metric, given the numbers and the launch values of each cell of the campaign; where
    launches tell nothing of the mean there is none."""
    cells = list(cells)
    weights = correlation_weights(series for _, series in cells)
    if weights is None:
        return
    untold = float(np.sum(weights[CORRELATIONS >= UNTOLD])) > 0.5
    for numbers, series in cells:
        values = _ordered(series)
        constant = len(values) < 3 or lag_one(values) is None
        factor = math.inf if untold else 1.0 if constant else widening(values, weights, level)
        if factor == 1.0:
            continue
        for holder in (numbers, numbers["without_outliers"] or {}):
            for name in ("mean_interval", "median_interval"):
                if holder.get(name):
                    holder[name] = _widened(holder[name], factor, logarithmic=name == "median_interval")
        if untold and (numbers["mean_interval"] or numbers["median_interval"]):
            numbers["reason"] = NO_INTERVAL
