"""hyperfine's --export-json (its src/benchmark/benchmark_result.rs): each time is a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from benchmark_runner.errors import shown
from benchmark_runner.imported.sample import (
    MEMORY,
    TIME,
    UNLIKE_TOTALS,
    ImportedFile,
    ImportedSample,
    by_key,
    each_by_itself,
    is_measurable,
    measured,
    told_name,
)
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.units import MS_PER_S

TOOL: Final = "hyperfine"


def recognises(content: Any) -> bool:
    """Whether decoded JSON is a file of hyperfine."""
    results = content.get("results") if isinstance(content, dict) else None
    return isinstance(results, list) and all(isinstance(one, dict) and "command" in one for one in results)


def _name(result: Mapping[str, Any], number: int) -> str:
    """The command with its parameters: those of one scan share the name that --command-name gives."""
    parameters = ", ".join(f"{key}={value}" for key, value in (result.get("parameters") or {}).items())
    name = told_name(result["command"]) or f"result {number}"
    return f"{name} ({parameters})" if parameters else name


def _unusable(result: Mapping[str, Any], name: str) -> str | None:
    if not told_name(result["command"]):
        return "it has no name; give it one by hyperfine's --command-name"
    codes = result.get("exit_codes") or []
    failed = sum(code != 0 for code in codes)
    if failed:
        return f"{failed} of {len(codes)} runs of {name} ended with a status other than 0"
    if not result.get("times"):
        return f"the file has no single times of {name}, only their mean"
    return None


def _sample(
    result: Mapping[str, Any], name: str, metric: Metric, values: Sequence[Any], factor: float
) -> ImportedSample:
    found, wrong = measured(values, factor)
    return ImportedSample(name, None, metric, tuple(found[:, None]), unusable=_unusable(result, name) or wrong)


def _contradiction(result: Mapping[str, Any], times: Sequence[float]) -> str | None:
    """What says that single times and their mean are not of one unit."""
    mean = result.get("mean")
    if mean is None or not times:
        return None
    if isinstance(mean, bool) or not isinstance(mean, (int, float)) or not is_measurable(mean):
        return f"its mean is {shown(mean)}, which is no measured number"
    found = sum(times) / len(times)
    if found <= UNLIKE_TOTALS * mean and mean <= UNLIKE_TOTALS * found:
        return None
    return f"its mean is {mean:g} s where its single times have {found:g} s: one of them is in another unit"


def _samples(result: Mapping[str, Any], number: int) -> list[ImportedSample]:
    name, times = _name(result, number), result.get("times") or []
    time = _sample(result, name, TIME, times, MS_PER_S)
    if time.unusable is None:
        time = replace(time, unusable=_contradiction(result, times))
    memory = result.get("memory_usage_byte")
    return [time, _sample(result, name, MEMORY, memory, 1.0)] if memory else [time]


def read_hyperfine(content: Mapping[str, Any]) -> ImportedFile:
    """Samples of a hyperfine file, a launch a time; it tells nothing of the machine."""
    samples = each_by_itself(content["results"], _samples, lambda result: result["command"])
    return ImportedFile(TOOL, {}, by_key(samples))
