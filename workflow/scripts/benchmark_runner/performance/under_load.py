"""What an answer says of load: throughput at the highest level and capacity at the limits, grid by grid, and the
figures of each level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmark_runner.display import estimate_text, plural
from benchmark_runner.performance.advice import MOST_NAMED, listed
from benchmark_runner.statistics.levels import capacity_order, level_text, slo_words
from benchmark_runner.statistics.metrics import BY_NAME, STAGE_METRICS
from benchmark_runner.statistics.percentiles import PERCENTILES
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.verdicts import CERTAIN

OUTPUT: Final = "output_tokens_per_s"
TIMES: Final = ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms")
ENDS: Final = ("<", ">=")
"""Bounds of a capacity below and at the end of the grid."""


def grids_of(results: Results) -> list[Json]:
    """A row of `capacity` for each grid of levels; none without load."""
    rows = results.summary.get("capacity", {"engines": []})["engines"]
    return list({(row["workload"], row["group"], row["mode"]): row for row in rows}.values())


def rows_of(results: Results, grid: Json) -> dict[str, Json]:
    """Rows of `capacity` of the engines in a grid."""
    keys = ("workload", "group", "mode")
    return {
        row["engine"]: row
        for row in results.summary["capacity"]["engines"]
        if all(row[key] == grid[key] for key in keys) and row["engine"] in results.engines
    }


def capacities_in_short(results: Results) -> tuple[list[str], list[str]]:
    """(what is sure, what is not) of the capacities, without intervals: of one engine what it holds, of several who
    holds most, where that is confirmed, that all hold less than the lowest level, and where it is not confirmed, which
    ends in a full stop as all that is not sure does."""
    sure, unsure = [], []
    for grid in grids_of(results):
        if not (ordered := _by_capacity(results, grid)):
            continue
        (best, most), *others = [(row["engine"], row["capacity"]["text"].partition(" (")[0]) for row in ordered]
        told = listed([f"{name} holds {held}" for name, held in others[: MOST_NAMED - 1]]) if others else ""
        compared = _with_the_others(results, grid, ordered)
        if all(one["higher"] == best and one["verdict"] in CERTAIN for one in compared):
            words = f"{best} holds the most, {most}; {told}" if told else f"{best} holds {most}"
            sure.append(f"Within the limits in {_name(grid)} {words}")
        elif ordered[0]["capacity"]["point"]["bound"] == ENDS[0]:  # nobody keeps them anywhere
            who = listed([row["engine"] for row in ordered])
            sure.append(f"Within the limits in {_name(grid)} {who} hold {most}")
        else:
            unsure.append(_name(grid).rstrip(":"))
    return sure, [f"Which engine holds most within the limits is not confirmed in {listed(unsure)}."] if unsure else []


def capacities_differ(results: Results) -> bool:
    """Whether any engine is confirmed to hold more than another within the limits, be it most or not."""
    compared = results.summary["capacity"]["comparisons"]
    return any(one["quantity"] == "capacity" and one["verdict"] in CERTAIN for one in compared)


def load_sentences(results: Results) -> Iterator[str]:
    """For each grid the capacity at the limits, and the throughput at its highest level; then who was not asked."""
    for grid in grids_of(results):
        if capacities := _capacities(results, grid):
            yield capacities
        yield from _beyond_the_grid(results, grid)
        top = grid["levels"][-1]
        cell = Cell(grid["workload"], top["case"])
        unranked = results.unranked(cell, OUTPUT)
        rates = {
            name: rate
            for name in results.engines
            if name not in unranked and (rate := results.point(name, cell, OUTPUT))
        }
        where = f"{results.load_words(cell)} in {grid['workload']}"
        where += f", {grid['group']}," if grid["group"] else ""
        if rates:
            yield _throughput(results, cell, where, sorted(rates, key=lambda name: -rates[name]))
    for workload, told in results.summary.get("load", {}).get("searched", {}).items():
        yield from (f"Levels of {workload}: {words}" for words in told)
    for name, entry in results.engines.items():
        for workload, reason in entry.get("refused_loads", {}).items():
            yield f"{name} was not measured in {workload}: {reason}"


def _throughput(results: Results, cell: Cell, where: str, names: Sequence[str]) -> str:
    """Who yields most at the highest level, how sure that is, and what the others yield."""
    texts = {name: estimate_text(results.estimate(name, cell, OUTPUT), BY_NAME[OUTPUT].unit) for name in names}
    best, others = names[0], names[1:]
    begin = f"{where[0].upper()}{where[1:]} {best} yields {texts[best]}"
    if not others:
        return begin
    open_ones = [name for name in others if not results.is_faster(best, name, cell, OUTPUT)]
    sure = f"not confirmed against {listed(open_ones)}" if open_ones else "the most, confirmed"
    return f"{begin} ({sure}), {listed([f'{name} {texts[name]}' for name in others[:MOST_NAMED]])}"


def _name(grid: Json) -> str:
    """A grid in a sentence: its workload, and its group where the workload has several."""
    return f"{grid['workload']}, {grid['group']}:" if grid["group"] else str(grid["workload"])


def _by_capacity(results: Results, grid: Json) -> list[Json]:
    """Rows of the engines that can be ranked and have a capacity, the highest first."""
    unranked = results.unranked_at_limits(Cell(grid["workload"], grid["levels"][0]["case"]))
    rows = [row for name, row in rows_of(results, grid).items() if row["capacity"]["point"] and name not in unranked]
    return sorted(rows, key=lambda row: capacity_order(row["capacity"]["point"]), reverse=True)


def _with_the_others(results: Results, grid: Json, ordered: Sequence[Json]) -> list[Json]:
    """Comparisons of the highest capacity with those of the others."""
    best, names = ordered[0]["engine"], {row["engine"] for row in ordered}
    return [
        one
        for one in results.summary["capacity"]["comparisons"]
        if one["quantity"] == "capacity"
        and (one["workload"], one["group"]) == (grid["workload"], grid["group"])
        and best in (one["engine"], one["reference"])
        and {one["engine"], one["reference"]} <= names
    ]


def _capacities(results: Results, grid: Json) -> str | None:
    """How much each engine that can be ranked holds within the limits, the highest first; None: nothing is known."""
    if not (rows := _by_capacity(results, grid)):
        return None
    told = [f"{row['engine']} holds {row['capacity']['text']}" for row in rows[:MOST_NAMED]]
    limits = slo_words(results.summary["load"]["slo"])
    if granted := [row["slots"] for row in rows if "slots" in row]:
        whose = "an engine" if len(granted) == len(rows) else "an engine that was started for this"
        limits += f"; {plural(granted[0], 'slot')} {whose}"
    sure = _most_of(rows[0]["engine"], _with_the_others(results, grid, rows))
    return f"Within the limits ({limits}) in {_name(grid)} {listed(told)}{sure}"


def _beyond_the_grid(results: Results, grid: Json) -> Iterator[str]:
    """What the ends of a grid hide, each with what helps: engines whose launches lie everywhere between its ends, and
    those that keep the limits at its highest level."""
    held, where = {row["engine"]: row["capacity"] for row in _by_capacity(results, grid)}, _name(grid).rstrip(":")
    low, high = (level_text(grid["levels"][end]["level"]) for end in (0, -1))
    if wide := [
        name for name, one in held.items() if one["low"] and (one["low"]["bound"], one["high"]["bound"]) == ENDS
    ]:
        yield (
            f"Launches of {listed(wide)} hold anything from less than {low} to at least {high} {grid['unit']} in "
            f"{where}: measure more launches, or on a quieter machine"
        )
    if most := [name for name, one in held.items() if one["point"]["bound"] == ENDS[1]]:
        yield (
            f"Nothing above {high} {grid['unit']} was tried in {where}: higher levels would show how much "
            f"{listed(most)} can hold"
        )


def _most_of(best: str, compared: Sequence[Json]) -> str:
    """How sure it is that an engine holds most, by its comparisons with the others; empty without any."""
    sides = [one["reference"] if one["engine"] == best else one["engine"] for one in compared]
    pairs = list(zip(sides, compared, strict=True))
    alike = [name for name, one in pairs if one["higher"] != best]
    unsure = [name for name, one in pairs if one["higher"] == best and one["verdict"] not in CERTAIN]
    words = [f"{best} cannot be told from {listed(alike)}"] if alike else []
    words += [f"{best} more than {listed(unsure)}, not confirmed"] if unsure else []
    told = "; ".join(words) or f"{best} the most, confirmed"
    return f" ({told})" if compared else ""


def _time(results: Results, name: str, cell: Cell, metric: str) -> dict[str, Any]:
    """The typical value of a time, and its percentiles, each with the interval over launches."""
    numbers, typical = results.metric(name, cell, metric), results.estimate(name, cell, metric)
    tails = {share: {key: numbers[share][key] for key in ("value", "low", "high")} for share in PERCENTILES}
    return {**(typical or dict.fromkeys(("point", "low", "high"))), **tails}


def load_json(results: Results) -> dict[str, Any] | None:
    """Section `load` of performance_analysis.json and summary.json: limits, the client's calibration, what each engine
    did at each level, its capacity and knee, and how these compare; None without load."""
    if "load" not in results.summary:
        return None
    levels = []
    for row in (row for grid in grids_of(results) for row in rows_of(results, grid).values()):
        for cell in (Cell(row["workload"], level["case"]) for level in row["levels"]):
            name = row["engine"]
            rates = {one.name: results.estimate(name, cell, one.name) for one in STAGE_METRICS}
            times = {metric: _time(results, name, cell, metric) for metric in TIMES}
            levels.append({"engine": name, **asdict(cell), **(results.load(name, cell) or {}), **rates, **times})
    return {**results.summary["load"], "levels": levels, "capacity": results.summary["capacity"]}
