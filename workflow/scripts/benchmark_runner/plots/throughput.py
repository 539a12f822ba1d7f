"""Plot throughput_scaling: throughput over the levels of load; else decode rate as the context grows, and by prompt
length where a workload has several."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark_runner.commands import command
from benchmark_runner.display import percent
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_valid
from benchmark_runner.plots.levels import throughput_panel
from benchmark_runner.plots.lines import LABEL_INCHES, Series, draw_lines, draw_panel
from benchmark_runner.plots.signs import shown_name, span, with_signs
from benchmark_runner.plots.style import PICTURES, by_workload_and_case, draw_and_save, headline, new_figure
from benchmark_runner.records.table import read_measured
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell, Results, read_statistics

if TYPE_CHECKING:
    import pandas as pd

RATE_METRICS: Final = ("decode_tokens_per_s", "prefill_tokens_per_s")
COLUMNS: Final = ["engine", "workload", "case", "warmup", "prompt_tokens"]
HEAD_INCHES: Final = 1.1
PANEL_HEAD_INCHES: Final = 0.42
PANEL_FOOT_INCHES: Final = 0.58
LEAST_PANEL_INCHES: Final = 2.3
AXES_LEFT: Final = 0.07
FULL_WIDTH: Final = 0.67
HALF_WIDTH: Final = 0.28
SECOND_LEFT: Final = 0.46
WHOLE_TOKENS: Final = partial(MaxNLocator, "auto", steps=[1, 2, 5, 10], integer=True)


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
    """The whole figure: a panel over the levels of each load, one for each further test case, one for each workload
    with several prompt lengths."""
    results = Results(statistics)
    grids = results.grids
    under_load = {(grid.workload, case) for grid in grids for case in grid.cases.values()}
    cells = [place for place in by_workload_and_case(statistics["cells"]) if place not in under_load]
    lengths = {place: tokens for place, tokens in prompt_lengths(iterations).items() if place not in under_load}
    scaled = [
        workload
        for workload in dict.fromkeys(workload for workload, _ in cells)
        if len({tokens for (name, _), tokens in lengths.items() if name == workload}) > 1
    ]
    inches = max(LEAST_PANEL_INCHES, LABEL_INCHES * len(statistics["engines"]))
    panel = inches + PANEL_HEAD_INCHES + PANEL_FOOT_INCHES
    count = len(grids) + len(cells) + len(scaled)
    height = HEAD_INCHES + panel * max(1, count)
    figure = new_figure(height)
    headline(figure, *_headline(statistics, performance, alone=bool(cells)))
    first = height - HEAD_INCHES - PANEL_HEAD_INCHES - inches
    bottoms = iter([(first - panel * place) / height for place in range(count)])
    for grid in grids:
        axes = figure.add_axes((AXES_LEFT, next(bottoms), FULL_WIDTH, inches / height))
        draw_panel(axes, statistics, throughput_panel(statistics, grid), grid.levels, title=grid.title)
    for workload, case in cells:
        axes = figure.add_axes((AXES_LEFT, next(bottoms), FULL_WIDTH, inches / height))
        tokens = lengths.get((workload, case))
        place = place_of(results, Cell(workload, case))
        axes.set_title(place + (f" (prompt of {tokens} tokens)" if tokens is not None else ""))
        axes.xaxis.set_major_locator(WHOLE_TOKENS())
        draw_lines(axes, position_series(statistics, performance, workload, case), "place of the token in the answer")
        axes.set_ylabel("decode rate, tokens/s")
    for workload in scaled:
        bottom = next(bottoms)
        for left, metric in zip((AXES_LEFT, SECOND_LEFT), RATE_METRICS, strict=True):
            words = BY_NAME[metric].short.lower()
            axes = figure.add_axes((left, bottom, HALF_WIDTH, inches / height))
            axes.set_title(f"{workload}: {words} by prompt length")
            axes.xaxis.set_major_locator(WHOLE_TOKENS())
            labelled = left == SECOND_LEFT
            draw_lines(axes, prompt_series(statistics, lengths, workload, metric), "prompt tokens", labelled=labelled)
            axes.set_ylabel(f"{words} rate, tokens/s")
    return figure


def _headline(statistics: Mapping[str, Any], performance: Mapping[str, Any], *, alone: bool) -> tuple[str, str]:
    """(title, words); alone: whether any test case sends one request at a time."""
    found = [f"{grid.title}: {throughput_panel(statistics, grid).finding}" for grid in Results(statistics).grids]
    if len(found) > 1:  # each panel has its own
        found = ["Throughput over the levels of load"]
    decoding = [_finding(performance)] if alone or not found else []
    title, *rest = [*found, *decoding]
    told = ["Tokens a second of all requests together over the levels of load."] if found else []
    told += ["Decode rate at each place of the generated answer.", *(f"{words}." for words in rest)] if decoding else []
    level = statistics["settings"]["confidence_level"]
    words = (
        f"{' '.join(told)} Over launches; the band is the {percent(level)} interval. The figure at a line's name is "
        f"its last point. {sizes(statistics)}; rates begin at 0."
    )
    return title, words


def _finding(performance: Mapping[str, Any]) -> str:
    """How much of their rate engines keep to the end of an answer: the least that each keeps in any test case."""
    kept: dict[str, float] = {}
    for one in performance["scaling"]:
        kept[one["engine"]] = min(one["speed_kept"], kept.get(one["engine"], math.inf))
    if not kept:
        return "Decode rate over the context, one request in flight: no answer was long enough to tell"
    shares = span(kept, percent)
    return f"To the end of an answer engines keep {shares} of their first decode rate, with one request in flight"


def sizes(statistics: Mapping[str, Any]) -> str:
    """How many launches there are of an engine in a test case."""
    counts = sorted({cell["launches"] for cell in statistics["cells"] if cell["case"] is not None and cell["launches"]})
    return f"n = {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} launches" if counts else "n = 0"


def main(argv: Sequence[str]) -> int:
    """Draw throughput_scaling, as PNG and SVG."""
    read = ("statistics", "performance", "iterations")
    options = command("plots.throughput", main.__doc__, *read, **PICTURES).parse_args(argv)
    statistics = read_statistics(options.statistics)
    performance = read_valid("performance_analysis", options.performance)
    iterations = read_measured(options.iterations, COLUMNS)
    return draw_and_save(lambda: draw(statistics, performance, iterations), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
