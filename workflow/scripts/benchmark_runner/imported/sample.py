"""What a file of another tool holds: samples with their unit, the values of each process together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.errors import shown
from benchmark_runner.statistics.metrics import Metric

_LARGEST: Final = 1e30
"""Chosen: above any measured value, as its reciprocal is below any in seconds; no sum, product or ratio overflows."""

UNLIKE_TOTALS: Final = 10.0
"""Chosen: times that lie so many times beside what their own file says of them are of another unit than it names;
tools round, and files that were cut by hand keep a mean that is a little off."""

UNLIKE_VALUES: Final = 5
"""Chosen: so many different times, and the same ones again, no clock gives to two runs by chance."""

TIME: Final = Metric(
    "time_ms",
    "ms",
    "lower",
    "launch",
    "time",
    "time of the benchmark, as the tool measured it",
    "runs {ratio} times as fast as",
)

MEMORY: Final = Metric(
    "memory_bytes",
    "bytes",
    "lower",
    "launch",
    "memory",
    "memory of the benchmark, as the tool measured it",
    "needs {ratio} times the memory of",
    inverse=True,
)


@dataclass(frozen=True)
class Fact:
    """What a file tells of how it was measured: a name for people, the value, and what a difference would mean."""

    label: str
    value: Any
    consequence: Consequence


@dataclass(frozen=True)
class ImportedSample:
    """One metric of one benchmark.

    launches holds the values of each process. one_process says how many repetitions of a single process they are, where
    the format has no processes; unusable why they must not be judged; statement what was run, where the file tells;
    origins are hashes of its times, one a file.
    """

    benchmark: str
    group: str | None
    metric: Metric
    launches: tuple[FloatArray, ...]
    one_process: int | None = None
    unusable: str | None = None
    statement: str | None = None
    origins: frozenset[str] = frozenset()

    @property
    def medians(self) -> FloatArray:
        """Median of each launch."""
        return np.array([np.median(values) for values in self.launches], dtype=np.float64)


SampleKey = tuple[str, str | None, str]
"""(benchmark, group, metric)."""


@dataclass(frozen=True)
class ImportedFile:
    """One result file: the tool that wrote it, what it tells of how, and its samples.

    failed says why by (benchmark or package, group) what failed and left nothing to judge; contents are hashes of what
    the file holds, so that a copy is known under another name, compression or encoding.
    """

    tool: str
    facts: Mapping[str, Fact]
    samples: Mapping[SampleKey, ImportedSample]
    failed: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    contents: frozenset[str] = frozenset()

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks, each once."""
        return list(dict.fromkeys(name for name, _, _ in self.samples))

    def value(self, fact: str) -> Any:
        """Value of a fact; None where the file does not tell it."""
        return self.facts[fact].value if fact in self.facts else None


def told_name(told: Any) -> str:
    """A name as a file tells it; "" where that is none that could be read."""
    return "" if told is None or not str(told).strip() else str(told)


def is_measurable(value: float) -> bool:
    """Whether a number is one that can have been measured."""
    return value == 0 or 1 / _LARGEST <= value <= _LARGEST


def measured(values: Any, factor: float = 1.0) -> tuple[FloatArray, str | None]:
    """(values times factor, None), or (nothing, why the values are none that can have been measured)."""
    if not isinstance(values, list):
        return np.empty(0), f"{shown(values)} is no list of measured numbers"
    for value in values:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and is_measurable(value)):
            return np.empty(0), f"{shown(value)} among its values is no measured number"
    return factor * np.array(values, dtype=np.float64), None


def each_by_itself(
    entries: Sequence[Any], read: Callable[[Any, int], list[ImportedSample]], name: Callable[[Any], Any]
) -> list[ImportedSample]:
    """What read takes from each entry and its number. One that is not as its tool writes it costs itself alone; its
    error is raised where no other is right."""
    samples: list[ImportedSample] = []
    broken: list[tuple[str, Exception]] = []
    for number, entry in enumerate(entries, start=1):
        try:
            samples += read(entry, number)
        except (KeyError, TypeError, AttributeError) as error:
            try:
                told = told_name(name(entry))
            except (KeyError, TypeError, AttributeError):
                told = ""
            broken.append((told or f"benchmark {number}", error))
    if broken and not samples:
        raise broken[0][1]
    return samples + [
        ImportedSample(told, None, TIME, (), unusable=f"it is not as its tool writes it ({error!r})")
        for told, error in broken
    ]


def by_key(samples: list[ImportedSample]) -> dict[SampleKey, ImportedSample]:
    """Samples by benchmark, group and metric; where several share all three, none of them can be told from the others
    and none is judged."""
    found: dict[SampleKey, ImportedSample] = {}
    for sample in samples:
        key = (sample.benchmark, sample.group, sample.metric.name)
        shared = "several results of the file have this name; give each a name of its own"
        found[key] = replace(sample, launches=(), unusable=shared) if key in found else sample
    return found
