"""performance_analysis.json: what the verdicts mean for someone who chooses an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmark_runner.performance import advice, ranking
from benchmark_runner.performance.answer import answer
from benchmark_runner.performance.decode import decode_by_position
from benchmark_runner.performance.efficiency import efficiency, scaling, stability
from benchmark_runner.performance.ranking import LATENCY
from benchmark_runner.performance.roofline import NO_CALIBRATION, Roofline
from benchmark_runner.performance.under_load import load_json
from benchmark_runner.statistics.results import Cell, Results

SCHEMA_VERSION: Final = 1


def phases(results: Results, plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Where the time of a request goes: until the first token (prefill) and after it (decode), and loading before
    it."""
    found: dict[str, dict[str, Any]] = {}
    for name in results.engines:
        cases = []
        for workload in plan["workloads"]:
            for case in workload["cases"]:
                cell = Cell(workload["name"], case["name"])
                whole, first = results.point(name, cell, LATENCY), results.point(name, cell, "ttft_ms")
                if case.get("load"):
                    continue  # the time to the first token holds the wait for others
                if whole is None or first is None or whole <= 0:
                    continue
                share = min(1.0, first / whole)
                cases.append(
                    {
                        **asdict(cell),
                        "prefill_ms": first,
                        "decode_ms": max(0.0, whole - first),
                        "prefill_share": share,
                        "decode_share": 1.0 - share,
                    }
                )
        loads = [results.point(name, Cell(workload["name"], None), "load_ms") for workload in plan["workloads"]]
        known = [value for value in loads if value is not None]
        found[name] = {"load_ms": sum(known) / len(known) if known else None, "cases": cases}
    return found


def memory(results: Results, plan: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Highest memory that any launch of an engine needed, and the size of the weights."""
    found: dict[str, dict[str, Any]] = {}
    weights_bytes = manifest["weights_bytes"] if manifest else None
    for name in results.engines:
        entry: dict[str, Any] = {}
        for metric in ("peak_rss_bytes", "peak_vram_bytes"):
            cells = [results.metric(name, Cell(workload["name"], None), metric) for workload in plan["workloads"]]
            values = [numbers["max"] for numbers in cells if numbers["max"] is not None]
            entry[metric] = max(values) if values else None
            entry[f"{metric}_reason"] = None if values else cells[0]["reason"]
        entry["weights_bytes"] = weights_bytes
        entry["weights_bytes_reason"] = None if weights_bytes is not None else "no model manifest was given"
        found[name] = entry
    return found


def findings(results: Results, headline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sentences on the headline cells: latency and first token, throughput, memory."""
    latency = ranking.headline_cell(headline, "latency")
    throughput = ranking.headline_cell(headline, "throughput")
    wanted: Sequence[tuple[str, Cell, str]] = (
        ("latency", latency, LATENCY),
        ("first_token", latency, "ttft_ms"),
        ("decode", throughput, "tpot_ms"),
        ("throughput", throughput, results.throughput(throughput)),
        ("load", Cell(latency.workload, None), "load_ms"),
        ("memory", Cell(latency.workload, None), "peak_rss_bytes"),
    )
    return [
        {
            "kind": kind,
            **asdict(cell),
            "metric": metric,
            **{key: one[key] for key in ("engine", "reference", "verdict", "sentence")},
        }
        for kind, cell, metric in wanted
        for one in results.comparisons(cell, metric)
        if one["ratio"] is not None
    ]


def analyse(
    plan: Mapping[str, Any],
    summary: Mapping[str, Any],
    iterations: Path,
    manifest: Mapping[str, Any] | None,
    calibration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Content of performance_analysis.json."""
    results = Results(summary)
    headline = ranking.choose_headline(plan)
    latency, throughput = (ranking.headline_cell(headline, figure) for figure in ("latency", "throughput"))
    matrix = ranking.comparison_matrix(results, latency, throughput)
    now = ranking.standing(results, latency)
    # The best figures are those of engines that lost no launch, where there is one.
    names = now.reliable or now.ranked
    gpu, gpu_reason = ranking.gpu_utilisation(results, names, throughput.workload)
    cells = [
        (workload["name"], case["name"])
        for workload in plan["workloads"]
        for case in workload["cases"]
        if not case.get("load")  # chunks of requests that share the engine
    ]
    load = load_json(results)
    found_phases = phases(results, plan)
    loads = {name: entry["load_ms"] for name, entry in found_phases.items()}
    level = float(summary["settings"]["confidence_level"])
    decode = decode_by_position(iterations, [one["name"] for one in summary["engines"]], cells, level)
    return {
        "schema_version": SCHEMA_VERSION,
        "headline": headline,
        "comparison_matrix": matrix,
        "ranking": ranking.rank(results, matrix, now, latency),
        "unranked": [{"engine": name, "reason": one["reason"]} for name, one in matrix.items() if not one["ranked"]],
        "fastest_engine": now.fastest,
        "fastest_candidate": names[0] if names else None,
        "not_separated_from_candidate": now.rivals,
        "advice": advice.statements(results, plan),
        "answer": answer(results, plan),
        "best_throughput": ranking.best_by_throughput(results, names, throughput),
        "most_consistent": ranking.most_consistent(results, names, latency),
        "best_gpu_utilization": gpu,
        "best_gpu_utilization_reason": gpu_reason,
        "phases": found_phases,
        "calibration": calibration,
        "calibration_reason": None if calibration else NO_CALIBRATION,
        "bottlenecks": list(Roofline(results, manifest, calibration).bottlenecks(loads)),
        "stability": stability(results),
        "efficiency": efficiency(results),
        "scaling": scaling(decode),
        "decode_by_position": decode,
        "memory": memory(results, plan, manifest),
        "findings": findings(results, headline),
        **({"load": load} if load else {}),
    }
