"""What an answer says of load: throughput at the highest level and capacity at the limits, grid by grid, and the
figures of each level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from benchmark_runner.display import estimate_text, plural
from benchmark_runner.performance.advice import listed, places_listed
from benchmark_runner.performance.at_limits import ENDS, AtLimits, at_limits, comparisons
from benchmark_runner.statistics.levels import Grid, PlaceParts, level_text, slo_words
from benchmark_runner.statistics.metrics import BY_NAME, STAGE_METRICS
from benchmark_runner.statistics.percentiles import PERCENTILES
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import CERTAIN

OUTPUT: Final = "output_tokens_per_s"
TIMES: Final = ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms")


class InShort(NamedTuple):
    """Capacities in clauses without intervals: who is confirmed to hold most; what engines hold where none is compared
    or nobody keeps the limits, which is no difference between them; and a sentence on where it is not confirmed."""

    sure: list[str]
    known: list[str]
    not_sure: list[str]


def capacities_in_short(results: Results) -> InShort:
    """What the first lines say of the capacities."""
    sure, known, unsure = [], [], list[PlaceParts]()
    for grid in results.grids:
        if not (found := at_limits(results, grid)).held:
            continue
        held = {name: one["text"].partition(" (")[0] for name, one in found.held.items()}
        best, *others = held
        where = f"Within the limits in {_name(grid)}"
        if found.is_sure:
            rest = listed([f"{name} holds {held[name]}" for name in others])
            sure.append(f"{where} {best} holds the most, {held[best]}; {rest}")
        elif found.nobody:
            known.append(f"{where} {listed(list(held))} {'hold' if others else 'holds'} {held[best]}")
        elif not others:
            known.append(f"{where} {best} holds {held[best]}")
        else:
            unsure.append((grid.workload, grid.group))
    told = [f"Which engine holds most within the limits is not confirmed in {places_listed(unsure)}."] if unsure else []
    return InShort(sure, known, told)


def capacities_differ(results: Results) -> bool:
    """Whether any engine is confirmed to hold more than another within the limits, be it most or not."""
    compared = (comparisons(results, grid, at_limits(results, grid).held) for grid in results.grids)
    return any(one["verdict"] in CERTAIN for found in compared for one in found)


def load_sentences(results: Results) -> Iterator[str]:
    """For each grid the capacity at the limits, and the throughput at its highest level; then who was not asked for
    what."""
    for grid in results.grids:
        if (found := at_limits(results, grid)).held:
            yield _capacities(results, grid, found)
        yield from _beyond_the_grid(grid, found, results.of_grid(grid))
        cell = Cell(grid.workload, grid.cases[grid.levels[-1]])
        unranked = results.unranked(cell, OUTPUT)
        rates = {
            name: rate
            for name in results.engines
            if name not in unranked and (rate := results.point(name, cell, OUTPUT))
        }
        where = f"{results.load_words(cell)} in {grid.workload}"
        where += f", {grid.group}," if grid.group else ""
        if rates:
            yield _throughput(results, cell, where, sorted(rates, key=lambda name: -rates[name]))
    for workload, told in results.summary.get("load", {}).get("searched", {}).items():
        yield from (f"Levels of {workload}: {words}" for words in told)
    for name, entry in results.engines.items():
        for workload, reason in entry.get("refused_loads", {}).items():
            yield f"{name} was not measured in {workload}: {reason}"
    yield from results.not_asked_sentences(results.engines)


def _throughput(results: Results, cell: Cell, where: str, names: Sequence[str]) -> str:
    """Who yields most at the highest level, how sure that is, and what the others yield."""
    texts = {name: estimate_text(results.estimate(name, cell, OUTPUT), BY_NAME[OUTPUT].unit) for name in names}
    best, others = names[0], names[1:]
    begin = f"{where[0].upper()}{where[1:]} {best} yields {texts[best]}"
    if not others:
        return begin
    open_ones = [name for name in others if not results.is_faster(best, name, cell, OUTPUT)]
    sure = f"not confirmed against {listed(open_ones)}" if open_ones else "the most, confirmed"
    return f"{begin} ({sure}), {listed([f'{name} {texts[name]}' for name in others])}"


def _name(grid: Grid) -> str:
    """A grid in a sentence: its workload, and its group where the workload has several."""
    return f"{grid.title}:" if grid.group else grid.title


def _capacities(results: Results, grid: Grid, found: AtLimits) -> str:
    """How much each engine that can be ranked holds within the limits, the highest first."""
    told = [f"{name} holds {one['text']}" for name, one in found.held.items()]
    limits, rows = slo_words(results.summary["load"]["slo"]), results.of_grid(grid)
    if granted := [rows[name]["slots"] for name in found.held if "slots" in rows[name]]:
        whose = "an engine" if len(granted) == len(found.held) else "an engine that was started for this"
        limits += f"; {plural(granted[0], 'slot')} {whose}"
    return f"Within the limits ({limits}) in {_name(grid)} {listed(told)}{_most_of(found)}"


def _beyond_the_grid(grid: Grid, found: AtLimits, rows: Mapping[str, Json]) -> Iterator[str]:
    """What the ends of a grid hide, each with what helps: engines whose launches lie everywhere between its ends, and
    those that keep the limits at its highest level. Not those that were not asked for all of it."""
    held = {name: one for name, one in found.held.items() if "not_asked" not in rows[name]}
    low, high = (level_text(grid.levels[end]) for end in (0, -1))
    if wide := [
        name for name, one in held.items() if one["low"] and (one["low"]["bound"], one["high"]["bound"]) == ENDS
    ]:
        yield (
            f"Launches of {listed(wide)} hold anything from less than {low} to at least {high} {grid.unit} in "
            f"{grid.title}: measure more launches, or on a quieter machine"
        )
    if most := [name for name, one in held.items() if one["point"]["bound"] == ENDS[1]]:
        yield (
            f"Nothing above {high} {grid.unit} was tried in {grid.title}: higher levels would show how much "
            f"{listed(most)} can hold"
        )


def _most_of(found: AtLimits) -> str:
    """How sure it is that the first engine holds most; empty of an engine alone."""
    alike, best = found.not_told_apart, found.most[0]
    unsure = [name for name, verdict in found.below.items() if verdict is not None and verdict not in CERTAIN]
    words = [f"{alike[0]} cannot be told from {listed(alike[1:])}"] if alike else []
    words += [f"{best} more than {listed(unsure)}, not confirmed"] if unsure else []
    told = "; ".join(words) or f"{best} the most, confirmed"
    return f" ({told})" if len(found.held) > 1 else ""


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
    for name, grid in ((name, grid) for grid in results.grids for name in results.engines):
        for cell in (Cell(grid.workload, case) for case in grid.cases.values()):
            rates = {one.name: results.estimate(name, cell, one.name) for one in STAGE_METRICS}
            times = {metric: _time(results, name, cell, metric) for metric in TIMES}
            levels.append({"engine": name, **asdict(cell), **(results.load(name, cell) or {}), **rates, **times})
    return {**results.summary["load"], "levels": levels, "capacity": results.summary["capacity"]}
