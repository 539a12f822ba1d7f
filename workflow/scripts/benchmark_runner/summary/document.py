"""summary.json: the figures that people and programs ask for first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.statistics.results import Results
from benchmark_runner.summary.recommendation import recommend

SCHEMA_VERSION: Final = 1
NO_FASTEST: Final = "the data do not separate the engines, or fewer than two finished all their launches"


def _consistency_reason(performance: Mapping[str, Any]) -> str | None:
    return None if performance["most_consistent"] else "fewer than two ranked engines with a measured spread"


def summary_document(plan: Mapping[str, Any], results: Results, performance: Mapping[str, Any]) -> dict[str, Any]:
    """Content of summary.json; null values have their reason beside them."""
    candidate = performance["fastest_candidate"]
    matrix = performance["comparison_matrix"]
    throughput, gpu = performance["best_throughput"], performance["best_gpu_utilization"]
    consistent = performance["most_consistent"]
    fastest = performance["fastest_engine"]
    no_figure = None if candidate else "no engine was measured"
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": plan["campaign"],
        "model": plan["model"],
        "headline": performance["headline"],
        "summary": {
            "fastest_engine": fastest,
            "fastest_engine_reason": None if fastest else NO_FASTEST,
            "best_throughput": throughput["tokens_per_s"] if throughput else None,
            "best_throughput_engine": throughput["engine"] if throughput else None,
            "best_throughput_reason": None if throughput else no_figure or "no throughput was measured",
            "best_latency_ms": matrix[candidate]["latency_ms"] if candidate else None,
            "best_latency_engine": candidate,
            "best_latency_reason": no_figure,
            "most_consistent": consistent["engine"] if consistent else None,
            "most_consistent_reason": _consistency_reason(performance),
            "best_gpu_utilization": gpu["percent"] if gpu else None,
            "best_gpu_utilization_engine": gpu["engine"] if gpu else None,
            "best_gpu_utilization_reason": performance["best_gpu_utilization_reason"],
            "recommendation": recommend(results, performance, plan["model"]),
        },
        "comparison_matrix": matrix,
        "units": {
            "latency_ms": "ms",
            "throughput": "tokens/s",
            "speedup": "latency of the baseline over latency of the engine",
            "best_gpu_utilization": "%",
        },
        "control": results.summary["control"],
        "warnings": [one for one in results.summary["warnings"] if one["severity"] != "note"],
    }
