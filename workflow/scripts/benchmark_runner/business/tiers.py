"""performance_tiers: which engines are quick enough for which use, judged by intervals at the measured load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.results import Cell, Results

RATE_METRIC: Final = "total_tokens_per_s"
TIERS: Final = ("interactive", "standard", "batch")  # from the strictest on
NOTE: Final = (
    "a limit is kept where the whole interval of the typical (median) value keeps it, missed where the whole interval "
    "misses it, else not shown; "
)
ALONE: Final = "one request in flight"
UNDER_LOAD: Final = "each level of load by itself, its tokens a second those of all requests together"


def performance_tiers(inputs: BusinessInputs) -> dict[str, Any]:
    """Thresholds as configured, and for each engine and case the first tier of which every limit is kept."""
    limits: dict[str, dict[str, float]] = inputs.settings.get("tiers") or {}
    results = inputs.results
    rows = [
        {"engine": cell["engine"], "workload": cell["workload"], "case": cell["case"]}
        | {"requests_in_flight": in_flight(cell.get("load"))}
        | ({"load": cell["load"]["words"]} if cell.get("load") else {})
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
    return {
        "thresholds": {tier: limits.get(tier) or {} for tier in TIERS},
        "note": NOTE + (UNDER_LOAD if "load" in inputs.statistics else ALONE),
        "engines": rows,
    }


def in_flight(load: Mapping[str, Any] | None) -> int | None:
    """Requests in flight by a cell's load: null where they come on a schedule, or in conversations that may pause."""
    if load is None:
        return 1
    return int(load["level"]) if load["mode"] == "closed" and "turns" not in load else None


def _judged(results: Results, engine: str, place: Cell, limits: dict[str, dict[str, float]]) -> dict[str, Any]:
    judged = []
    for tier in TIERS:
        for metric, limit in (limits.get(tier) or {}).items():
            measured = results.throughput(place) if metric == RATE_METRIC else metric
            found = results.estimate(engine, place, measured)
            result = limit_result(found, limit, BY_NAME[metric].better)
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
