"""Plot load_curves: latency over the levels of load, throughput against what each user gets, and goodput."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from benchmark_runner.commands import command
from benchmark_runner.display import percent
from benchmark_runner.errors import exit_status
from benchmark_runner.performance.advice import listed
from benchmark_runner.performance.at_limits import AtLimits, at_limits
from benchmark_runner.plots.levels import panels
from benchmark_runner.plots.lines import LABEL_INCHES, draw_panel
from benchmark_runner.plots.style import PICTURES, draw_and_save, headline, new_figure
from benchmark_runner.plots.throughput import (
    AXES_LEFT,
    HALF_WIDTH,
    HEAD_INCHES,
    LEAST_PANEL_INCHES,
    PANEL_FOOT_INCHES,
    SECOND_LEFT,
    sizes,
)
from benchmark_runner.statistics.levels import Grid, slo_words
from benchmark_runner.statistics.results import Results, read_statistics
from benchmark_runner.statistics.wording import CERTAIN

GRID_HEAD_INCHES: Final = 0.3
PANEL_HEAD_INCHES: Final = 0.6


def draw(statistics: Mapping[str, Any]) -> Figure:
    """The whole figure: of each grid of levels two panels a row."""
    rows = [
        (grid, pair, place == 0)
        for grid in Results(statistics).grids
        for found in [list(panels(statistics, grid))]
        for place, pair in enumerate([found[:2], found[2:]])
    ]
    inches = max(LEAST_PANEL_INCHES, LABEL_INCHES * len(statistics["engines"]))
    heights = [GRID_HEAD_INCHES * first + PANEL_HEAD_INCHES + inches + PANEL_FOOT_INCHES for _, _, first in rows]
    height = HEAD_INCHES + sum(heights)
    figure = new_figure(height)
    headline(figure, *_headline(statistics))
    top = height - HEAD_INCHES
    for (grid, pair, first), taken in zip(rows, heights, strict=True):
        if first:
            figure.text(0.01, (top - 0.05) / height, grid.title, fontsize=11, fontweight="bold", va="top")
        for left, panel in zip((AXES_LEFT, SECOND_LEFT), pair, strict=False):
            bottom = (top - taken + PANEL_FOOT_INCHES) / height
            axes = figure.add_axes((left, bottom, HALF_WIDTH, inches / height))
            draw_panel(axes, statistics, panel, grid.levels, labelled=panel is pair[-1])
        top -= taken
    return figure


def _headline(statistics: Mapping[str, Any]) -> tuple[str, str]:
    """(title, words): the capacity of each engine, and how the panels are to be read."""
    results = Results(statistics)
    found = [(grid, at_limits(results, grid)) for grid in results.grids]
    held = [_highest(grid, one) for grid, one in found if one.held]
    title = f"Within the limits: {'; '.join(held)}" if held else "Under load: no launch tells a capacity"
    level = statistics["settings"]["confidence_level"]
    words = (
        "Lines: typical value over launches; dashed: the highest percentile that there are enough requests for; bands: "
        f"{percent(level)} intervals. Dotted: a limit ({slo_words(statistics['load']['slo'])}). The figure at a line's "
        f"name is its last point. {sizes(statistics)}; vertical axes begin at 0."
    )
    return title, words


def _highest(grid: Grid, found: AtLimits) -> str:
    """Who holds how much most, all of them where several hold the same: none of these is the first; and whether it is
    sure that no other does."""
    most = found.most
    held = f"{listed(most)} {'holds' if len(most) == 1 else 'hold'} {found.held[most[0]]['text'].partition(' (')[0]}"
    doubt = ", not confirmed to be the most" if set(found.below.values()).difference(CERTAIN) else ""
    return f"{held} in {grid.title}{doubt}"


def main(argv: Sequence[str]) -> int:
    """Draw load_curves, as PNG and SVG."""
    options = command("plots.load", main.__doc__, "statistics", **PICTURES).parse_args(argv)
    statistics = read_statistics(options.statistics)
    return draw_and_save(lambda: draw(statistics), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
