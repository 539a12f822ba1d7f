"""Plot throughput_scaling: decode rate as the context grows, and by prompt length where a workload has several."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from benchmark_runner.commands import command
from benchmark_runner.display import significant
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json
from benchmark_runner.plots.style import (
    INK,
    MUTED,
    PICTURES,
    by_workload_and_case,
    draw_and_save,
    headline,
    new_figure,
    shown_name,
    span,
    with_signs,
    wrapped,
)
from benchmark_runner.records.table import read_measured
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.results import Cell, Results

RATE_METRICS: Final = ("decode_tokens_per_s", "prefill_tokens_per_s")
COLUMNS: Final = ["engine", "workload", "case", "warmup", "prompt_tokens"]
HEAD_INCHES: Final = 1.1
PANEL_HEAD_INCHES: Final = 0.42
PANEL_FOOT_INCHES: Final = 0.58
LEAST_PANEL_INCHES: Final = 2.3
LABEL_INCHES: Final = 0.34  # two lines of a name at the right edge
AXES_LEFT: Final = 0.07
FULL_WIDTH: Final = 0.67
HALF_WIDTH: Final = 0.28
SECOND_LEFT: Final = 0.46
LABEL_OFFSET_INCHES: Final = 0.3
LABEL_CHARACTERS: Final = 34
BAND_OPACITY: Final = 0.16
MARKS_A_LINE: Final = 8
HEADROOM: Final = 1.12


@dataclass(frozen=True)
class Series:
    """One line: an engine's points (x, point, low, high), low and high None where there is no interval."""

    name: str
    colour: str
    marker: str
    points: Sequence[tuple[float, float, float | None, float | None]]


def position_series(
    statistics: Mapping[str, Any], performance: Mapping[str, Any], workload: str, case: str
) -> list[Series]:
    """Decode rate by place of the token in the answer, an engine a line."""
    found = []
    for engine, colour, marker in with_signs(statistics["engines"]):
        points = [
            (float(entry["position"]), *_bounds(entry["tokens_per_s"]))
            for entry in performance["decode_by_position"]
            if (entry["engine"], entry["workload"], entry["case"]) == (engine["name"], workload, case)
        ]
        if points:
            found.append(Series(shown_name(engine), colour, marker, sorted(points, key=itemgetter(0))))
    return found


def prompt_series(
    statistics: Mapping[str, Any], lengths: Mapping[tuple[str, str], int], workload: str, metric: str
) -> list[Series]:
    """A rate by prompt length over the cases of one workload, an engine a line."""
    results = Results(statistics)
    found = []
    for engine, colour, marker in with_signs(statistics["engines"]):
        name, cases = engine["name"], [case for place, case in lengths if place == workload]
        estimates = [(lengths[workload, case], results.estimate(name, Cell(workload, case), metric)) for case in cases]
        points = [(float(tokens), *_bounds(estimate)) for tokens, estimate in estimates if estimate is not None]
        if points:
            found.append(Series(shown_name(engine), colour, marker, sorted(points, key=itemgetter(0))))
    return found


