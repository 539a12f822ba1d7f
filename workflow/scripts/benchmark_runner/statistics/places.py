"""What a test case is called wherever people read of it."""

from __future__ import annotations

from benchmark_runner.statistics.levels import PlaceParts, in_place, parts_of_place
from benchmark_runner.statistics.results import Cell, Results


def place_of(results: Results, cell: Cell) -> str:
    """The workload, and the test case where it has several; the level of load where it has one."""
    return in_place(place_parts(results, cell))


def place_parts(results: Results, cell: Cell) -> PlaceParts:
    """The same in two parts."""
    if words := results.load_words(cell):
        return parts_of_place(cell.workload, cell.case, words, alone=True)
    cases = {one["case"] for one in results.summary["cells"] if one["workload"] == cell.workload} - {None}
    return parts_of_place(cell.workload, cell.case, "", alone=len(cases) < 2)
