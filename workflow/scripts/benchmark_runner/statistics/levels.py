"""Levels of load: what a test case with load sends at once, in words, and which test cases are levels of one grid."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmark_runner.configuration.load import TRACE, group_of, rate_name
from benchmark_runner.display import ABSENT, plural

Load = Mapping[str, Any]
"""A test case's `load` as the plan has it."""

MOST_ERRORS: Final = 0.01
"""Error rate above which a cell cannot win."""

LIMITS: Final = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "itl_p99_ms": "p99 of the gaps", "e2e_ms": "end-to-end latency"}
"""Limits of analysis.slo, for people."""

NO_LEVEL: Final = "no level of load keeps the limits of analysis.slo"

UNITS: Final = {"closed": "requests in flight", "open": "requests/s"}
"""Unit of a level by mode of the load."""

CONVERSATIONS: Final = "conversations"
"""That of a load with turns: between two of them a conversation may have no request in flight."""

OF_TRACE: Final = "requests/s of the trace"
"""That of a replayed trace, whose level is the rate of its window as fast as it is sent."""


def unit_of(load: Load) -> str:
    """The unit of a load's level."""
    if "turns" in load:
        return CONVERSATIONS
    return OF_TRACE if load.get("arrivals") == TRACE else UNITS[load["mode"]]


def level_of(load: Load) -> float:
    """Requests in flight of a closed load, requests a second of an open one."""
    return float(load["concurrency"] if load["mode"] == "closed" else load["requests_per_second"])


def load_words(load: Load | None) -> str:
    """ "with 8 requests in flight", "with 8 conversations of 4 turns", "at 2.5 requests a second"; "" without load."""
    if load is None:
        return ""
    if "turns" in load:
        return f"with {plural(load['concurrency'], 'conversation')} of {load['turns']} turns"
    return level_words(unit_of(load), level_of(load))


def level_words(unit: str, level: float) -> str:
    """As load_words, of a level by itself, where it is none of conversations."""
    if unit == UNITS["closed"]:
        return f"with {plural(int(level), 'request')} in flight"
    words = f"at {level_text(level)} {'request' if level == 1 else 'requests'} a second"
    return f"{words} of the trace" if unit == OF_TRACE else words


def level_text(level: float) -> str:
    """The number of a level: as it was asked for; of a trace's own rate no more than three decimals."""
    return rate_name(level) if level >= 0.001 else f"{level:.2g}"


PlaceParts = tuple[str, str | None]
"""A workload, and what of it is meant; None: all of it."""


def parts_of_place(workload: str, case: str | None, words: str, *, alone: bool) -> PlaceParts:
    """What a test case is called, by the words of its load; alone: its workload has no other."""
    if words:
        return under_load(workload, group_of(case or ""), words)
    return workload, None if alone else case


def under_load(workload: str, group: str | None, words: str) -> PlaceParts:
    """parts_of_place of a level of load, or of several, in these words."""
    return (workload, f"{group} {words}") if group else (f"{workload} {words}", None)


def in_place(parts: PlaceParts) -> str:
    """The parts as one name."""
    return ", ".join(filter(None, parts))


def loads_at(
    loads: Mapping[tuple[str, str, str | None], Mapping[str, Any]], engine: str, workload: str, case: str | None
) -> list[Mapping[str, Any]]:
    """`load` of an engine's test case; where that is None, for metrics of a whole launch, those of all its levels."""
    of_all = {cell[2]: load for cell, load in loads.items() if cell[:2] == (engine, workload)}
    return [load for name, load in of_all.items() if case in (None, name)]


def errors_words(load: Mapping[str, Any] | None) -> str | None:
    """Why a cell cannot win: it failed too many of its requests; None where it did not. load is the cell's, whose level
    the place of a sentence names."""
    rate = load["error_rate"] if load else None
    if load is None or rate is None or rate <= MOST_ERRORS:
        return None
    return f"{load['failed']} of its {load['measured']} requests failed"


def errors_at(
    loads: Mapping[tuple[str, str, str | None], Mapping[str, Any]], engine: str, workload: str, case: str | None
) -> str | None:
    """errors_words of an engine in a place: of a test case; where that is None, of a level, which they name."""
    for load in loads_at(loads, engine, workload, case):
        if words := errors_words(load):
            return words if case else f"{words} {load['words']}"
    return None


def failed_words(load: Mapping[str, Any] | None) -> str:
    """ "2 of 48" of a cell's requests; the sign of absence where none was sent."""
    return f"{load['failed']} of {load['measured']}" if load and load["measured"] else ABSENT


def slo_words(slo: Mapping[str, Any] | None) -> str:
    """analysis.slo in words: "TTFT up to 500 ms and TPOT up to 100 ms for 90 % of requests"."""
    limits = [f"{words} up to {slo[key]:g} ms" for key, words in LIMITS.items() if slo and slo.get(key) is not None]
    if not slo or not limits:
        return "no limit but an answer"
    return f"{' and '.join(limits)} for {100 * slo['share']:g} % of requests"


@dataclass(frozen=True)
class Grid:
    """Test cases of a workload that differ in the level of one load alone, by level in ascending order.

    group is what they have in common in their names where a workload has several such grids, else None; unit that of
    the levels; turns those of each conversation, None where requests stand alone.
    """

    workload: str
    group: str | None
    mode: str
    cases: Mapping[float, str]
    unit: str
    turns: int | None = None

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.workload if self.group is None else f"{self.workload}, {self.group}"

    def words(self, level: float) -> str:
        """A level as load_words has it."""
        if self.turns:
            return load_words({"concurrency": int(level), "turns": self.turns})
        return level_words(self.unit, level)

    def without(self, left_out: Container[str]) -> Grid:
        """The same without these test cases."""
        return replace(self, cases={level: case for level, case in self.cases.items() if case not in left_out})

    @property
    def levels(self) -> list[float]:
        """The levels from the lowest on."""
        return list(self.cases)


def grids(loads: Mapping[tuple[str, str], Load]) -> list[Grid]:
    """The grids of a campaign from its loads by (workload, case)."""
    found: dict[tuple[str, str | None, str, str, int | None], dict[float, str]] = {}
    for (workload, case), load in loads.items():
        group = group_of(case)
        key = (workload, group, load["mode"], unit_of(load), load.get("turns"))
        found.setdefault(key, {})[level_of(load)] = case
    return [
        Grid(workload, group, mode, dict(sorted(cases.items())), unit, turns)
        for (workload, group, mode, unit, turns), cases in found.items()
    ]


def capacity_order(point: Mapping[str, Any]) -> tuple[float, int]:
    """Orders the points of capacities in one grid, levels with their bounds, the lowest first."""
    return point["value"], {"<": -1, None: 0, ">=": 1}[point["bound"]]
