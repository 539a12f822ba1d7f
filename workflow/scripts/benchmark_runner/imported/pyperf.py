"""pyperf's JSON (https://pyperf.readthedocs.io/en/latest/api.html, format 1.0): each run is a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.imported.sample import (
    MEMORY,
    TIME,
    UNLIKE_TOTALS,
    Fact,
    ImportedFile,
    ImportedSample,
    by_key,
    each_by_itself,
    is_measurable,
    measured,
    told_name,
)
from benchmark_runner.statistics.metrics import Metric

TOOL: Final = "pyperf"
VERSION: Final = "1.0"

UNITS: Final[Mapping[str, tuple[Metric, float]]] = {"second": (TIME, 1000.0), "byte": (MEMORY, 1.0)}
"""Metric and factor to its unit, by pyperf's unit; "integer" has no direction that is better."""

FACTS: Final[Mapping[str, tuple[str, Consequence]]] = {
    "timeit_stmt": ("statement", "not_comparable"),
    "timeit_setup": ("setup", "part_of_the_change"),
    "inner_loops": ("inner loops", "part_of_the_change"),
    "hostname": ("machine", "other_machine"),
    "cpu_model_name": ("processor", "other_machine"),
    "cpu_count": ("logical cores", "other_machine"),
    "platform": ("platform", "part_of_the_change"),
    "python_version": ("Python", "part_of_the_change"),
    "python_implementation": ("Python implementation", "part_of_the_change"),
    "python_compiler": ("compiler of Python", "part_of_the_change"),
    "python_cflags": ("flags of the compiler", "part_of_the_change"),
    "perf_version": ("pyperf", "part_of_the_change"),
    "timer": ("timer", "part_of_the_change"),
    "aslr": ("ASLR", "part_of_the_change"),
    "cpu_affinity": ("cores allowed", "part_of_the_change"),
    "cpu_config": ("processor settings", "part_of_the_change"),
}
"""Metadata that tells how was measured; the others change with every run."""


def recognises(content: Any) -> bool:
    """Whether decoded JSON is a file of pyperf."""
    return isinstance(content, dict) and isinstance(content.get("benchmarks"), list) and "version" in content


def _unlike_units(benchmark: Mapping[str, Any], shared: Mapping[str, Any], unit: str) -> str | None:
    """What says that the file, the benchmark and its runs name several units."""
    told = [shared, *(run.get("metadata") or {} for run in benchmark["runs"])]
    other = next((one["unit"] for one in told if one.get("unit", unit) != unit), None)
    return None if other is None else f"it is counted in {unit!r} and in {shown(other)}"


def _contradiction(run: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """What says that a run's values are of another unit than the time that its process took."""
    told = {**metadata, **(run.get("metadata") or {})}
    numbers: list[Any] = [told.get("duration"), told.get("loops", 1), told.get("inner_loops", 1)]
    if any(type(one) not in (int, float) or not one or not is_measurable(one) for one in numbers):
        return None  # not told, or nothing to hold against
    duration, loops, inner_loops = numbers
    seconds = sum(run.get("values") or []) * loops * inner_loops
    if seconds <= UNLIKE_TOTALS * duration:
        return None
    return f"the values of a run make {seconds:g} s of loops, its process took {duration:g} s: they are in another unit"


def _sample(benchmark: Mapping[str, Any], shared: Mapping[str, Any], number: int) -> ImportedSample:
    """The benchmark's sample; one that cannot be judged says why."""
    metadata = _metadata(benchmark, shared)
    name, unit = told_name(metadata.get("name")), told_name(metadata.get("unit", "second")) or "no unit"
    unusable = None if name else "it has no name in its metadata; write the file with pyperf 1.0 or newer"
    metric, factor = UNITS.get(unit) or (replace(MEMORY, name=unit, unit=unit, label=unit), 1.0)
    if unit not in UNITS:
        unusable = f"it is counted in {unit!r}, of which neither direction is known to be better"
    # A run without values only found the number of loops.
    runs = [measured(run["values"], factor) for run in benchmark["runs"] if run.get("values", []) != []]
    wrong = next((reason for _, reason in runs if reason), None) or (None if runs else "it has no run with values")
    wrong = wrong or _unlike_units(benchmark, shared, unit)
    if metric is TIME:
        wrong = wrong or next(filter(None, (_contradiction(run, metadata) for run in benchmark["runs"])), None)
    launches = () if wrong else tuple(values for values, _ in runs)
    return ImportedSample(
        name or f"benchmark {number}",
        None,
        metric,
        launches,
        unusable=unusable or wrong,
        statement=told_name(metadata.get("timeit_stmt")) or None,
    )


def read_pyperf(content: Mapping[str, Any]) -> ImportedFile:
    """Samples of a pyperf file, a launch a run. Raises BenchmarkError for another format version."""
    if content["version"] != VERSION:
        raise BenchmarkError(
            f"version {content['version']!r} of pyperf's format is not known, {VERSION!r} is; convert it with "
            "python -m pyperf convert"
        )
    shared = content.get("metadata", {})
    facts: dict[str, Fact] = {}

    def read(benchmark: Mapping[str, Any], number: int) -> list[ImportedSample]:
        sample = _sample(benchmark, shared, number)
        facts.update(_facts(benchmark, shared, sample.benchmark))
        return [sample]

    samples = each_by_itself(content["benchmarks"], read, lambda benchmark: _metadata(benchmark, shared).get("name"))
    return ImportedFile(TOOL, facts, by_key(samples))


def _metadata(benchmark: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """What all runs of a benchmark agree on, which stands above them, and what all benchmarks do."""
    return {**shared, **(benchmark.get("metadata") or {})}


def _facts(benchmark: Mapping[str, Any], shared: Mapping[str, Any], name: str) -> dict[str, Fact]:
    metadata, own = _metadata(benchmark, shared), benchmark.get("metadata") or {}
    found = {}
    for key, (label, consequence) in FACTS.items():
        if key in metadata:
            told = metadata[key]
            value = told if isinstance(told, (str, int)) else json.dumps(told, sort_keys=True)
            place, words = (f"{key}.{name}", f"{label} of {name}") if key in own else (key, label)
            found[place] = Fact(words, value, consequence)
    return found
