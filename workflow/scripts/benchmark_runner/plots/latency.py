"""Plot latency_comparison: end-to-end latency and TTFT, every iteration in the lane of its launch."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from matplotlib.figure import Figure

from benchmark_runner.arrays import BoolArray, FloatArray
from benchmark_runner.commands import command
from benchmark_runner.display import STRUCK, percent, plural, significant, time_unit
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_valid
from benchmark_runner.performance.advice import listed, places
from benchmark_runner.plots.rows import Estimate, Row, draw_rows, rows_inches
from benchmark_runner.plots.signs import is_struck, with_signs
from benchmark_runner.plots.style import PICTURES, by_workload_and_case, draw_and_save, headline, new_figure
from benchmark_runner.records.table import read_measured
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.results import Cell, Results, read_statistics

if TYPE_CHECKING:
    import pandas as pd

Value = TypeVar("Value")

METRICS: Final = ("e2e_ms", "ttft_ms")
COLUMNS: Final = ["engine", "workload", "case", "block", "warmup", "outlier", "e2e_ms", "ttft_ms"]
# Shares of the figure's width: names, then twice axes and the figures in words.
AXES_LEFT: Final = (0.185, 0.61)
AXES_WIDTH: Final = 0.29
HEAD_INCHES: Final = 1.2
PANEL_HEAD_INCHES: Final = 0.68
PANEL_TITLE_CHARACTERS: Final = 135
PANEL_FOOT_INCHES: Final = 0.42
MOST_LANES: Final = 24
"""Of an engine. Chosen: a hundred launches of twenty engines would make a picture of 13 m."""


def latency_rows(
    statistics: Mapping[str, Any], here: pd.DataFrame, place: Cell, metric: str, unit: tuple[float, str]
) -> list[Row]:
    """A row an engine of the campaign, also for those without a measurement; unit is (factor from ms, name)."""
    scale, unit_name = unit
    results = Results(statistics)
    rows = []
    for engine, colour, marker in with_signs(statistics["engines"]):
        name = engine["name"]
        launches = launches_of(here[here["engine"] == name], metric)
        lanes = [(values * scale).tolist() for values, _ in launches]
        if not any(lanes):
            why = results.why_unmeasured(name, place, metric)
            rows.append(Row(name, "", colour, marker, absent=f"no measurement: {why}"))
            continue
        estimate = scaled_estimate(results.estimate(name, place, metric), scale)
        counts = sorted({len(lane) for lane in lanes})
        noun = "request" if results.load(name, place) else "iteration"
        each = plural(counts[0], noun) if len(counts) == 1 else f"{counts[0]} to {counts[-1]} {noun}s"
        note = STRUCK if is_struck(engine) else f"{plural(len(lanes), 'launch')} of {each}"
        flagged = [flags.tolist() for _, flags in launches]
        words = _words(estimate, unit_name)
        rows.append(Row(name, note, colour, marker, shared_lanes(lanes), shared_lanes(flagged), estimate, words))
    return rows


def launches_of(own: pd.DataFrame, metric: str) -> list[tuple[FloatArray, BoolArray]]:
    """An engine's values of a metric by launch, and which of them are flagged as outliers."""
    ordered = own.sort_values("block", kind="stable")
    begins = np.flatnonzero(np.diff(ordered["block"])) + 1
    values, flags = (np.split(ordered[column].to_numpy(), begins) for column in (metric, "outlier"))
    there = [~np.isnan(launch) for launch in values]
    return [(launch[seen], flag[seen]) for launch, flag, seen in zip(values, flags, there, strict=True)]


