"""hyperfine's --export-json (its src/benchmark/benchmark_result.rs): each time is a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_runner.imported.sample import MEMORY, TIME, ImportedFile, ImportedSample, by_key, measured, told_name
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


def read_hyperfine(content: Mapping[str, Any]) -> ImportedFile:
    """Samples of a hyperfine file, a launch a time; it tells nothing of the machine."""
    samples = []
    for number, result in enumerate(content["results"], start=1):
        name = _name(result, number)
        samples.append(_sample(result, name, TIME, result.get("times") or [], MS_PER_S))
        if result.get("memory_usage_byte"):
            samples.append(_sample(result, name, MEMORY, result["memory_usage_byte"], 1.0))
    return ImportedFile(TOOL, {}, by_key(samples))
