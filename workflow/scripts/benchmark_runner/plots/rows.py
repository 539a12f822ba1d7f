"""A panel of rows, one an engine: every launch as dots, the estimate with its interval, and the figures in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmark_runner.display import STRUCK, plural, significant
from benchmark_runner.plots.scales import LOG_FROM_RATIO
from benchmark_runner.plots.signs import is_struck, with_signs
from benchmark_runner.plots.style import INK, MUTED, headline, new_figure, wrapped

LANE_INCHES: Final = 0.075
INTERVAL_INCHES: Final = 0.30  # the lane of the estimate, below those of the launches
GAP_INCHES: Final = 0.16
# Text of 9 and 8 points beside the axes: distance from the top, a line of the name, a line of the note.
TEXT_TOP_INCHES: Final = 0.10
NAME_LINE_INCHES: Final = 0.155
NOTE_LINE_INCHES: Final = 0.16
LOG_SPARSE_FROM_RATIO: Final = 40.0  # from here on labels at 2 and 5 would run into each other
MARGIN_SHARE: Final = 0.06
# A figure of one or two panels: a share of its width, or inches.
HEAD_INCHES: Final = 1.4
FOOT_INCHES: Final = 0.5
AXES_LEFT: Final = (0.185, 0.62)
WIDE_AXES: Final = 0.62
NARROW_AXES: Final = 0.26
MARK_EDGE: Final[dict[str, Any]] = {"markeredgecolor": "white", "markeredgewidth": 0.3}
MARKS_ORDER: Final = (
    1.9  # before all lines, at 2: pixels that follow each other are one image, each as large as the page
)
FLAGGED_EDGE: Final[dict[str, Any]] = {"markeredgewidth": 1.2}


@dataclass(frozen=True)
class Estimate:
    """Point and interval; low and high are None where no interval could be computed."""

    point: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """One engine: values by lane and which of them are flagged as outliers, the estimate, two lines of words, or why
    there is nothing."""

    name: str
    note: str
    colour: str
    marker: str
    lanes: Sequence[Sequence[float]] = ()
    flagged: Sequence[Sequence[bool]] = ()
    estimate: Estimate | None = None
    words: str = ""
    absent: str | None = None

    @property
    def inches(self) -> float:
        """Height that the row needs."""
        text = 2 * TEXT_TOP_INCHES + NAME_LINE_INCHES * (wrapped(self.name).count("\n") + 1) + NOTE_LINE_INCHES
        return max(text, self.marks_inches + GAP_INCHES)

    @property
    def marks_inches(self) -> float:
        """Height of the lanes and of the estimate below them, if there is one."""
        return len(self.lanes) * LANE_INCHES + (0.0 if self.estimate is None else INTERVAL_INCHES)

    @property
    def values(self) -> list[float]:
        """All that has to lie within the axis."""
        found = [value for lane in self.lanes for value in lane]
        if self.estimate is not None:
            bounds = (self.estimate.point, self.estimate.low, self.estimate.high)
            found += [value for value in bounds if value is not None]
        return found


def rows_inches(rows: Sequence[Row]) -> float:
    """Height of the axes that hold the rows."""
    return sum(row.inches for row in rows)


def draw_rows(axes: Axes, rows: Sequence[Row], *, names: bool, from_zero: bool = False) -> None:
    """Draw the rows from the top down; names says whether the engines' names stand at the left."""
    values = [value for row in rows for value in row.values]
    _scale(axes, values, from_zero)
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="both", length=0)
    axes.set_ylim(rows_inches(rows), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    top = 0.0
    for row in rows:
        _draw_row(axes, row, top)
        if names:
            _write(axes, -0.015, top, wrapped(row.name), row.note, align="right")
        if row is not rows[0]:
            axes.axhline(top, color="#eeeeee", linewidth=0.8, clip_on=False)
        top += row.inches


def _draw_row(axes: Axes, row: Row, top: float) -> None:
    if row.absent is not None:
        soft: dict[str, Any] = {"color": MUTED, "va": "center", "fontsize": 8, "style": "italic"}
        middle = top + row.inches / 2
        axes.text(0.01, middle, wrapped(row.absent, 52, 3), transform=axes.get_yaxis_transform(), **soft)
        return
    lanes_top = top + (row.inches - row.marks_inches) / 2
    _draw_lanes(axes, row, lanes_top)
    if row.estimate is not None:
        _draw_estimate(axes, row, lanes_top + len(row.lanes) * LANE_INCHES + INTERVAL_INCHES / 2)
    point, _, rest = row.words.partition("\n")
    _write(axes, 1.015, top, point, rest, align="left")


def _draw_lanes(axes: Axes, row: Row, lanes_top: float) -> None:
    values = np.array([value for lane in row.lanes for value in lane])
    lanes = np.repeat(np.arange(len(row.lanes)), [len(lane) for lane in row.lanes])
    heights = lanes_top + (lanes + 0.5) * LANE_INCHES
    struck = np.array([flag for lane in row.flagged for flag in lane] or np.zeros(len(values)), dtype=np.bool_)
    for marks, marker, line in ((~struck, row.marker, MARK_EDGE), (struck, "x", FLAGGED_EDGE)):
        sign: dict[str, Any] = {"marker": marker, "markersize": 4.0, "color": row.colour, "alpha": 0.85}
        # Pixels inside of the SVG: a hundred thousand marks would be megabytes of it.
        pixels: dict[str, Any] = {"rasterized": True, "zorder": MARKS_ORDER}
        axes.plot(values[marks], heights[marks], linestyle="none", **pixels, **sign, **line)


def _draw_estimate(axes: Axes, row: Row, height: float) -> None:
    assert row.estimate is not None
    if row.estimate.low is not None and row.estimate.high is not None:
        bounds = [row.estimate.low, row.estimate.high]
        axes.plot(bounds, [height, height], color=INK, linewidth=1.6, solid_capstyle="butt")
        axes.plot(bounds, [height, height], linestyle="none", marker="|", markersize=7, color=INK, markeredgewidth=1.6)
    diamond: dict[str, Any] = {"marker": "D", "markersize": 6, "markeredgecolor": INK, "markeredgewidth": 0.9}
    axes.plot([row.estimate.point], [height], color=row.colour, **diamond)


def _write(axes: Axes, x: float, top: float, strong: str, soft: str, *, align: str) -> None:
    """Two texts, one below the other, beside the axes."""
    transform = axes.get_yaxis_transform()
    lines = strong.count("\n") + 1
    common: dict[str, Any] = {"transform": transform, "ha": align, "va": "top", "linespacing": 1.05}
    axes.text(x, top + TEXT_TOP_INCHES, strong, fontsize=9, fontweight="bold", color=INK, **common)
    axes.text(x, top + TEXT_TOP_INCHES + 0.02 + NAME_LINE_INCHES * lines, soft, fontsize=8, color=MUTED, **common)


def _scale(axes: Axes, values: Sequence[float], from_zero: bool) -> None:
    """Limits with a margin; logarithmic where the values span much, and then the axis says so."""
    if not values:
        axes.set_xticks([])
        return
    low, high = min(values), max(values)
    if not from_zero and low > 0 and high / low > LOG_FROM_RATIO:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.25, high * 1.25)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < LOG_SPARSE_FROM_RATIO else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: significant(value, 2)))
        axes.set_title(f"{axes.get_title(loc='left')} (logarithmic scale)")
        return
    if not from_zero:
        axes.set_title(f"{axes.get_title(loc='left')} (does not begin at 0)")
    margin = (high - (0 if from_zero else low)) * MARGIN_SHARE or abs(high) * MARGIN_SHARE or 1.0
    axes.set_xlim(0 if from_zero else low - margin, high + margin)


