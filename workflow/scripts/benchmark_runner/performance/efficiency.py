"""What an engine makes of the machine: tokens a joule, a gigabyte and a core; how steady it is; how it scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmark_runner.configuration.not_asked import not_asked_words
from benchmark_runner.display import BYTES_PER_GB
from benchmark_runner.performance.ranking import LATENCY
from benchmark_runner.statistics.results import Cell, Results


def _cells(results: Results) -> Iterator[tuple[str, Cell]]:
    for one in results.summary["cells"]:
        if one["case"] is not None and one["engine"] in results.engines:
            yield one["engine"], Cell(one["workload"], one["case"])


def stability(results: Results) -> list[dict[str, Any]]:
    """Coefficients of variation of the latency within launches and between them; null where there are too few."""
    return [
        {"engine": engine, **asdict(cell), **{key: numbers[key] for key in ("cv_within", "cv_between")}}
        for engine, cell in _cells(results)
        for numbers in [results.metric(engine, cell, LATENCY)]
    ]


def _over(estimate: Mapping[str, Any] | None, divisor: float | None) -> dict[str, Any] | None:
    if estimate is None or not divisor:
        return None
    return {key: None if estimate[key] is None else estimate[key] / divisor for key in ("point", "low", "high")}


def efficiency(results: Results) -> list[dict[str, Any]]:
    """Tokens a second for each GB of peak memory and for each thread, by test case; tokens a joule of its workload."""
    found = []
    for engine, cell in _cells(results):
        rate, launch = results.estimate(engine, cell, results.throughput(cell)), Cell(cell.workload, None)
        energy = results.metric(engine, launch, "energy_joules_per_token")
        joules = results.estimate(engine, launch, "energy_joules_per_token")
        memory = results.metric(engine, launch, "peak_rss_bytes")
        # The memory of its launches is that of the test cases that it was asked for.
        left_out = results.engines[engine].get("not_asked", {}).get(cell.workload)
        unlike = not_asked_words(engine, cell.workload, left_out) if left_out else None
        peak = None if unlike else memory["max"]
        threads = results.engines[engine]["threads"]
        found.append(
            {
                "engine": engine,
                **asdict(cell),
                "tokens_per_joule": _inverse(joules),
                "tokens_per_joule_reason": None if joules else energy["reason"] or "no energy was measured",
                "tokens_per_s_per_gb": _over(rate, peak / BYTES_PER_GB if peak else None),
                "tokens_per_s_per_gb_reason": None if peak else unlike or memory["reason"] or "no memory was measured",
                "tokens_per_s_per_thread": _over(rate, threads),
                "threads": threads,
            }
        )
    return found


def _inverse(joules: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if joules is None or not joules["point"]:
        return None
    low, high = (1 / joules[bound] if joules[bound] else None for bound in ("high", "low"))
    return {"point": 1 / joules["point"], "low": low, "high": high}


def scaling(decode: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How much slower tokens come at the end of the answer than at its begin, by engine and test case.

    Over context alone: of test cases that send one request at a time.
    """
    series: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in decode:
        series.setdefault((one["engine"], one["workload"], one["case"]), []).append(one)
    return [
        {
            "engine": engine,
            "workload": workload,
            "case": case,
            "over": "context",
            "requests_in_flight": 1,
            "from_position": points[0]["position"],
            "to_position": points[-1]["position"],
            "speed_kept": points[-1]["tokens_per_s"]["point"] / points[0]["tokens_per_s"]["point"],
        }
        for (engine, workload, case), points in series.items()
        if len(points) > 1 and points[0]["tokens_per_s"]["point"]
    ]
