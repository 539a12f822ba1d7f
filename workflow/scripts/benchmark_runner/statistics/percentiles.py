"""Percentiles of raw iterations with intervals that know of launches (Woodruff 1952, JASA 47, 635-646)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmark_runner.statistics.estimates import FloatArray, t_quantile

PERCENTILES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}

RISK_OF_MISSING: Final = 0.025
"""A percentile counts as estimable when the largest value lies beyond it with probability 1 - this: 0.95^72 = 0.0249
and 0.99^368 = 0.0248 are just below, hence at least 72 and 368 values."""

METHOD: Final = "Woodruff, variance between launches"


def fewest_values(share: float) -> int:
    """Fewest values from which this percentile (as a share) is estimated: 6, 36, 72, 368 for p50, p90, p95, p99."""
    return math.ceil(math.log(RISK_OF_MISSING) / math.log(share))


def share_standard_error(values: Sequence[FloatArray], quantile: float, share: float) -> float:
    """Standard error of the share of values at or below `quantile`, launches being clusters of unequal size.

    Linearised ratio estimator k / (k - 1) sum (below_i - share n_i)^2 / N^2; never below the binomial error of N
    independent values, since a few launches may agree by chance.
    """
    counts = np.array([len(launch) for launch in values], dtype=np.float64)
    below = np.array([np.count_nonzero(launch <= quantile) for launch in values], dtype=np.float64)
    total, launches = float(counts.sum()), len(values)
    between = launches / (launches - 1) * float(np.sum((below - share * counts) ** 2)) / total**2
    return math.sqrt(max(between, share * (1.0 - share) / total))


def _undefined(reason: str, level: float, n: int, value: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "level": level, "method": METHOD, "n": n, "reason": reason}


def percentile(values: Sequence[FloatArray], pooled: FloatArray, share: float, level: float) -> dict[str, Any]:
    """One percentile of raw values (a list of launches, and the same values pooled) with its interval.

    The interval of the share, share +- t s with launches - 1 degrees of freedom, is turned into values by the same
    empirical quantile function (linear between order statistics). A limit outside the data is null with its reason.
    """
    n, least = len(pooled), fewest_values(share)
    if n < least:
        return _undefined(f"not estimable: {n} values, needs at least {least}", level, n)
    value = float(np.quantile(pooled, share))
    launches = [launch for launch in values if len(launch)]
    if len(launches) < 2:
        return _undefined("no interval: one launch cannot show how launches vary", level, n, value)
    half = t_quantile(len(launches) - 1, level) * share_standard_error(launches, value, share)
    low_share, high_share = share - half, share + half
    low = float(np.quantile(pooled, low_share)) if low_share > 0.0 else None
    high = float(np.quantile(pooled, high_share)) if high_share < 1.0 else None
    missing = [name for name, limit in (("lower", low), ("upper", high)) if limit is None]
    reason = f"{' and '.join(missing)} limit beyond the data: {len(launches)} launches are too few" if missing else None
    return {"value": value, "low": low, "high": high, "level": level, "method": METHOD, "n": n, "reason": reason}
