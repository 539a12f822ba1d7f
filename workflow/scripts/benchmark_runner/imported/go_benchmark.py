"""Go's benchmark format (https://go.dev/design/14313-benchmark-format), which benchstat reads.

`go test -count=N` repeats a benchmark N times in one process, so a file is one launch however many lines it has.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import fingerprint
from benchmark_runner.imported.sample import TIME, Fact, ImportedFile, ImportedSample, by_key, is_measurable
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.units import NS_PER_MS, NS_PER_S

TOOL: Final = "Go benchmark"
PACKAGE: Final = "pkg"

_VALUES: Final = r"\s+(?P<loops>\d+)\s+(?P<values>\S+\s+\S+(?:\s+\S+\s+\S+)*)\s*"
NUMBER: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""As Go prints it; Python's float takes 1_000 and digits of other scripts too."""
RESULT: Final = re.compile(rf"Benchmark(?P<name>\S+){_VALUES}")
# Go prints the name before a benchmark runs and the values after it, so that other output may stand between the two.
ORPHAN: Final = re.compile(rf"(?=\s*\d+\s+[\d.]+\s+\S+/op)\s*{_VALUES.removeprefix(chr(92) + 's+')}")
BEGUN: Final = re.compile(r"Benchmark(?P<name>[^a-z\s]\S*)(?: *\t| +\d).*")
NAMED: Final = re.compile(r"Benchmark(?P<name>[^a-z\s]\S*)\s*")
FAILED: Final = re.compile(r"\s*--- FAIL: Benchmark(?P<name>\S+).*")
FAILURE: Final = re.compile(
    r"(?:FAIL(?:\s+(?P<package>\S+).*)?|--- FAIL: .*|panic: .*|fatal error: .*|exit status [1-9].*|signal: .*"
    r"|SIG[A-Z]+: .*|\*\*\* Test killed.*)"
)
ENDED: Final = re.compile(r"ok\s+\S+\s+(?P<seconds>[0-9]+\.?[0-9]*)s(\s.*)?")
SETTING: Final = re.compile(r"(?P<key>[a-z][^\s:A-Z]*):[ \t]+(?P<value>.*?)\s*")
UNIT: Final = re.compile(r"Unit\s+(?P<unit>\S+)\s+(?P<notes>.*)")
BETTER: Final = re.compile(r"\bbetter=(lower|higher)\b")

UNLIKE_TOTALS: Final = 100.0
"""Chosen: a package whose loops take so many times as long as its process has times of another unit than ns. More than
for other tools, since a benchmark may count the waiting of all its goroutines as its own ns/op."""

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


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def recognises(text: str) -> bool:
    """Whether text is a file of Go benchmarks, be it one whose benchmarks all failed."""
    return any(RESULT.fullmatch(line) or FAILED.fullmatch(line) or BEGUN.fullmatch(line) for line in _lines(text))


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
    for line in _lines(text):
        measured = measured or RESULT.fullmatch(line) is not None
        setting = SETTING.fullmatch(line)
        if setting is None or setting["key"] == PACKAGE or FAILURE.fullmatch(line):
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


Name = tuple[str, str | None]
"""(benchmark, package)."""


