"""Go's benchmark format (https://go.dev/design/14313-benchmark-format), which benchstat reads.

`go test -count=N` repeats a benchmark N times in one process, so a file is one launch however many lines it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported.sample import TIME, Fact, ImportedFile, ImportedSample, by_key
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.units import NS_PER_MS

TOOL: Final = "Go benchmark"
PACKAGE: Final = "pkg"

RESULT: Final = re.compile(r"Benchmark(?P<name>\S+)\s+\d+\s+(?P<values>\S+\s+\S+(?:\s+\S+\s+\S+)*)\s*")
SETTING: Final = re.compile(r"(?P<key>[a-z][^\s:A-Z]*):[ \t]+(?P<value>.*?)\s*")
UNIT: Final = re.compile(r"Unit\s+(?P<unit>\S+)\s+(?P<notes>.*)")
BETTER: Final = re.compile(r"\bbetter=(lower|higher)\b")

LESS: Final = "needs {ratio} times as much as"
KNOWN: Final[Mapping[str, Metric]] = {
    "B/op": Metric("B/op", "B/op", "lower", "launch", "bytes allocated", "as Go counted", LESS, inverse=True),
    "allocs/op": Metric(
        "allocs/op", "allocs/op", "lower", "launch", "allocations", "as Go counted", LESS, inverse=True
    ),
    "MB/s": Metric(
        "MB/s", "MB/s", "higher", "launch", "speed", "as Go counted", "gets through {ratio} times as much as"
    ),
}
"""Units whose better direction is known without a `Unit` line, besides ns/op."""

MACHINE: Final = frozenset({"goarch", "cpu"})


def recognises(text: str) -> bool:
    """Whether text is a file of Go benchmarks."""
    return any(RESULT.fullmatch(line) for line in text.splitlines())


def _metric(unit: str, stated: Mapping[str, str]) -> tuple[Metric, float, str | None]:
    """(metric, values to one of its unit, why it cannot be judged)."""
    if unit == "ns/op" and unit not in stated:
        return TIME, NS_PER_MS, None
    if unit in KNOWN and unit not in stated:
        return KNOWN[unit], 1.0, None
    better = stated.get(unit)
    unusable = (
        None if better else f"the file does not say which direction of {unit} is better (Unit {unit} better=lower)"
    )
    higher = better == "higher"
    words = "reaches {ratio} times as much as" if higher else LESS
    return (
        Metric(
            unit, unit, "higher" if higher else "lower", "launch", unit, "as the file states", words, inverse=not higher
        ),
        1.0,
        unusable,
    )


def _facts(text: str, where: str) -> dict[str, Fact]:
    """The file's settings. Raises BenchmarkError where one other than the package changes after a result."""
    values: dict[str, str] = {}
    measured = False
    for line in text.splitlines():
        measured = measured or RESULT.fullmatch(line) is not None
        setting = SETTING.fullmatch(line)
        if setting is None or setting["key"] == PACKAGE:
            continue
        key, value = setting["key"], setting["value"]
        if measured and values.get(key) != value:
            raise BenchmarkError(
                f"{where}: {key} becomes {value!r} between results, so it holds several configurations; split it "
                "into a file for each"
            )
        values[key] = value
    kinds: Mapping[bool, Consequence] = {True: "other_machine", False: "part_of_the_change"}
    return {key: Fact(key, value, kinds[key in MACHINE]) for key, value in values.items()}


def read_go(text: str, where: str, *, repetitions_are_launches: bool) -> ImportedFile:
    """Samples of a file of Go benchmarks, one launch, or a launch a line where the user asserts separate processes."""
    stated = {}
    for line in text.splitlines():
        unit = UNIT.fullmatch(line)
        better = BETTER.search(unit["notes"]) if unit else None
        if unit and better:
            stated[unit["unit"]] = better[1]
    values: dict[tuple[str, str | None, str], list[float]] = {}
    package: str | None = None
    for line in text.splitlines():
        setting, result = SETTING.fullmatch(line), RESULT.fullmatch(line)
        if setting and setting["key"] == PACKAGE:
            package = setting["value"]
        if result:
            words = result["values"].split()
            for value, unit_name in zip(words[::2], words[1::2], strict=True):
                values.setdefault((result["name"], package, unit_name), []).append(_number(value, line, where))
    samples = []
    for (name, group, unit_name), found in values.items():
        metric, divisor, unusable = _metric(unit_name, stated)
        together = np.array(found, dtype=np.float64) / divisor
        launches = (
            tuple(together[[index]] for index in range(len(together))) if repetitions_are_launches else (together,)
        )
        one_process = None if repetitions_are_launches else len(found)
        samples.append(ImportedSample(name, group, metric, launches, one_process, unusable))
    return ImportedFile(TOOL, _facts(text, where), by_key(samples))


def _number(text: str, line: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BenchmarkError(
            f"{where}: {text!r} is no number in the line {line.strip()!r}; repair or remove it"
        ) from None
