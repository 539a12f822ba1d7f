"""Plot gpu_utilization.png: GPU utilisation by launch, or, without a GPU, the reason and the processor's instead."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_runner.display import STRUCK, plural, significant
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
from benchmark_runner.records.raw_data import read_heads

HEAD_INCHES: Final = 1.35
FOOT_INCHES: Final = 0.5
AXES_LEFT: Final = 0.185
AXES_WIDTH: Final = 0.62
FULL_PERCENT: Final = 100.0
GPU: Final = "gpu_utilization_percent"
PROCESSOR: Final = "cpu_percent"
NO_MONITOR: Final = "no launch was monitored"


def usable_cores(heads: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Cores that each engine with a launch that ended ok could use, by name."""
    return {
        document["engine"]: float(max(cores))
        for document in heads
        if (cores := [len(one["affinity"]["engine_cores"]) for one in document["launches"] if one["status"] == "ok"])
    }


def utilisation_rows(statistics: Mapping[str, Any], metric: str, capacity: Mapping[str, float]) -> list[Row]:
    """A row an engine; capacity, for the processor, is the cores that each engine could use."""
    colours, markers = engine_colours(statistics["engines"]), engine_markers(statistics["engines"])
    rows, scale = [], 1.0 if metric == GPU else 1 / FULL_PERCENT
    for engine in in_order(statistics["engines"]):
        name = engine["name"]
        lanes = [[scale * value for value in lane] for lane in launch_values(statistics, name, metric).values()]
        if not any(lanes):
            reason = absent_reason(statistics, name, metric)
            rows.append(Row(name, "", colours[name], markers[name], absent=reason))
            continue
        values = sorted(value for lane in lanes for value in lane)
        mean = sum(values) / len(values)
        words = f"{significant(mean)} %"
        if metric != GPU:
            words = f"{significant(mean)} cores\nof {capacity[name]:g}, {mean / capacity[name]:.0%}"
        threads = "" if engine["threads"] is None else f", {plural(engine['threads'], 'thread')}"
        note = STRUCK if is_struck(engine) else f"{plural(len(values), 'launch')}{threads}"
        rows.append(Row(name, note, colours[name], markers[name], lanes, words=words))
    return rows


def draw(statistics: Mapping[str, Any], raw: Sequence[Mapping[str, Any]]) -> Figure:
    """The whole figure: GPU utilisation where any launch has it, else the reason and the processor's."""
    names = [engine["name"] for engine in statistics["engines"]]
    gpu = any(lane for name in names for lane in launch_values(statistics, name, GPU).values())
    capacity = dict.fromkeys(names, FULL_PERCENT) if gpu else usable_cores(raw)
    rows = utilisation_rows(statistics, GPU if gpu else PROCESSOR, capacity)
    height = HEAD_INCHES + rows_inches(rows) + FOOT_INCHES
    figure = new_figure(height)
    if gpu:
        title = "GPU utilisation while an engine ran"
        words = "Each mark is the mean of one launch, each lane of marks one workload; at the right the mean of all."
    else:
        title = "No GPU utilisation: what was measured instead is the processor's"
        words = (
            f"Why: {_no_gpu_reason(statistics)}. Each mark is the mean of one launch, loading included, each lane of "
            "marks one workload; the grey bar is the cores that the engine could use."
        )
    headline(figure, title, words)
    axes = figure.add_axes((AXES_LEFT, FOOT_INCHES / height, AXES_WIDTH, rows_inches(rows) / height))
    axes.set_title("GPU utilisation, %" if gpu else "Cores that the engine kept busy")
    draw_rows(axes, rows, names=True, from_zero=True)
    _draw_capacity(axes, rows, capacity)
    return figure


def _no_gpu_reason(statistics: Mapping[str, Any]) -> str:
    """What the monitor says about the absent GPU, each reason once."""
    metrics = [cell["metrics"] for cell in statistics["cells"] if cell["case"] is None]
    measured = [found[GPU]["reason"] for found in metrics if found[PROCESSOR]["mean"] is not None]
    return "; ".join(dict.fromkeys(reason.removeprefix("not measured: ") for reason in measured)) or NO_MONITOR


def _draw_capacity(axes: Axes, rows: Sequence[Row], capacity: Mapping[str, float]) -> None:
    top = 0.0
    for row in rows:
        if row.name in capacity:
            whole = capacity[row.name]
            axes.barh(top + row.inches / 2, whole, height=row.inches * 0.62, color="#eeeeee", zorder=0.5)
            axes.plot([whole, whole], [top + row.inches * 0.19, top + row.inches * 0.81], color=INK, linewidth=0.9)
        top += row.inches
    if capacity:
        axes.set_xlim(0, max(axes.get_xlim()[1], max(capacity.values()) * 1.03))


def main(argv: Sequence[str]) -> int:
    """Draw gpu_utilization.png."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.plots.gpu", description=main.__doc__)
    parser.add_argument("--statistics", type=Path, required=True)
    parser.add_argument("--raw", type=Path, nargs="+", required=True, help="raw_data/<engine>.json of each engine")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    with style():
        save_png(draw(read_json(options.statistics), [read_heads(path) for path in options.raw]), options.out)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
