"""Who holds most within the limits of a grid of levels, and how sure that is: decided here for all who tell it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from benchmark_runner.statistics.levels import Grid, capacity_order
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import CERTAIN

ENDS: Final = ("<", ">=")
"""Bounds of a capacity below and at the end of the grid."""


class AtLimits(NamedTuple):
    """Capacities of the engines that have one in a grid and can be ranked there, the highest first; the engines that
    share the highest; by each of the others the verdict that puts it below all of these, None where none does."""

    held: Mapping[str, Json]
    most: Sequence[str]
    below: Mapping[str, str | None]

    @property
    def nobody(self) -> bool:
        """Whether no engine keeps the limits even at the lowest level."""
        return bool(self.held) and self.held[self.most[0]]["point"]["bound"] == ENDS[0]

    @property
    def is_sure(self) -> bool:
        """Whether one engine is confirmed to hold more than every other."""
        return len(self.most) == 1 and bool(self.below) and set(self.below.values()) <= set(CERTAIN)

    @property
    def not_told_apart(self) -> list[str]:
        """The engines of which none is put below the others, the first among them; none where that one is alone."""
        rest = [name for name, verdict in self.below.items() if verdict is None]
        return [*self.most, *rest] if len(self.most) + len(rest) > 1 else []


def at_limits(results: Results, grid: Grid) -> AtLimits:
    """How the engines of a grid stand at the limits."""
    unranked = results.unranked_at_limits(Cell(grid.workload, grid.cases[grid.levels[0]]))
    found = {
        name: row["capacity"]
        for name, row in results.of_grid(grid).items()
        if name in results.engines.keys() - unranked and row["capacity"]["point"] is not None
    }
    held = dict(sorted(found.items(), key=lambda one: capacity_order(one[1]["point"]), reverse=True))
    highest = [capacity_order(one["point"]) for one in held.values()][:1]
    most = [name for name, one in held.items() if [capacity_order(one["point"])] == highest]
    below: dict[str, str | None] = {}
    for one in comparisons(results, grid, held):
        others = {one["engine"], one["reference"]}.difference(most)
        if len(others) == 1:
            (name,) = others
            verdict = one["verdict"] if one["higher"] in most else None
            before = below.get(name, verdict)
            weaker = verdict if verdict not in CERTAIN else before
            below[name] = None if None in (before, verdict) else weaker
    return AtLimits(held, most, {name: below[name] for name in held if name in below})


def comparisons(results: Results, grid: Grid, names: Collection[str]) -> list[Json]:
    """Comparisons of the capacities of these engines in a grid."""
    return [
        one
        for one in results.summary["capacity"]["comparisons"]
        if (one["quantity"], one["workload"], one["group"]) == ("capacity", grid.workload, grid.group)
        and {one["engine"], one["reference"]} <= set(names)
    ]
