"""What a level of load came to in all launches together, beside its metrics: tokens, failures, waiting, rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final

import numpy as np

from benchmark_runner.statistics.estimates import Estimate, mean_estimate, t_quantile, typical_estimate
from benchmark_runner.statistics.percentiles import PERCENTILES
from benchmark_runner.statistics.stages import Stage

RATES: Final = ("due_requests_per_s", "achieved_requests_per_s")


def _known(rows: Sequence[Stage], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row.get(name) is not None]


def _interval(values: Sequence[float], estimate: Estimate | None) -> dict[str, float | None] | None:
    """A point with its interval over launches, the value alone of one launch; None without any. All are above 0."""
    if estimate is not None:
        return {"point": estimate.point, "low": max(estimate.low, 0.0), "high": estimate.high}
    return {"point": fmean(values), "low": None, "high": None} if values else None


def error_interval(rows: Sequence[Stage], level: float) -> list[float] | None:
    """Wilson's interval of the share of measured requests that failed (Wilson 1927, JASA 22, 209-212); None below two
    launches.

    Requests of a launch fail together, so they count as fewer where launches differ by more than chance: as many as
    would differ so (Kish's design effect). The quantile is that of t over launches.
    """
    launches = [(float(row["failed"]), float(row["measured"])) for row in rows if row["measured"]]
    if len(launches) < 2:
        return None
    failed, measured = (np.array(one) for one in zip(*launches, strict=True))
    total, k = float(measured.sum()), len(launches)
    share = float(failed.sum()) / total
    chance = share * (1.0 - share) / total
    between = k / (k - 1) * float(np.sum((failed - share * measured) ** 2)) / total**2
    effective = total / max(1.0, between / chance) if chance > 0.0 else total
    z2 = t_quantile(k - 1, level) ** 2 / effective
    centre = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return [max(0.0, centre - half) if share else 0.0, min(1.0, centre + half)]


def level_figures(rows: Sequence[Stage], level: float) -> dict[str, Any]:
    """Figures of a cell from its stages, with intervals of this level over launches.

    Requests a second that were due and sent are those of an open loop alone, on average over launches.
    """
    totals, waits = _known(rows, "total_tokens_per_s"), {}
    for name in PERCENTILES:
        values = _known(rows, f"waited_{name}_ms")
        waits[name] = _interval(values, mean_estimate(np.array(values), level))
    is_open = any(row["asked_requests_per_s"] is not None for row in rows)
    rates = {name: fmean(values) for name in RATES if is_open and (values := _known(rows, name))}
    return {
        "error_rate_interval": error_interval(rows, level),
        "total_tokens_per_s": _interval(totals, typical_estimate(np.array(totals), level)),
        "waited_ms": waits,
        **rates,
    }