def shared_lanes(launches: Sequence[list[Value]]) -> list[list[Value]]:
    """A lane a launch; of more launches than MOST_LANES several that followed each other share one."""
    each = max(1, -(-len(launches) // MOST_LANES))
    return [list(chain.from_iterable(launches[at : at + each])) for at in range(0, len(launches), each)]


def scaled_estimate(found: Mapping[str, Any] | None, scale: float) -> Estimate | None:
    """An estimate {point, low, high} of the results, in another unit."""
    if found is None:
        return None
    low, high = (None if found[bound] is None else found[bound] * scale for bound in ("low", "high"))
    return Estimate(found["point"] * scale, low, high)


def _words(estimate: Estimate | None, unit: str) -> str:
    if estimate is None:
        return "no estimate"
    if estimate.low is None or estimate.high is None:
        return f"{significant(estimate.point)} {unit}\nno interval"
    return f"{significant(estimate.point)} {unit}\n{significant(estimate.low)} to {significant(estimate.high)}"


@dataclass(frozen=True)
class Panel:
    """One workload's case: for each metric its unit (factor from ms, name) and a row an engine."""

    title: str
    """What the workload's case found."""
    units: Mapping[str, tuple[float, str]]
    rows: Mapping[str, list[Row]]

    @property
    def inches(self) -> float:
        """Height of its axes."""
        return max(rows_inches(rows) for rows in self.rows.values())


def make_panel(statistics: Mapping[str, Any], iterations: pd.DataFrame, place: Cell, title: str) -> Panel:
    """The panel of one workload's case, in units that fit its middle value."""
    here = iterations[(iterations["workload"] == place.workload) & (iterations["case"] == place.case)]
    units = {metric: time_unit(here[metric].median() if len(here) else 0.0) for metric in METRICS}
    return Panel(
        title, units, {metric: latency_rows(statistics, here, place, metric, units[metric]) for metric in units}
    )


def draw(statistics: Mapping[str, Any], iterations: pd.DataFrame, performance: Mapping[str, Any]) -> Figure:
    """The whole figure: a pair of axes for each workload's case."""
    advised = {Cell(one["workload"], one["case"]): one for one in performance["advice"] if one["kind"] == "latency"}
    found = {place: advised[place] for place in starmap(Cell, by_workload_and_case(statistics["cells"]))}
    panels = [make_panel(statistics, iterations, place, one["answer"]) for place, one in found.items()]
    height = HEAD_INCHES + sum(panel.inches + PANEL_HEAD_INCHES + PANEL_FOOT_INCHES for panel in panels)
    figure = new_figure(height)
    headline(figure, _finding(Results(statistics), performance["answer"]), _explanation(statistics))
    top = height - HEAD_INCHES
    for panel in panels:
        title = textwrap.fill(panel.title, PANEL_TITLE_CHARACTERS, max_lines=2, placeholder=" …")
        figure.text(0.01, (top - 0.05) / height, title, fontsize=10, fontweight="bold", va="top")
        for left, metric in zip(AXES_LEFT, METRICS, strict=True):
            bottom = (top - PANEL_HEAD_INCHES - panel.inches) / height
            axes = figure.add_axes((left, bottom, AXES_WIDTH, panel.inches / height))
            axes.set_title(f"{BY_NAME[metric].title}, {panel.units[metric][1]}")
            draw_rows(axes, panel.rows[metric], names=metric == METRICS[0])
        top -= panel.inches + PANEL_HEAD_INCHES + PANEL_FOOT_INCHES
    return figure


def _finding(results: Results, answer: Mapping[str, Any]) -> str:
    """Who leads in which test cases by the answer, those together in which the same is known."""
    found: dict[tuple[str, str], list[Cell]] = {}
    named: dict[frozenset[str], str] = {}
    for one in answer["workloads"]:
        names = named.setdefault(frozenset(one["leading"]), listed(one["leading"] or ["no engine"]))
        words = {
            "clear": (f"{names} answers fastest", ""),
            "shared": ("the best", f" is among {names}"),
            "open": ("no engine is confirmed to be faster", ""),
            "none": ("no engine is called the fastest", ""),
        }[one["word"]]
        found.setdefault(words, []).append(Cell(one["workload"], one["case"]))
    parts = [f"{before} in {places(results, cells)}{after}" for (before, after), cells in found.items()]
    return f"Latency, lower is better: {'; '.join(parts)}" if answer["measured"] else "Latency: nothing was measured"


def _explanation(statistics: Mapping[str, Any]) -> str:
    settings = statistics["settings"]
    many = any(cell["launches"] > MOST_LANES for cell in statistics["cells"])
    more = ", or several that followed each other" if many else ""
    flagged = "an x is flagged as an outlier" + (" and not in the estimate" if settings["remove_outliers"] else "")
    return (
        f"Each mark is one measured iteration (under load: request), each lane of marks one launch{more}; {flagged}. "
        "The diamond is the typical value over launches (geometric mean of medians), the bar its "
        f"{percent(settings['confidence_level'])} interval."
    )


def main(argv: Sequence[str]) -> int:
    """Draw latency_comparison, as PNG and SVG."""
    parser = command("plots.latency", main.__doc__, "statistics", "performance", "iterations", **PICTURES)
    options = parser.parse_args(argv)
    statistics = read_statistics(options.statistics)
    performance = read_valid("performance_analysis", options.performance)
    iterations = read_measured(options.iterations, COLUMNS)
    return draw_and_save(lambda: draw(statistics, iterations, performance), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
