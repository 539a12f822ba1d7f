"""Looking things up in statistical_summary.json."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmark_runner.checked import FAIL
from benchmark_runner.configuration.not_asked import not_asked_words
from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.levels import Grid, errors_at
from benchmark_runner.statistics.wording import CERTAIN
from benchmark_runner.statistics.work import Work, apart, odd_ones

Json = Mapping[str, Any]

GOODPUT: Final = "goodput_requests_per_s"


def read_statistics(path: Path) -> dict[str, Any]:
    """Content of statistical_summary.json; raises BenchmarkError that names file and key where it is none.

    Of each list the first entry is held against the schema, as the stage that wrote it has held all: of twenty engines
    they are 29 MB, and every reader would take 20 s.
    """
    content: dict[str, Any] = read_json(path)
    pairs = content.items() if isinstance(content, dict) else ()
    first = {key: value[:1] if isinstance(value, list) else value for key, value in pairs}
    require_valid("statistical_summary", first, str(path))
    return content


@dataclass(frozen=True)
class Cell:
    """A workload and its test case; the case is None for metrics of a whole launch."""

    workload: str
    case: str | None


class Results:
    """statistical_summary.json, indexed."""

    def __init__(self, summary: Json) -> None:
        self.summary = summary
        self._metrics: dict[tuple[str, str, str | None], Json] = {
            (cell["engine"], cell["workload"], cell["case"]): cell["metrics"] for cell in summary["cells"]
        }
        self._loads: dict[tuple[str, str, str | None], Json] = {
            (cell["engine"], cell["workload"], cell["case"]): cell["load"]
            for cell in summary["cells"]
            if cell.get("load")
        }
        self._work = {
            (cell["engine"], cell["workload"], cell["case"]): (cell["prompt_tokens"], cell["answer_tokens"])
            for cell in summary["cells"]
        }

    @property
    def engines(self) -> dict[str, Json]:
        """Engines without the control, in the plan's order."""
        return {entry["name"]: entry for entry in self.summary["engines"] if entry["control_of"] is None}

    @property
    def baseline(self) -> str:
        """Name of the engine that the others are compared with."""
        name: str = self.summary["campaign"]["baseline"]
        return name

    def metric(self, engine: str, cell: Cell, metric: str) -> Json:
        """Numbers of one metric in one cell."""
        return self._metrics[engine, cell.workload, cell.case][metric]  # type: ignore[no-any-return]

    def estimate(self, engine: str, cell: Cell, metric: str) -> dict[str, Any] | None:
        """The typical value with its interval, without flagged outliers where the settings say so.

        {point, low, high}; low and high are None with one launch; None where there is no value. Goodput, of which a
        launch may have none, is told by its mean.
        """
        numbers = self.metric(engine, cell, metric)
        if metric == GOODPUT and (mean := numbers["mean_interval"]) is not None:
            low = None if mean["low"] is None else max(mean["low"], 0.0)
            return {"point": mean["point"], "low": low, "high": mean["high"]}
        cleaned = numbers["without_outliers"] if self.summary["settings"]["remove_outliers"] else None
        shown = cleaned or numbers
        if shown["median_interval"] is not None:
            return {key: shown["median_interval"][key] for key in ("point", "low", "high")}
        return None if shown["median"] is None else {"point": shown["median"], "low": None, "high": None}

    def load(self, engine: str, cell: Cell) -> Json | None:
        """The cell's level of load and how its requests ended; None where one request is sent at a time."""
        return self._loads.get((engine, cell.workload, cell.case))

    @property
    def grids(self) -> list[Grid]:
        """The grids of levels of a campaign, each once; none without load."""
        rows = self.summary.get("capacity", {"engines": []})["engines"]
        found = {(row["workload"], row["group"], row["mode"]): row for row in rows}
        return [
            Grid(*key, {one["level"]: one["case"] for one in row["levels"]}, row["unit"], row.get("turns"))
            for key, row in found.items()
        ]

    def of_grid(self, grid: Grid) -> dict[str, Json]:
        """Rows of `capacity` in a grid, by engine, the controls among them."""
        key = (grid.workload, grid.group, grid.mode)
        rows = self.summary["capacity"]["engines"]
        return {row["engine"]: row for row in rows if (row["workload"], row["group"], row["mode"]) == key}

    def levels_beside(self, cell: Cell) -> list[Cell]:
        """All levels of the grid that a test case is of; none where one request is sent at a time."""
        for row in self.summary.get("capacity", {"engines": []})["engines"]:
            cases = [level["case"] for level in row["levels"]]
            if row["workload"] == cell.workload and cell.case in cases:
                return [Cell(cell.workload, case) for case in cases]
        return []

    def levels_at_limits(self, engine: str, cell: Cell) -> list[Cell]:
        """Levels of a test case's grid up to the engine's capacity, the highest first: what it may be asked to hold.

        None where no level keeps the limits; the test case itself where one request is sent at a time.
        """
        if self.load(engine, cell) is None:
            return [cell]
        levels = self.levels_beside(cell)
        for row in self.summary["capacity"]["engines"]:
            point = row["capacity"]["point"]
            same = (row["engine"], row["workload"]) == (engine, cell.workload)
            if same and any(level["case"] == cell.case for level in row["levels"]) and point and point["bound"] != "<":
                held = {level["case"] for level in row["levels"] if level["level"] <= point["value"]}
                return [one for one in reversed(levels) if one.case in held]
        return []

    def load_words(self, cell: Cell) -> str:
        """The level of load of a test case in words; empty where one request is sent at a time."""
        return next((str(load["words"]) for name in self.engines if (load := self.load(name, cell))), "")

    def throughput(self, cell: Cell) -> str:
        """The metric that is an engine's throughput in a test case: under load that of all requests together."""
        return "output_tokens_per_s" if self.load_words(cell) else "total_tokens_per_s"

    def work(self, engine: str, cell: Cell) -> Work | None:
        """How many tokens an engine computed in an iteration; None where it measured nothing."""
        done = self._work.get((engine, cell.workload, cell.case))
        return None if done is None or done[0] is None else Work(*done)

    def point(self, engine: str, cell: Cell, metric: str) -> float | None:
        """The typical value alone."""
        found = self.estimate(engine, cell, metric)
        return None if found is None else float(found["point"])

    def speedup(self, engine: str, cell: Cell, metric: str) -> float | None:
        """The baseline's typical time over the engine's; None where either is not known or they did unequal work."""
        own, base = self.point(engine, cell, metric), self.point(self.baseline, cell, metric)
        done = self.work(engine, cell), self.work(self.baseline, cell)
        if base is None or not own or (done[0] and done[1] and apart(done[0], done[1])):
            return None
        return base / own

    def why_not_served(self, engine: str, cell: Cell) -> str | None:
        """Why an engine was not measured in a cell since it cannot serve its workload, or its test case; else None."""
        entry = next(one for one in self.summary["engines"] if one["name"] == engine)
        unasked: str | None = entry.get("not_asked", {}).get(cell.workload, {}).get(cell.case)
        refused: str | None = entry.get("refused_loads", {}).get(cell.workload)
        return unasked or refused

    def not_asked_sentences(self, names: Container[str]) -> Iterator[str]:
        """Which of these engines were not asked for test cases, each with the reason."""
        for entry in self.summary["engines"]:
            for workload, reasons in entry.get("not_asked", {}).items() if entry["name"] in names else ():
                yield not_asked_words(entry["name"], workload, reasons)

    def lost(self, engine: str, workload: str | None = None) -> str | None:
        """What launches an engine lost in a workload, or where it lost none there in the others, by name; None where it
        lost none."""
        entry = self.engines[engine]
        told = entry.get("lost_by_workload", {})
        elsewhere = " and ".join(f"{words} in {name}" for name, words in told.items())
        return told.get(workload) or elsewhere or entry["lost_launches"]

    @cached_property
    def _by_cell(self) -> Mapping[tuple[str, str | None, str], list[Json]]:
        found: dict[tuple[str, str | None, str], list[Json]] = {}
        for one in self.summary["comparisons"]:
            found.setdefault((one["workload"], one["case"], one["metric"]), []).append(one)
        return found

    def comparisons(self, cell: Cell, metric: str) -> Iterator[Json]:
        """Comparisons of engines (not of the control) in one cell."""
        there = self._by_cell.get((cell.workload, cell.case, metric), ())
        return (one for one in there if one["kind"] != "control")

    def between(self, a: str, b: str, cell: Cell, metric: str) -> Json | None:
        """The comparison of two engines, or of the control and its twin, in either direction; None where there is
        none."""
        both, there = ((a, b), (b, a)), self._by_cell.get((cell.workload, cell.case, metric), ())
        return next((one for one in there if (one["engine"], one["reference"]) in both), None)

    def is_faster(self, a: str, b: str, cell: Cell, metric: str) -> bool:
        """Whether a verdict says with certainty that a is better than b."""
        one = self.between(a, b, cell, metric)
        return one is not None and one["verdict"] in CERTAIN and one["faster"] == a

    def separated(self, a: str, b: str, cell: Cell, metric: str) -> bool:
        """Whether a verdict orders the two engines with certainty."""
        return self.is_faster(a, b, cell, metric) or self.is_faster(b, a, cell, metric)

    def unranked(self, cell: Cell, metric: str) -> dict[str, str]:
        """Engines that take no part in a ranking, with the reason as a clause."""
        work = {name: done for name in self.engines if (done := self.work(name, cell)) is not None}
        odd, found = odd_ones(work, self.baseline), {}
        for name, entry in self.engines.items():
            if entry["fidelity"]["result"] == FAIL:
                found[name] = (
                    f"it does not compute the same as the reference ({entry['fidelity']['detail'] or 'no detail'})"
                )
            elif words := self.why_not_served(name, cell) or errors_at(self._loads, name, cell.workload, cell.case):
                found[name] = words
            elif name in odd:
                found[name] = f"it {odd[name]}"
            elif self.point(name, cell, metric) is None:
                found[name] = self.why_unmeasured(name, cell, metric)
        return found

    def why_unmeasured(self, engine: str, cell: Cell, metric: str) -> str:
        """Why an engine has no value of a metric in a cell."""
        entry = next(one for one in self.summary["engines"] if one["name"] == engine)
        lost = entry.get("lost_in", {}).get(cell.workload) or entry["reason"]
        why = self.why_not_served(engine, cell) or lost or self.metric(engine, cell, metric)["reason"]
        return str(why or "no measurement")

    def unranked_at_limits(self, cell: Cell) -> list[str]:
        """Engines that take no part in a ranking at the highest level of a test case's grid that they hold, or at the
        lowest where they hold none."""
        held = {name: self.levels_at_limits(name, cell) or self.levels_beside(cell)[:1] for name in self.engines}
        return [name for name, at in held.items() if name in self.unranked(at[0], self.throughput(cell))]