def prompt_lengths(iterations: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Prompt tokens of each workload's case."""
    firsts = iterations.drop_duplicates(["workload", "case"])
    return {
        (str(workload), str(case)): int(tokens)
        for workload, case, tokens in zip(firsts["workload"], firsts["case"], firsts["prompt_tokens"], strict=True)
    }


def _bounds(interval: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    return interval["point"], interval["low"], interval["high"]


def draw(statistics: Mapping[str, Any], performance: Mapping[str, Any], iterations: pd.DataFrame) -> Figure:
    """The whole figure: a panel for each workload's case, then one for each workload with several prompt lengths."""
    cells = by_workload_and_case(statistics["cells"])
    lengths = prompt_lengths(iterations)
    scaled = [
        workload
        for workload in dict.fromkeys(workload for workload, _ in cells)
        if len({tokens for (name, _), tokens in lengths.items() if name == workload}) > 1
    ]
    inches = max(LEAST_PANEL_INCHES, LABEL_INCHES * len(statistics["engines"]))
    panel = inches + PANEL_HEAD_INCHES + PANEL_FOOT_INCHES
    height = HEAD_INCHES + panel * max(1, len(cells) + len(scaled))
    figure = new_figure(height)
    level = statistics["settings"]["confidence_level"]
    words = (
        "Decode rate at each place of the generated answer, over launches; the band is the "
        f"{level:.0%} interval. The figure at a line's name is its last point. {_sizes(statistics)}; rates begin at 0."
    )
    headline(figure, _finding(performance), words)
    first = height - HEAD_INCHES - PANEL_HEAD_INCHES - inches
    bottoms = [(first - panel * place) / height for place in range(len(cells) + len(scaled))]
    for (workload, case), bottom in zip(cells, bottoms, strict=False):
        axes = figure.add_axes((AXES_LEFT, bottom, FULL_WIDTH, inches / height))
        tokens = lengths.get((workload, case))
        axes.set_title(f"{workload}, {case}" + (f" (prompt of {tokens} tokens)" if tokens is not None else ""))
        draw_lines(axes, position_series(statistics, performance, workload, case), "place of the token in the answer")
        axes.set_ylabel("decode rate, tokens/s")
    for workload, bottom in zip(scaled, bottoms[len(cells) :], strict=True):
        for left, metric in zip((AXES_LEFT, SECOND_LEFT), RATE_METRICS, strict=True):
            words = BY_NAME[metric].short.lower()
            axes = figure.add_axes((left, bottom, HALF_WIDTH, inches / height))
            axes.set_title(f"{workload}: {words} by prompt length")
            labelled = left == SECOND_LEFT
            draw_lines(axes, prompt_series(statistics, lengths, workload, metric), "prompt tokens", labelled=labelled)
            axes.set_ylabel(f"{words} rate, tokens/s")
    return figure


def _finding(performance: Mapping[str, Any]) -> str:
    """How much of their rate engines keep to the end of an answer: the least that each keeps in any test case."""
    kept: dict[str, float] = {}
    for one in performance["scaling"]:
        kept[one["engine"]] = min(one["speed_kept"], kept.get(one["engine"], math.inf))
    if not kept:
        return "Decode rate over the context, one request in flight: no answer was long enough to tell"
    shares = span(kept, lambda share: f"{share:.0%}")
    return f"To the end of an answer engines keep {shares} of their first decode rate, with one request in flight"


def _sizes(statistics: Mapping[str, Any]) -> str:
    """How many launches there are of an engine in a test case."""
    counts = sorted({cell["launches"] for cell in statistics["cells"] if cell["case"] is not None and cell["launches"]})
    return f"n = {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} launches" if counts else "n = 0"


def draw_lines(axes: Axes, series: Sequence[Series], x_label: str, *, labelled: bool = True) -> None:
    """Lines with their bands, named at the right edge; the rate's axis starts at 0 so that lengths can be compared."""
    axes.grid(visible=True, axis="y")
    axes.tick_params(length=0)
    axes.set_xlabel(x_label)
    if not series:
        soft: dict[str, Any] = {"ha": "center", "color": MUTED, "style": "italic"}
        axes.text(0.5, 0.5, "no engine was measured here", transform=axes.transAxes, **soft)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    for line in series:
        x = [point[0] for point in line.points]
        low = [point[1] if point[2] is None else point[2] for point in line.points]
        high = [point[1] if point[3] is None else point[3] for point in line.points]
        axes.fill_between(x, low, high, color=line.colour, alpha=BAND_OPACITY, linewidth=0)
        axes.plot(
            x,
            [point[1] for point in line.points],
            color=line.colour,
            linewidth=1.8,
            marker=line.marker,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            markevery=max(1, len(x) // MARKS_A_LINE),
        )
    highest = max(point[1] if point[3] is None else point[3] for line in series for point in line.points)
    axes.set_ylim(0, highest * HEADROOM)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    if labelled:
        _name_lines(axes, series, highest * HEADROOM)


def _name_lines(axes: Axes, series: Sequence[Series], top: float) -> None:
    """Rates and names at the right edge at the height of their lines, moved apart where they would overlap."""
    figure_inches = axes.get_figure(root=True).get_size_inches()  # type: ignore[union-attr]
    width, height = (float(inches) for inches in figure_inches * axes.get_position().size)
    ordered = sorted(series, key=lambda line: line.points[-1][1])
    places = spread([line.points[-1][1] / top for line in ordered], LABEL_INCHES / height)
    beside = 1 + LABEL_OFFSET_INCHES / width
    for line, place in zip(ordered, places, strict=True):
        end = line.points[-1]
        axes.annotate(
            "",
            xy=(end[0], end[1] / top),
            xytext=(beside, place),
            xycoords=("data", "axes fraction"),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": line.colour, "linewidth": 0.9, "shrinkB": 0, "shrinkA": 0},
            annotation_clip=False,
        )
        sign: dict[str, Any] = {"marker": line.marker, "markersize": 6, "color": line.colour}
        axes.plot([beside], [place], transform=axes.transAxes, clip_on=False, **sign)
        words = f"{significant(end[1])}  {line.name}"
        axes.text(
            beside + 0.1 / width,
            place,
            wrapped(words, LABEL_CHARACTERS, 2),
            transform=axes.transAxes,
            va="center",
            fontsize=8.5,
            color=INK,
            linespacing=1.0,
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places as near as possible to the wanted ones (ascending) that lie at least gap apart.

    Least squares by pooling adjacent violators: neighbours that are too close form a group around their common centre.
    """
    groups: list[list[float]] = []
    for index, place in enumerate(wanted):
        groups.append([place - index * gap])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    level = [fmean(group) for group in groups for _ in group]
    return [place + index * gap for index, place in enumerate(level)]


def main(argv: Sequence[str]) -> int:
    """Draw throughput_scaling, as PNG and SVG."""
    read = ("statistics", "performance", "iterations")
    options = command("plots.throughput", main.__doc__, *read, **PICTURES).parse_args(argv)
    statistics, performance = read_json(options.statistics), read_json(options.performance)
    iterations = read_measured(options.iterations, COLUMNS)
    return draw_and_save(lambda: draw(statistics, performance, iterations), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
