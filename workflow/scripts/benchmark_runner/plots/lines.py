"""Lines with their bands, an engine each, named at the right edge."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from benchmark_runner.display import significant
from benchmark_runner.plots.levels import Panel, Point
from benchmark_runner.plots.scales import HEADROOM, LIMIT_IN_SIGHT, LOG_FROM_RATIO, spread
from benchmark_runner.plots.signs import shown_name, with_signs
from benchmark_runner.plots.style import INK, MUTED, wrapped

LABEL_INCHES: Final = 0.34  # two lines of a name at the right edge
LABEL_OFFSET_INCHES: Final = 0.3
LABEL_CHARACTERS: Final = 34
BAND_OPACITY: Final = 0.16
MARKS_A_LINE: Final = 8
TITLE_CHARACTERS: Final = 135  # of 10 pt bold over the figure's width
BESIDE_NAMES: Final = 0.2  # of the figure's width: a title may stand above the names at the right edge
BESIDE_A_PANEL: Final = 0.08  # and above the gap to the panel beside


@dataclass(frozen=True)
class Series:
    """One line: an engine's points; a dashed one has no name at the right edge."""

    name: str
    colour: str
    marker: str
    points: Sequence[Point]
    dashed: bool = False


def panel_series(statistics: Mapping[str, Any], panel: Panel) -> list[Series]:
    """The lines of a panel over levels of load, tails dashed."""
    found = []
    for engine, colour, marker in with_signs(statistics["engines"]):
        for curves in (panel.curves, panel.tails):
            if points := curves.get(engine["name"]):
                found.append(Series(shown_name(engine), colour, marker, points, dashed=curves is panel.tails))
    return found


def draw_panel(
    axes: Axes,
    statistics: Mapping[str, Any],
    panel: Panel,
    levels: Sequence[float],
    *,
    labelled: bool = True,
    title: str = "",
) -> None:
    """A panel over levels of load with its finding as title, behind what title says."""
    width = axes.get_position().width + (BESIDE_NAMES if labelled else BESIDE_A_PANEL)
    finding = f"{title}: {panel.finding}" if title else panel.finding
    axes.set_title(textwrap.fill(finding, round(width * TITLE_CHARACTERS), max_lines=3, placeholder=" …"))
    series = panel_series(statistics, panel)
    highest = max((point[1] for line in series for point in line.points), default=0.0)
    limit = [y for _, y in panel.limit if max(y for _, y in panel.limit) <= LIMIT_IN_SIGHT * highest]
    draw_lines(axes, series, panel.x_label, labelled=labelled, least_top=max(limit, default=0.0))
    axes.set_ylabel(panel.y_label)
    if limit:
        axes.plot(*zip(*panel.limit, strict=True), color=INK, linewidth=1.0, linestyle=":")
        axes.annotate("limit", panel.limit[-1], fontsize=8, color=MUTED, va="bottom", ha="right")
    if series and panel.over_levels:
        if levels[-1] > LOG_FROM_RATIO * levels[0]:
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(list(levels)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def draw_lines(
    axes: Axes, series: Sequence[Series], x_label: str, *, labelled: bool = True, least_top: float = 0.0
) -> None:
    """Lines with their bands, named at the right edge; the rate's axis starts at 0 so that lengths can be compared, and
    reaches least_top."""
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
            linestyle="--" if line.dashed else "-",
            marker=line.marker,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            markevery=max(1, len(x) // MARKS_A_LINE),
        )
    highest = max(point[1] if point[3] is None else point[3] for line in series for point in line.points)
    top = HEADROOM * (max(highest, least_top) or 1.0)  # goodput is 0 where no engine keeps the limits anywhere
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    if labelled:
        _name_lines(axes, [line for line in series if not line.dashed], top)


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
