"""What could be wrong with a sample: spread, normality, dependence, drift, warm-up that has not ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from scipy import stats

from benchmark_runner.arrays import FloatArray, IntArray
from benchmark_runner.statistics.estimates import negligible_spread
from benchmark_runner.units import ROUNDING

CV_GATE: Final = 0.10
"""Coefficient of variation from which a sample is marked noisy, within and between launches (reference recipe)."""

DRIFT_ALPHA: Final = 0.05
"""Chosen: level at which a trend over the campaign is pointed out."""

NORMALITY_ALPHA: Final = 0.05
"""Chosen: level at which log launch medians are called not normal."""

STEP_PENALTY: Final = 15.0
"""A step counts when it lowers the squared error by more than this x ln n x variance (reference recipe). Of
independent series, 2 % of length 10 have one, 0.3 % of length 20 and none in 4,000 of length 50 (simulated)."""

FEWEST_FOR_STEADY: Final = 10
"""Chosen: in shorter series a step cannot be told from a slow iteration."""

STACKED_VALUES: Final = 1 << 20
"""Chosen: 8 MB, where a million iterations of one cell are not to be held twice."""

MAD_TO_SD: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def _stacked(launches: Sequence[FloatArray]) -> Iterator[FloatArray]:
    """Launches of equal length as the rows of an array, so many at a time as memory may hold twice."""
    by_length: dict[int, list[FloatArray]] = {}
    for values in launches:
        by_length.setdefault(len(values), []).append(values)
    for length, alike in by_length.items():
        rows = max(1, STACKED_VALUES // max(length, 1))
        yield from (np.stack(alike[first : first + rows]) for first in range(0, len(alike), rows))


def cv_within(launches: Sequence[FloatArray]) -> float | None:
    """Root mean square of the launches' coefficients of variation; None where no launch has two values."""
    squares: list[float] = []
    for rows in _stacked([values for values in launches if len(values) > 1]):
        means = np.mean(rows, axis=1)
        usable = means > 0.0
        squares += ((np.std(rows[usable], axis=1, ddof=1) / means[usable]) ** 2).tolist()
    return math.sqrt(sum(squares) / len(squares)) if squares else None


def cv_between(launch_medians: FloatArray) -> float | None:
    """Coefficient of variation of the launch medians; None below two launches or where their mean is not positive."""
    if len(launch_medians) < 2 or float(np.mean(launch_medians)) <= 0.0:
        return None
    return float(np.std(launch_medians, ddof=1)) / float(np.mean(launch_medians))


def noisy(within: float | None, between: float | None) -> bool:
    """Whether either coefficient of variation reaches the gate."""
    return any(value is not None and value >= CV_GATE for value in (within, between))


def normality(launch_medians: FloatArray) -> dict[str, Any]:
    """Shapiro-Wilk on the logarithms of the launch medians: the paired test supposes that their differences are
    normal."""
    method, n = "Shapiro-Wilk on log launch medians", len(launch_medians)
    blank = {"method": method, "n": n, "statistic": None, "p": None, "normal": None}
    if n < 3:
        return blank | {"reason": f"{n} launches; needs 3"}
    if not bool(np.all(launch_medians > 0)):
        return blank | {"reason": "a launch median is not positive"}
    logs = np.log(launch_medians / launch_medians[0])
    if negligible_spread(logs):
        return blank | {"reason": "all launch medians are equal"}
    found = stats.shapiro(logs)
    p = float(found.pvalue)
    return blank | {"statistic": float(found.statistic), "p": p, "normal": p > NORMALITY_ALPHA, "reason": None}


def lag_one(values: FloatArray) -> float | None:
    """Autocorrelation at lag 1; None where the values are equal, or would be but for rounding."""
    return next(_lag_one_each(values[np.newaxis]), None)


def _lag_one_each(rows: FloatArray) -> Iterator[float]:
    """That of each row whose values differ."""
    means = np.mean(rows, axis=1)
    centred = rows - means[:, np.newaxis]
    squares = np.sum(centred**2, axis=1)
    differ = squares > rows.shape[1] * (ROUNDING * means) ** 2
    yield from (np.sum(centred[differ, 1:] * centred[differ, :-1], axis=1) / squares[differ]).tolist()


def ljung_box(launches: Sequence[FloatArray]) -> dict[str, Any]:
    """Ljung-Box at lag 1 over launches: each launch's n (n + 2) r^2 / (n - 1) is chi-square with 1 degree of freedom,
    and independent launches add up (Ljung & Box 1978, Biometrika 65, 297-303)."""
    long = [values for values in launches if len(values) >= FEWEST_FOR_STEADY]
    usable = [(rows.shape[1], r) for rows in _stacked(long) for r in _lag_one_each(rows)]
    blank = {"method": "Ljung-Box at lag 1, summed over launches", "n": len(usable), "lag1": None, "p": None}
    if not usable:
        return blank | {"reason": f"no launch with {FEWEST_FOR_STEADY} differing iterations"}
    statistic = sum(n * (n + 2) * r * r / (n - 1) for n, r in usable)
    lag1 = sum(n * r for n, r in usable) / sum(n for n, _ in usable)
    return blank | {"lag1": lag1, "p": float(stats.chi2.sf(statistic, len(usable))), "reason": None}