class _Reading:
    """What the lines of a file say one after the other."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str | None, str], list[float]] = {}
        self.count: Counter[Name] = Counter()
        self.wrong: dict[tuple[str, str | None, str | None], str] = {}
        """Why a benchmark is not judged; why one unit of it is not, where that alone is wrong."""
        self.failed: dict[Name, str] = {}
        """Benchmarks and packages that failed, with the words of the first line that says so."""
        self._package: str | None = None
        self._pending: str | None = None
        """The benchmark whose name has come and whose values have not."""
        self._sure = False
        """Whether values must follow: `go test -v` prints bare names of which none do."""
        self._last: Name | None = None
        self._loops_ns: dict[Name, float] = {}
        """Time that the loops of each benchmark took since the last process ended."""

    def read(self, line: str) -> None:
        """Take the next line."""
        setting, result, failed = SETTING.fullmatch(line), RESULT.fullmatch(line), FAILED.fullmatch(line)
        failure, orphan = FAILURE.fullmatch(line), ORPHAN.fullmatch(line)
        begun = BEGUN.fullmatch(line)
        started = begun or NAMED.fullmatch(line)
        if result:
            self._settle()
            self._add(result["name"], result, line)
        elif orphan and self._pending:
            self._add(self._pending, orphan, line)
            self._pending = None
        elif orphan:
            self.failed.setdefault(("values without a name", self._package), f"no benchmark began: {line.strip()}")
        elif started:
            self._settle()
            self._pending, self._sure = started["name"], begun is not None
        elif failed:
            self.failed.setdefault((failed["name"], self._package), f"the file says: {line.strip()}")
        elif failure:
            package = failure["package"] or self._package
            self.failed.setdefault((package or "the test run", None), f"the file says: {line.strip()}")
        elif setting and setting["key"] == PACKAGE:
            self._settle()
            self._package, self._last = setting["value"], None
        elif line.strip() == "PASS":
            self._last = None
        elif ended := ENDED.fullmatch(line):
            self._end_process(float(ended["seconds"]))

    def _settle(self) -> None:
        """The benchmark that was begun ends here, without values."""
        if self._pending is not None and self._sure:
            self.failed.setdefault((self._pending, self._package), "it began and its values are not in the file")
        self._pending = None

    def _end_process(self, seconds: float) -> None:
        """A process ended that took so long, as far as it is told to the millisecond."""
        loops_s = sum(self._loops_ns.values()) / NS_PER_S
        if seconds and loops_s > UNLIKE_TOTALS * seconds:
            words = f"its package's loops make {loops_s:g} s, its process took {seconds:g} s: one is in another unit"
            for key in self._loops_ns:
                self.wrong.setdefault((*key, "ns/op"), words)
        self._loops_ns = {}

    def _add(self, name: str, found: re.Match[str], line: str) -> None:
        self._last = key = (name, self._package)
        self.count[key] += 1
        words = found["values"].split()
        if not int(found["loops"][:20]):
            self.wrong.setdefault((*key, None), f"it ran no loop in the line {line.strip()!r}")
        for text, unit in zip(words[::2], words[1::2], strict=True):
            value = float(text) if NUMBER.fullmatch(text) else math.nan
            if not is_measurable(value):
                self.wrong.setdefault((*key, unit), f"{text!r} is no measured number in the line {line.strip()!r}")
            elif unit == "ns/op":
                self._loops_ns[key] = self._loops_ns.get(key, 0.0) + value * int(found["loops"][:20])
            self.values.setdefault((*key, unit), []).append(value)

    def end(self, last_line: str) -> None:
        """The file ends, its last line being this one where it has no line end."""
        cut = NAMED.fullmatch(last_line)
        self._sure = self._sure or cut is not None
        self._settle()
        others = {count for key, count in self.count.items() if key != self._last}
        if self._last and len(others) == 1 and self.count[self._last] < min(others):
            words = f"the file ends in the midst of it: {self.count[self._last]} of {min(others)} lines"
            self.wrong[(*self._last, None)] = words
        for failed, reason in list(self.failed.items()):
            for key in self.count:
                if failed[1] == key[1] and _bare(failed[0]) == _bare(key[0]):
                    self.wrong.setdefault((*key, None), reason)
                    self.failed.pop(failed, None)


def _bare(name: str) -> str:
    """A benchmark's name without the number of processors, which not every line has."""
    return re.sub(r"-\d+$", "", name)


def read_go(text: str, where: str, *, repetitions_are_launches: bool) -> ImportedFile:
    """Samples of a file of Go benchmarks, one launch, or a launch a line where the user asserts separate processes."""
    stated, reading, lines = {}, _Reading(), _lines(text)
    for line in lines:
        unit = UNIT.fullmatch(line)
        better = BETTER.search(unit["notes"]) if unit else None
        if unit and better:
            stated[unit["unit"]] = better[1]
        reading.read(line)
    reading.end(lines[-1])
    samples = []
    for (name, group, unit_name), found in reading.values.items():
        metric, divisor, unusable = _metric(unit_name, stated)
        wrong = reading.wrong.get((name, group, None)) or reading.wrong.get((name, group, unit_name))
        if wrong is None and len(found) != reading.count[name, group]:
            wrong = f"its {reading.count[name, group]} lines tell {len(found)} values of it"
        together = np.array([] if wrong else found, dtype=np.float64) / divisor
        launches = tuple(together[:, None]) if repetitions_are_launches or wrong else (together,)
        one_process = None if repetitions_are_launches else len(found)
        samples.append(ImportedSample(name, group, metric, launches, one_process, wrong or unusable))
    content = fingerprint(["".join(line.split()) for line in lines if RESULT.fullmatch(line)])
    return ImportedFile(TOOL, _facts(text, where), by_key(samples), reading.failed, frozenset({content}))
