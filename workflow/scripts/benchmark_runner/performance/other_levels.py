"""Levels of load that would tell capacities apart where those measured do not, and the campaign that measures them."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmark_runner.configuration.search import HIGHEST, KEYS, LEVELS_OF, LOWEST, MOST, levels_around
from benchmark_runner.performance.advice import listed
from benchmark_runner.performance.at_limits import ENDS
from benchmark_runner.statistics.levels import OF_TRACE, Grid, level_text
from benchmark_runner.statistics.power import family_size, fewest_launches, share_of_alpha
from benchmark_runner.statistics.results import Json, Results

DOUBLINGS: Final = 4
"""Levels beyond an end of a grid (chosen): eight times as far, which a search would double as often for."""


class OtherLevels(NamedTuple):
    """Levels of a grid to measure instead: finer, higher or lower ones; and the engines they are to tell apart."""

    grid: Grid
    kind: str
    levels: Sequence[float]
    engines: Sequence[str]

    @property
    def words(self) -> str:
        """The levels in a sentence."""
        return f"{listed([level_text(level) for level in self.levels])} {self.grid.unit} in {self.grid.title}"


def other_levels(grid: Grid, held: Mapping[str, Json], names: Sequence[str]) -> OtherLevels | None:
    """Levels that may tell these engines apart; None where there are none: no number of requests lies between two
    levels or below one, and a trace has its own rate."""
    if grid.unit == OF_TRACE:
        return None
    points, whole = [held[name]["point"] for name in names], grid.mode == "closed"
    bounds = {one["bound"] for one in points}
    if bounds == {ENDS[1]}:
        most = MOST if whole else HIGHEST
        kind, levels = "higher", [min(grid.levels[-1] * 2**step, most) for step in range(DOUBLINGS)]
    elif bounds == {ENDS[0]}:
        least = 1.0 if whole else LOWEST
        down = (grid.levels[0] / 2**step for step in reversed(range(DOUBLINGS)))
        kind, levels = "lower", [max(float(round(one)) if whole else one, least) for one in down]
    else:
        kind, levels = "finer", levels_around(grid.levels, [_edge(grid, one) for one in points], whole=whole)
    new = sorted(dict.fromkeys(int(one) if whole else one for one in levels))
    return OtherLevels(grid, kind, new, names) if set(new) - set(grid.levels) else None


def _edge(grid: Grid, point: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(the highest level that an engine keeps, the next one); None beyond an end of the grid."""
    if point["bound"] == ENDS[0]:
        return None, point["value"]
    above = [level for level in grid.levels if level > point["value"]]
    return point["value"], above[0] if above and point["bound"] is None else None


def launches_of(results: Results, engines: int) -> int:
    """Launches of each engine that a campaign of one grid needs for a verdict; as many as here where that is enough."""
    alpha = round(1.0 - results.summary["settings"]["confidence_level"], 12) * share_of_alpha(1)
    enough = fewest_launches(max(family_size(engines, 1), 1), alpha)
    return max(int(results.summary["campaign"]["launches"]), enough)


def overrides(plan: Mapping[str, Any], asked: OtherLevels, launches: int, output_dir: str) -> str:
    """What --config says of the same campaign with these levels of this workload alone."""
    workload = next(one for one in plan["config"]["workloads"] if one["name"] == asked.grid.workload)
    number = 0 if asked.grid.group is None else int(asked.grid.group.rpartition("_")[2]) - 1
    case = workload["test_cases"][number]
    dropped = ("search", *KEYS, *LEVELS_OF.values())
    load = {key: value for key, value in case["load"].items() if key not in dropped}
    load[LEVELS_OF[asked.grid.mode]] = list(asked.levels)
    asks = _given({**workload, "description": None, "test_cases": [{**case, "load": load}]})
    benchmark: dict[str, Any] = {"launches": launches}
    if any((plan["campaign"].get("headline") or {}).values()):
        benchmark["headline"] = dict.fromkeys(plan["campaign"]["headline"])
    entries = [f"workloads={json.dumps([asks])}", f"benchmark={json.dumps(benchmark)}", f"output_dir={output_dir}"]
    return f"--config {' '.join(map(shlex.quote, entries))}"


def _given(content: Any) -> Any:
    """Content without the keys that are null, which the defaults give again."""
    if isinstance(content, Mapping):
        return {key: _given(value) for key, value in content.items() if value is not None}
    return [_given(one) for one in content] if isinstance(content, list) else content


def seconds_of(results: Results, plan: Mapping[str, Any], asked: OtherLevels, launches: int) -> float | None:
    """Time of so many launches of every engine with these levels, by those that were measured; None where none is
    known."""
    known = [entry.get("launch_seconds", {}).get(asked.grid.workload) for entry in results.summary["engines"]]
    cases = next(len(one["cases"]) for one in plan["workloads"] if one["name"] == asked.grid.workload)
    total = math.fsum(one for one in known if one is not None)
    return total * len(asked.levels) / cases * launches if total else None
