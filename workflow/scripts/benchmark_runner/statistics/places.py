"""What a test case is called wherever people read of it."""

from __future__ import annotations

from benchmark_runner.configuration.load import group_of
from benchmark_runner.statistics.results import Cell, Results

PlaceParts = tuple[str, str | None]
"""A workload, and what of it is meant; None: all of it."""


def place_of(results: Results, cell: Cell) -> str:
    """The workload, and the test case where it has several; the level of load where it has one."""
    return ", ".join(filter(None, place_parts(results, cell)))


def place_parts(results: Results, cell: Cell) -> PlaceParts:
    """The same in two parts."""
    if words := results.load_words(cell):
        return under_load(cell.workload, group_of(cell.case or ""), words)
    cases = {one["case"] for one in results.summary["cells"] if one["workload"] == cell.workload} - {None}
    return cell.workload, cell.case if len(cases) > 1 else None


def under_load(workload: str, group: str | None, words: str) -> PlaceParts:
    """place_parts of a level of load, or of several, in these words."""
    return (workload, f"{group} {words}") if group else (f"{workload} {words}", None)
