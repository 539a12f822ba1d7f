"""Plot memory_usage.png: peak memory of each launch against the size of the weights, and GPU memory."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_runner.display import BYTES_PER_GB, STRUCK, TIMES, plural, significant
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json
from benchmark_runner.plots.rows import Row, absent_reason, draw_rows, launch_values, rows_inches
from benchmark_runner.plots.style import (
    INK,
    engine_colours,
    engine_markers,
    headline,
    in_order,
    is_struck,
    new_figure,
    save_png,
    style,
)

HEAD_INCHES: Final = 1.35
FOOT_INCHES: Final = 0.5
AXES_LEFT: Final = (0.185, 0.62)
WIDE_AXES: Final = 0.62
NARROW_AXES: Final = 0.26
VRAM_METRIC: Final = "peak_vram_bytes"
METRICS: Final = (
    ("peak_rss_bytes", "Peak resident memory of the engine, GB"),
    (VRAM_METRIC, "Peak GPU memory, GB"),
)


def memory_rows(statistics: Mapping[str, Any], performance: Mapping[str, Any], metric: str) -> list[Row]:
    """A row an engine; each lane holds one workload's launches."""
    colours, markers = engine_colours(statistics["engines"]), engine_markers(statistics["engines"])
    rows = []
    for engine in in_order(statistics["engines"]):
        name = engine["name"]
        lanes = [
            [value / BYTES_PER_GB for value in values] for values in launch_values(statistics, name, metric).values()
        ]
        if not any(lanes):
            reason = absent_reason(statistics, name, metric)
            rows.append(Row(name, "", colours[name], markers[name], absent=reason))
            continue
        highest = max(value for lane in lanes for value in lane)
        weights = weights_gb(performance, engine["control_of"] or name)
        words = f"{significant(highest)} GB"
        if weights is not None:
            words += f"\n{significant(highest / weights)} {TIMES} weights"
        note = STRUCK if is_struck(engine) else plural(sum(map(len, lanes)), "launch")
        rows.append(Row(name, note, colours[name], markers[name], lanes, words=words))
    return rows


def weights_gb(performance: Mapping[str, Any], engine: str) -> float | None:
    """Size of the weights that an engine loads, in GB; None where it is not known."""
    known = performance["memory"].get(engine)
    return None if known is None or known["weights_bytes"] is None else known["weights_bytes"] / BYTES_PER_GB


def draw(statistics: Mapping[str, Any], performance: Mapping[str, Any]) -> Figure:
    """The whole figure: resident memory, and beside it GPU memory or the reason why there is none."""
    rows = {metric: memory_rows(statistics, performance, metric) for metric, _ in METRICS}
    words = (
        "Each mark is the peak of one launch, each lane of marks one workload. The grey bar is the size of the "
        "weights. GB = 10⁹ bytes."
    )
    shown = list(METRICS)
    if all(row.absent is not None for row in rows[VRAM_METRIC]):
        words += f"\nGPU memory: {_no_vram_reason(rows)}"
        shown = [(metric, title) for metric, title in METRICS if metric != VRAM_METRIC]
    inches = max(rows_inches(rows[metric]) for metric, _ in shown)
    height = HEAD_INCHES + inches + FOOT_INCHES
    figure = new_figure(height)
    headline(figure, "Memory: lower is better", words)
    width = WIDE_AXES if len(shown) == 1 else NARROW_AXES
    for left, (metric, title) in zip(AXES_LEFT, shown, strict=False):
        axes = figure.add_axes((left, FOOT_INCHES / height, width, inches / height))
        axes.set_title(title)
        draw_rows(axes, rows[metric], names=left == AXES_LEFT[0], from_zero=True)
        _draw_weights(axes, rows[metric], statistics, performance)
    return figure


def _no_vram_reason(rows: Mapping[str, Sequence[Row]]) -> str:
    """Why no engine that was measured has a figure of GPU memory, each reason once."""
    measured = {row.name for row in rows[METRICS[0][0]] if row.absent is None}
    reasons = dict.fromkeys(str(row.absent) for row in rows[VRAM_METRIC] if row.name in measured)
    return "; ".join(reasons) or "no engine was measured"


def _draw_weights(
    axes: Axes, rows: Sequence[Row], statistics: Mapping[str, Any], performance: Mapping[str, Any]
) -> None:
    twins = {engine["name"]: engine["control_of"] for engine in statistics["engines"]}
    top = 0.0
    for row in rows:
        weights = weights_gb(performance, twins[row.name] or row.name)
        if weights is not None and row.absent is None:
            axes.barh(top + row.inches / 2, weights, height=row.inches * 0.62, color="#e4e4e4", zorder=0.5)
            axes.plot([weights, weights], [top + row.inches * 0.19, top + row.inches * 0.81], color=INK, linewidth=0.9)
        top += row.inches


def main(argv: Sequence[str]) -> int:
    """Draw memory_usage.png."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.plots.memory", description=main.__doc__)
    parser.add_argument("--statistics", type=Path, required=True)
    parser.add_argument("--performance", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    statistics, performance = read_json(options.statistics), read_json(options.performance)
    with style():
        save_png(draw(statistics, performance), options.out)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
