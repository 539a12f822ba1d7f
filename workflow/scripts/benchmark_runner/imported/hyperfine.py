"""hyperfine's --export-json (its src/benchmark/benchmark_result.rs): each time is a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmark_runner.imported.sample import MEMORY, TIME, ImportedFile, ImportedSample, by_key
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.units import MS_PER_S

TOOL: Final = "hyperfine"


def recognises(content: Any) -> bool:
    """Whether decoded JSON is a file of hyperfine."""
    results = content.get("results") if isinstance(content, dict) else None
    return isinstance(results, list) and all(isinstance(one, dict) and "command" in one for one in results)


def _unusable(result: Mapping[str, Any]) -> str | None:
    codes = result.get("exit_codes") or []
    failed = sum(code != 0 for code in codes)
    if failed:
        return f"{failed} of {len(codes)} runs of {result['command']} ended with a status other than 0"
    if not result.get("times"):
        return f"the file has no single times of {result['command']}, only their mean"
    return None


def _sample(result: Mapping[str, Any], metric: Metric, values: Sequence[float]) -> ImportedSample:
    launches = tuple(np.array([value], dtype=np.float64) for value in values)
    return ImportedSample(result["command"], None, metric, launches, unusable=_unusable(result))


def read_hyperfine(content: Mapping[str, Any]) -> ImportedFile:
    """Samples of a hyperfine file, a launch a time; it tells nothing of the machine."""
    samples = []
    for result in content["results"]:
        samples.append(_sample(result, TIME, [MS_PER_S * time_s for time_s in result.get("times") or []]))
        if result.get("memory_usage_byte"):
            samples.append(_sample(result, MEMORY, result["memory_usage_byte"]))
    return ImportedFile(TOOL, {}, by_key(samples))
