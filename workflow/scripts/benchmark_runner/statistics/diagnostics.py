"""What could be wrong with a sample: spread, normality, dependence, drift, warm-up that has not ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy import stats

from benchmark_runner.arrays import FloatArray
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

MAD_TO_SD: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def cv_within(launches: Sequence[FloatArray]) -> float | None:
    """Root mean square of the launches' coefficients of variation; None where no launch has two values."""
    squares = [
        (float(np.std(values, ddof=1)) / float(np.mean(values))) ** 2
        for values in launches
        if len(values) > 1 and float(np.mean(values)) > 0.0
    ]
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
    mean = float(np.mean(values))
    centred = values - mean
    squares = float(np.sum(centred**2))
    if squares <= len(values) * (ROUNDING * mean) ** 2:
        return None
    return float(np.sum(centred[1:] * centred[:-1])) / squares


def ljung_box(launches: Sequence[FloatArray]) -> dict[str, Any]:
    """Ljung-Box at lag 1 over launches: each launch's n (n + 2) r^2 / (n - 1) is chi-square with 1 degree of freedom,
    and independent launches add up (Ljung & Box 1978, Biometrika 65, 297-303)."""
    pairs = [(len(values), lag_one(values)) for values in launches if len(values) >= FEWEST_FOR_STEADY]
    usable = [(n, r) for n, r in pairs if r is not None]
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
    means = np.array([float(np.mean(values)) for values in groups])
    grand = float(np.sum(means * counts)) / total
    between = float(np.sum(counts * (means - grand) ** 2)) / (k - 1)
    within = sum(float(np.sum((values - mean) ** 2)) for values, mean in zip(groups, means, strict=True)) / (total - k)
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
    """Index of the first value after the one most convincing step, None where no step beats the penalty.

    All splits at once by cumulative sums. The variance comes from the differences of neighbours (MAD), so that the step
    itself does not inflate it.
    """
    n = len(values)
    changes = np.diff(values)
    spread = MAD_TO_SD * float(np.median(np.abs(changes - np.median(changes)))) / math.sqrt(2.0)
    if spread == 0.0:
        return None
    left = np.arange(1, n)
    sums = np.cumsum(values - np.mean(values))[:-1]
    gain = sums**2 * (1.0 / left + 1.0 / (n - left))
    best = int(np.argmax(gain))
    return best + 1 if float(gain[best]) > STEP_PENALTY * math.log(n) * spread**2 else None


def steady_state(launches: Sequence[FloatArray]) -> dict[str, Any]:
    """Whether most launches run level; a step in most of them means that the warm-up is too short.

    A step in few launches is an event of the machine, not a property of the engine: it is counted, not judged.
    """
    long = [values for values in launches if len(values) >= FEWEST_FOR_STEADY]
    blank = {"method": "one mean shift, L2 cost, penalty 15 ln n variance", "n": len(long), "steady": None}
    if not long:
        reason = f"fewer than {FEWEST_FOR_STEADY} iterations a launch"
        return blank | {"launches_with_step": None, "reason": reason}
    steps = sum(step_at(values) is not None for values in long)
    return blank | {"steady": steps <= len(long) / 2, "launches_with_step": steps, "reason": None}
