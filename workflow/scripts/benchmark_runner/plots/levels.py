"""Curves over the levels of a load, an engine each, from statistical_summary.json: what plots and page draw of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from benchmark_runner.display import plural, significant
from benchmark_runner.plots.signs import in_order, span
from benchmark_runner.statistics.levels import UNITS, Grid
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.results import Cell, Results

TAILS: Final = ("p99", "p95", "p90")

Point = tuple[float, float, float | None, float | None]
"""(x, point, low, high); low and high are None where there is no interval."""

Curves = Mapping[str, Sequence[Point]]
"""By engine, from the lowest level on; only engines that have a point."""


@dataclass(frozen=True)
class Panel:
    """One quantity of a grid. tails are a high percentile beside typical values; limit holds points of analysis.slo."""

    name: str
    finding: str
    x_label: str
    y_label: str
    curves: Curves
    tails: Curves
    limit: Sequence[tuple[float, float]] = ()
    over_levels: bool = True


def x_label_of(grid: Grid) -> str:
    """What the levels of a grid are."""
    return "requests/s asked" if grid.unit == UNITS["open"] else grid.unit


def _ranked(statistics: Mapping[str, Any], grid: Grid, level: float) -> list[str]:
    """The engines of which findings at a level tell: all but the controls and those that cannot be ranked there."""
    results, cell = Results(statistics), Cell(grid.workload, grid.cases[level])
    unranked = results.unranked(cell, results.throughput(cell))
    return [name for name in results.engines if name not in unranked]


def throughput_panel(statistics: Mapping[str, Any], grid: Grid) -> Panel:
    """Output tokens a second of all requests together over the levels."""
    return _most(statistics, grid, "output_tokens_per_s", "yields most output: {}")


def panels(statistics: Mapping[str, Any], grid: Grid) -> Iterator[Panel]:
    """Latency over the levels, the frontier of throughput and what each user gets, goodput where limits are set."""
    slo = statistics["load"]["slo"] or {}
    for metric in ("ttft_ms", "tpot_ms"):
        yield _latency(statistics, grid, metric, slo.get(metric))
    yield _frontier(statistics, grid)
    if any(slo.get(name) is not None for name in slo if name != "share"):
        ideal = [(level, level * slo["share"]) for level in grid.levels] if grid.mode == "open" else []
        yield _most(statistics, grid, "goodput_requests_per_s", "keeps most within the limits: {}", ideal)


def _most(
    statistics: Mapping[str, Any],
    grid: Grid,
    metric: str,
    verb: str,
    limit: Sequence[tuple[float, float]] = (),
) -> Panel:
    """A quantity of which more is better, with the engine and level that have most of it, and whom it is not confirmed
    against there; {} of verb is how much."""
    curves, found = _typical(statistics, grid, metric), BY_NAME[metric]
    values = {(engine, point[0]): point[1] for engine, points in curves.items() for point in points}
    ranked = [(engine, level) for level in grid.levels for engine in _ranked(statistics, grid, level)]
    best = max(((values[one], *one) for one in ranked if one in values), default=None)
    panel = Panel(
        metric, f"{found.title}: no engine was measured", x_label_of(grid), found.unit, curves, tails={}, limit=limit
    )
    if best is None:
        return panel
    value, engine, level = best
    if not value:
        return replace(panel, finding=f"{found.title}: 0 {found.unit} at every level")
    words = f"{engine} {verb.format(f'{significant(value)} {found.unit}')} {grid.words(level)}"
    there = [name for name, at in ranked if at == level and (name, at) in values]
    doubt = _unconfirmed(Results(statistics), there, Cell(grid.workload, grid.cases[level]), engine, metric)
    return replace(panel, finding=words + doubt)


def _unconfirmed(results: Results, names: Sequence[str], cell: Cell, best: str, metric: str) -> str:
    """ ", not confirmed against b": those of the engines that the best one is not surely ahead of."""
    left = [name for name in names if name != best and not results.is_faster(best, name, cell, metric)]
    if not left:
        return ""
    return f", not confirmed against {left[0] if len(left) == 1 else plural(len(left), 'other engine')}"


def _latency(statistics: Mapping[str, Any], grid: Grid, metric: str, limit: float | None) -> Panel:
    curves, found = _typical(statistics, grid, metric), BY_NAME[metric]
    highest = grid.levels[-1]
    ends = {engine: curves[engine][-1] for engine in _ranked(statistics, grid, highest) if engine in curves}
    there = {engine: value for engine, (level, value, _, _) in ends.items() if level == highest}
    words = f"{found.short} {grid.words(highest)}: "
    words += span(there, lambda value: f"{significant(value)} ms") if there else "no engine was measured"
    line = [] if limit is None else [(level, limit) for level in grid.levels]
    share, tails = _highest_tail(statistics, grid, metric, curves)
    label = f"{found.short}, ms" + (f"; dashed: {share}" if tails else "")
    return Panel(metric, words, x_label_of(grid), label, curves, tails, line)


def _highest_tail(
    statistics: Mapping[str, Any], grid: Grid, metric: str, typical: Curves
) -> tuple[str, dict[str, list[Point]]]:
    """(p99, p95 or p90, its curves): the highest that the requests of every drawn level are enough for; else none."""
    for share in TAILS:
        tails = _curves(statistics, grid, partial(_tail, metric=metric, share=share))
        if tails and all(len(tails.get(engine, ())) == len(points) for engine, points in typical.items()):
            return share, tails
    return "", {}


def _frontier(statistics: Mapping[str, Any], grid: Grid) -> Panel:
    """Tokens a second of all requests against those of each user, a point a level."""
    whole, each = (_typical(statistics, grid, metric) for metric in ("output_tokens_per_s", "tpot_ms"))
    curves: dict[str, list[Point]] = {}
    for engine, points in whole.items():
        gaps_ms = {level: gap_ms for level, gap_ms, _, _ in each.get(engine, ()) if gap_ms}
        found = [(1000 / gaps_ms[level], *rest) for level, *rest in points if level in gaps_ms]
        if found:
            curves[engine] = found  # type: ignore[assignment]
    lowest = grid.levels[0]
    gets = {
        engine: 1000 / gap_ms
        for engine in _ranked(statistics, grid, lowest)
        for level, gap_ms, _, _ in each.get(engine, ())
        if level == lowest and gap_ms
    }
    words = "Throughput against interactivity: no engine was measured"
    if gets:
        words = f"A user gets {span(gets, significant)} tokens/s {grid.words(lowest)}"
    label = "tokens/s to each user (1000 / TPOT)"
    return Panel("frontier", words, label, "tokens/s of all requests", curves, {}, over_levels=False)


def _typical(statistics: Mapping[str, Any], grid: Grid, metric: str) -> dict[str, list[Point]]:
    return _curves(statistics, grid, lambda results, engine, cell: results.estimate(engine, cell, metric))


def _tail(results: Results, engine: str, cell: Cell, *, metric: str, share: str) -> dict[str, Any] | None:
    found = results.metric(engine, cell, metric)[share]
    return None if found["value"] is None else {"point": found["value"], "low": found["low"], "high": found["high"]}


def _curves(statistics: Mapping[str, Any], grid: Grid, estimate: Any) -> dict[str, list[Point]]:
    """A curve an engine that has any point; estimate gives {point, low, high} of an engine in a cell, or None."""
    results, curves = Results(statistics), {}
    for engine in in_order(statistics["engines"]):
        cells = [(level, Cell(grid.workload, case)) for level, case in grid.cases.items()]
        values = [(level, estimate(results, engine["name"], cell)) for level, cell in cells]
        if points := [(level, one["point"], one["low"], one["high"]) for level, one in values if one is not None]:
            curves[engine["name"]] = points
    return curves
