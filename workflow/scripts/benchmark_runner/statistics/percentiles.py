"""Percentiles of raw iterations with intervals that know of launches (Woodruff 1952, JASA 47, 635-646)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.estimates import t_quantile

PERCENTILES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}

RISK_OF_MISSING: Final = 0.025
"""A percentile counts as estimable when the largest value lies beyond it with probability 1 - this: 0.95^72 = 0.0249
and 0.99^368 = 0.0248 are just below, hence at least 72 and 368 values."""

METHOD: Final = "Woodruff, variance between launches"


def fewest_values(share: float) -> int:
    """Fewest values from which this percentile (as a share) is estimated: 6, 36, 72, 368 for p50, p90, p95, p99."""
    return math.ceil(math.log(RISK_OF_MISSING) / math.log(share))


def share_standard_error(values: Sequence[FloatArray], quantile: float, share: float) -> float:
    """Standard error of the share of values below `quantile`, launches being clusters of unequal size.

    A value equal to it counts half, so that ties do not look like differences between launches. Linearised ratio
    estimator k / (k - 1) sum (below_i - share n_i)^2 / N^2; never below the binomial error of N independent values,
    since a few launches may agree by chance.
    """
    counts = np.array([len(launch) for launch in values], dtype=np.float64)
    below = np.array(
        [np.count_nonzero(launch < quantile) + np.count_nonzero(launch == quantile) / 2 for launch in values]
    )
    total, launches = float(counts.sum()), len(values)
    between = launches / (launches - 1) * float(np.sum((below - share * counts) ** 2)) / total**2
    return math.sqrt(max(between, share * (1.0 - share) / total))


def _undefined(reason: str, level: float, n: int, value: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "level": level, "method": METHOD, "n": n, "reason": reason}


def ordered_quantile(ordered: FloatArray, share: float) -> float:
    """Quantile of ascending values, linear between order statistics (numpy's default), without sorting them again."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def median_in_place(values: FloatArray) -> float:
    """As ordered_quantile of the values in ascending order; they end up in another order.

    One rank alone is picked, since numpy has vector instructions for one: for two it takes four times as long.
    """
    middle = len(values) // 2
    values.partition(middle)
    above = float(values[middle])
    if len(values) % 2:
        return above
    below = float(np.max(values[:middle]))
    return below + 0.5 * (above - below)


def median(values: FloatArray) -> float:
    """As ordered_quantile of the values in ascending order, which they need not be in."""
    return median_in_place(values.copy())


def _nth_deviation(ordered: FloatArray, centre: float, rank: int) -> float:
    """Distance from the centre that has this rank, counted from 0, without a list of all distances.

    Distances grow from the centre to either side, so those up to the rank are some values just below it and the others
    just above; bisection finds how many.
    """
    middle = int(np.searchsorted(ordered, centre))
    below, above = middle, len(ordered) - middle
    least, most = max(0, rank + 1 - above), min(below, rank + 1)
    while least < most:
        taken = (least + most) // 2
        # One value more from below is right where it lies nearer than the farthest that would be taken from above.
        if centre - ordered[middle - taken - 1] < ordered[middle + rank - taken] - centre:
            least = taken + 1
        else:
            most = taken
    farthest = [centre - ordered[middle - least]] if least else []
    farthest += [ordered[middle + rank - least] - centre] if rank >= least else []
    return float(max(farthest))


def median_deviation(ordered: FloatArray, centre: float) -> float:
    """Median absolute deviation of ascending values from their centre, without a copy of them."""
    count = len(ordered)
    ranks = (count // 2,) if count % 2 else (count // 2 - 1, count // 2)
    return sum(_nth_deviation(ordered, centre, rank) for rank in ranks) / len(ranks)


def _order_statistic(ordered: FloatArray, rank: int) -> float | None:
    """Value of this rank, counted from 1; None where the rank lies outside the data."""
    return float(ordered[rank - 1]) if 1 <= rank <= len(ordered) else None


def percentile(
    values: Sequence[FloatArray], ordered: FloatArray, share: float, level: float, effective: float | None = None
) -> dict[str, Any]:
    """One percentile of raw values (a list of launches, and the same values in ascending order) with its interval.

    effective is how many independent values they are worth: where these are too few for a percentile of the tail, the
    value stands without an interval.

    The value is linear between order statistics. The interval of the share, share +- t s with launches - 1 degrees of
    freedom, is turned into order statistics, rounded outwards: simulated, that covers 94 to 99 % where
    launches vary no more than iterations (without the rounding 92 to 98 %). A limit outside the data is null with its
    reason.
    """
    n, least = len(ordered), fewest_values(share)
    if n < least:
        return _undefined(f"not estimable: {n} values, needs at least {least}", level, n)
    value = ordered_quantile(ordered, share)
    launches = [launch for launch in values if len(launch)]
    if len(launches) < 2:
        return _undefined("no interval: one launch cannot show how launches vary", level, n, value)
    if share > 0.5 and effective is not None and effective < least:
        worth = f"{n} values of {len(launches)} launches are worth {effective:.0f} independent ones, needs {least}"
        return _undefined(f"no interval: {worth}", level, n, value)
    half = t_quantile(len(launches) - 1, level) * share_standard_error(launches, value, share)
    low = _order_statistic(ordered, math.floor((share - half) * n))
    high = _order_statistic(ordered, math.ceil((share + half) * n) + 1)
    missing = [name for name, limit in (("lower", low), ("upper", high)) if limit is None]
    reason = f"{' and '.join(missing)} limit beyond the data: {len(launches)} launches are too few" if missing else None
    return {"value": value, "low": low, "high": high, "level": level, "method": METHOD, "n": n, "reason": reason}
