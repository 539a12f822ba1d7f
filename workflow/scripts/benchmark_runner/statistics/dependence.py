"""Launches of an engine that resemble the launch before: they are worth fewer than their number, so that the intervals
of its own times are widened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from benchmark_runner.statistics.diagnostics import lag_one
from benchmark_runner.statistics.estimates import Estimate, FloatArray, t_quantile

FEWEST_FOR_DEPENDENCE: Final = 6
"""Chosen: below, correcting the bias of a correlation divides by 1 or less."""

DEPENDENCE_Z: Final = 1.0
"""Chosen: standard errors above 0 from which the correlation is believed; 5 % of quiet cells so have wider intervals
than they need, and 10 launches with a correlation of 0.7 cover 95 % again (simulated)."""

MOST_CORRELATED: Final = 0.95
"""Chosen: beyond, launches tell nothing of the mean, whatever their number here."""

NO_INTERVAL: Final = f"no interval: each launch resembles the one before (correlation {MOST_CORRELATED:g} or more)"


def launch_correlation(engines: Sequence[FloatArray]) -> float:
    """Correlation of a launch with the one before, from the launch values of all engines of a place in their order; 0
    where it is not told from none.

    The machine does it to all engines alike, so their estimates are averaged. Each is too low by (1 + 4 rho) / n
    (Kendall 1954, Biometrika 41, 403-404), which is corrected.
    """
    found = [(len(one), r) for one in engines if len(one) >= FEWEST_FOR_DEPENDENCE and (r := lag_one(one)) is not None]
    if not found:
        return 0.0
    total = sum(n for n, _ in found)
    if math.sqrt(total) * sum(r + 1.0 / n for n, r in found) / len(found) <= DEPENDENCE_Z:
        return 0.0
    corrected = sum((n * r + 1.0) / (n - 4.0) for n, r in found) / len(found)
    return min(max(corrected, 0.0), MOST_CORRELATED)


def widening(correlation: float, launches: int, level: float) -> float:
    """Factor on the half width of a t interval over launches of which each resembles the last.

    With V = 1 + 2 sum (1 - k / n) rho^k the mean has V times the variance of independent launches, their spread shows
    only n / (n - 1) (1 - V / n) of the true one, and n / V is the effective number of launches (never below 2).
    """
    if correlation <= 0.0 or launches < FEWEST_FOR_DEPENDENCE:
        return 1.0
    lags = np.arange(1, launches)
    inflation = 1.0 + 2.0 * float(np.sum((1.0 - lags / launches) * correlation**lags))
    seen = launches / (launches - 1.0) * (1.0 - inflation / launches)
    worth = max(2.0, launches / inflation)
    return math.sqrt(inflation / seen) * t_quantile(worth - 1.0, level) / t_quantile(launches - 1.0, level)


def _widened(interval: Mapping[str, Any], correlation: float, *, logarithmic: bool) -> dict[str, Any]:
    one = Estimate(**interval)
    factor = widening(correlation, one.n, one.level)
    if factor == 1.0:
        return one.to_json()
    if correlation >= MOST_CORRELATED:
        return one.to_json() | {"low": None, "high": None, "method": f"{one.method}; {NO_INTERVAL}"}
    method = f"{one.method}, widened since launches resemble the one before (correlation {correlation:.2g})"
    if logarithmic:
        return replace(one.widened((factor - 1.0) * math.log(one.high / one.point)), method=method).to_json()
    more = (factor - 1.0) * (one.high - one.point)
    return replace(one, low=one.low - more, high=one.high + more, method=method).to_json()


def widen(place: Iterable[tuple[dict[str, Any], Mapping[int, float]]]) -> None:
    """Widen the intervals of one metric in one place, given the numbers and the launch values by block of each
    engine; from MOST_CORRELATED on there is none."""
    place = list(place)
    correlation = launch_correlation([np.array([values[block] for block in sorted(values)]) for _, values in place])
    if correlation == 0.0:
        return
    for numbers, _ in place:
        for holder in (numbers, numbers["without_outliers"] or {}):
            for name in ("mean_interval", "median_interval"):
                if holder.get(name):
                    holder[name] = _widened(holder[name], correlation, logarithmic=name == "median_interval")
        if any((one := numbers.get(name)) and one["low"] is None for name in ("mean_interval", "median_interval")):
            numbers["reason"] = NO_INTERVAL