def launch_values(statistics: Mapping[str, Any], engine: str, metric: str) -> dict[str, list[float]]:
    """Values of a launch metric by workload, one a launch."""
    return {
        cell["workload"]: [entry["value"] for entry in cell["metrics"][metric]["launch_medians"]]
        for cell in statistics["cells"]
        if cell["engine"] == engine and cell["case"] is None and metric in cell["metrics"]
    }


def absent_reason(statistics: Mapping[str, Any], engine: str, metric: str) -> str:
    """Why an engine has no value of the metric: its own failure, or what the monitor says is absent."""
    own = next(entry for entry in statistics["engines"] if entry["name"] == engine)
    if own["reason"]:
        return f"no measurement: {own['reason']}"
    for cell in statistics["cells"]:
        found = cell["metrics"].get(metric)
        if cell["engine"] == engine and cell["case"] is None and found is not None and found["reason"]:
            return f"no measurement: {found['reason'].removeprefix('not measured: ')}"
    return f"no measurement: {own['status']}"


def usage_rows(
    statistics: Mapping[str, Any],
    metric: str,
    scale: float,
    in_words: Callable[[Mapping[str, Any], Sequence[float]], tuple[str, str]],
) -> list[Row]:
    """A row an engine, each lane one workload's launches; in_words gives an engine's figures and what else is noted."""
    rows = []
    for engine, colour, marker in with_signs(statistics["engines"]):
        name = engine["name"]
        lanes = [[scale * value for value in lane] for lane in launch_values(statistics, name, metric).values()]
        if not any(lanes):
            rows.append(Row(name, "", colour, marker, absent=absent_reason(statistics, name, metric)))
            continue
        values = sorted(value for lane in lanes for value in lane)
        words, more = in_words(engine, values)
        note = STRUCK if is_struck(engine) else f"{plural(len(values), 'launch')}{more}"
        rows.append(Row(name, note, colour, marker, lanes, words=words))
    return rows


@dataclass(frozen=True)
class UsagePanel:
    """What launches used of something; bars is how much there is or should be, by engine."""

    title: str
    rows: Sequence[Row]
    bars: Mapping[str, float]


def draw_usage(title: str, words: str, panels: Sequence[UsagePanel], bar_colour: str) -> Figure:
    """A figure of one or two panels side by side."""
    inches = max(rows_inches(panel.rows) for panel in panels)
    height = HEAD_INCHES + inches + FOOT_INCHES
    figure = new_figure(height)
    headline(figure, title, words)
    width = WIDE_AXES if len(panels) == 1 else NARROW_AXES
    for left, panel in zip(AXES_LEFT, panels, strict=False):
        axes = figure.add_axes((left, FOOT_INCHES / height, width, inches / height))
        axes.set_title(panel.title)
        draw_rows(axes, panel.rows, names=left == AXES_LEFT[0], from_zero=True)
        _draw_bars(axes, panel, bar_colour)
    return figure


def _draw_bars(axes: Axes, panel: UsagePanel, colour: str) -> None:
    top = 0.0
    for row in panel.rows:
        if (bar := panel.bars.get(row.name)) is not None:
            axes.barh(top + row.inches / 2, bar, height=row.inches * 0.62, color=colour, zorder=0.5)
            axes.plot([bar, bar], [top + row.inches * 0.19, top + row.inches * 0.81], color=INK, linewidth=0.9)
        top += row.inches