def intraclass_correlation(launches: Sequence[FloatArray]) -> dict[str, Any]:
    """ICC(1) from one-way analysis of variance and the effective sample size N / (1 + (n0 - 1) ICC) (Kish 1965).

    n0 is the usual average size of unequal groups. The effective size says how many independent iterations the N are
    worth; it lies between the number of launches and N.
    """
    groups = [values for values in launches if len(values)]
    counts = np.array([len(values) for values in groups], dtype=np.float64)
    k, total = len(groups), float(counts.sum()) if groups else 0.0
    blank = {"method": "one-way analysis of variance", "n": int(total), "icc": None, "effective_n": None}
    if k < 2 or total <= k:
        return blank | {"reason": "needs two launches and more iterations than launches"}
    grand = sum(float(np.sum(rows)) for rows in _stacked(groups)) / total
    squares, about = 0.0, 0.0
    for rows in _stacked(groups):
        means = np.mean(rows, axis=1)
        about += rows.shape[1] * float(np.sum((means - grand) ** 2))
        squares += float(np.sum((rows - means[:, np.newaxis]) ** 2))
    between, within = about / (k - 1), squares / (total - k)
    size = (total - float(np.sum(counts**2)) / total) / (k - 1)
    scale = between + (size - 1.0) * within
    if scale <= (ROUNDING * grand) ** 2:
        return blank | {"reason": "all iterations are equal"}
    icc = max(0.0, (between - within) / scale)
    effective = min(total, max(float(k), total / (1.0 + (size - 1.0) * icc)))
    return blank | {"icc": icc, "effective_n": effective, "reason": None}


def drift(launch_medians: FloatArray, started: FloatArray) -> dict[str, Any]:
    """Kendall's tau of the launch medians against the time at which the launches started."""
    method, n = "Kendall's tau against start time", len(launch_medians)
    blank = {"method": method, "n": n, "tau": None, "p": None, "drifts": None}
    if n < 4:
        return blank | {"reason": f"{n} launches; needs 4"}
    largest = float(np.max(np.abs(launch_medians)))
    if largest == 0.0 or negligible_spread(launch_medians / largest):
        return blank | {"reason": "all launch medians are equal"}
    found = stats.kendalltau(started, launch_medians)
    tau, p = float(found.statistic), float(found.pvalue)
    if not (math.isfinite(tau) and math.isfinite(p)):
        return blank | {"reason": "start times are equal"}
    return blank | {"tau": tau, "p": p, "drifts": p <= DRIFT_ALPHA, "reason": None}


def step_at(values: FloatArray) -> int | None:
    """Index of the first value after the one most convincing step, None where no step beats the penalty."""
    return int(_steps(values[np.newaxis])[0]) or None


def _steps(rows: FloatArray) -> IntArray:
    """That of each row, 0 where there is none.

    All splits at once by cumulative sums. The variance comes from the differences of neighbours (MAD), so that the step
    itself does not inflate it.
    """
    n = rows.shape[1]
    changes = np.diff(rows, axis=1)
    deviations = np.abs(changes - np.median(changes, axis=1, keepdims=True))
    spreads = MAD_TO_SD * np.median(deviations, axis=1) / math.sqrt(2.0)
    left = np.arange(1, n)
    sums = np.cumsum(rows - np.mean(rows, axis=1, keepdims=True), axis=1)[:, :-1]
    gains = sums**2 * (1.0 / left + 1.0 / (n - left))
    convincing = (spreads > 0.0) & (np.max(gains, axis=1) > STEP_PENALTY * math.log(n) * spreads**2)
    return np.where(convincing, np.argmax(gains, axis=1) + 1, 0)


def steady_state(launches: Sequence[FloatArray]) -> dict[str, Any]:
    """Whether most launches run level; a step in most of them means that the warm-up is too short.

    A step in few launches is an event of the machine, not a property of the engine: it is counted, not judged.
    """
    long = [values for values in launches if len(values) >= FEWEST_FOR_STEADY]
    blank = {"method": "one mean shift, L2 cost, penalty 15 ln n variance", "n": len(long), "steady": None}
    if not long:
        reason = f"fewer than {FEWEST_FOR_STEADY} iterations a launch"
        return blank | {"launches_with_step": None, "reason": reason}
    steps = sum(int(np.count_nonzero(_steps(rows))) for rows in _stacked(long))
    return blank | {"steady": steps <= len(long) / 2, "launches_with_step": steps, "reason": None}
