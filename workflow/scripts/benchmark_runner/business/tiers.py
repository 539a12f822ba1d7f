"""performance_tiers: which engines are quick enough for which use, judged by intervals at the measured load."""

from __future__ import annotations

from typing import Any, Final

from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.statistics.metrics import METRICS
from benchmark_runner.statistics.results import Cell, Results

TIERS: Final = ("interactive", "standard", "batch")  # from the strictest on
NOTE: Final = (
    "a limit is kept where the whole interval of the typical (median) value keeps it, missed where the whole interval "
    "misses it, else not shown; one request in flight"
)
_BETTER: Final = {metric.name: metric.better for metric in METRICS}


def performance_tiers(inputs: BusinessInputs) -> dict[str, Any]:
    """Thresholds as configured, and for each engine and case the first tier of which every limit is kept."""
    limits: dict[str, dict[str, float]] = inputs.settings.get("tiers") or {}
    results = Results(inputs.statistics)
    rows = [
        {"engine": cell["engine"], "workload": cell["workload"], "case": cell["case"], "requests_in_flight": 1}
        | _judged(results, cell["engine"], Cell(cell["workload"], cell["case"]), limits)
        for cell in inputs.statistics["cells"]
        if cell["engine"] in results.engines and cell["case"] is not None
    ]
    seen = {row["engine"] for row in rows}
    rows += [
        {"engine": name, "workload": None, "case": None, "requests_in_flight": 1, "tier": None, "limits": []}
        | {"reason": engine["reason"] or "it was not measured"}
        for name, engine in results.engines.items()
        if name not in seen
    ]
    return {"thresholds": {tier: limits.get(tier) or {} for tier in TIERS}, "note": NOTE, "engines": rows}


def _judged(results: Results, engine: str, place: Cell, limits: dict[str, dict[str, float]]) -> dict[str, Any]:
    judged = []
    for tier in TIERS:
        for metric, limit in (limits.get(tier) or {}).items():
            found = results.estimate(engine, place, metric)
            result = limit_result(found, limit, _BETTER[metric])
            judged.append({"tier": tier, "metric": metric, "limit": limit, "value": found, "result": result})
    unranked = results.unranked(place, "e2e_ms").get(engine)
    reached = None
    if unranked is None:
        kept = (tier for tier in TIERS if {one["result"] for one in judged if one["tier"] == tier} == {"kept"})
        reached = next(kept, None)
    reason = unranked or (None if reached else "no tier's limits are all shown to be kept")
    return {"tier": reached, "limits": judged, "reason": reason}


def limit_result(found: dict[str, Any] | None, limit: float, better: str, factor: float = 1.0) -> str:
    """Whether an interval, times a factor, keeps a limit, misses it or leaves it open (kept, missed, not shown).

    The page's cost explorer judges by the same rule (`judged`), which a test holds against this one.
    """
    if found is None or found["low"] is None:
        return "not shown"
    low, high = found["low"] * factor, found["high"] * factor
    kept, missed = (high <= limit, low > limit) if better == "lower" else (low >= limit, high < limit)
    return "kept" if kept else "missed" if missed else "not shown"
