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
from benchmark_runner.plots.rows import Row, draw_rows, rows_inches
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
NO_MONITOR: Final = "no launch was monitored"


def gpu_percents(raw: Mapping[str, Any]) -> dict[str, list[float]]:
    """Mean GPU utilisation of each launch by workload; empty where none was measured."""
    return _by_workload(raw, lambda monitor: (monitor["gpu"] or {}).get("utilization_percent_mean"))


def cores_busy(raw: Mapping[str, Any]) -> dict[str, list[float]]:
    """Cores that the engine kept busy on average, by workload, one value a launch."""
    found = _by_workload(raw, lambda monitor: monitor["engine_cpu_percent_mean"])
    return {workload: [value / FULL_PERCENT for value in values] for workload, values in found.items()}


def _by_workload(raw: Mapping[str, Any], value_of: Any) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for record in raw["launches"]:
        if record["status"] == "ok" and record["monitor"] is not None:
            value = value_of(record["monitor"])
            if value is not None:
                found.setdefault(record["workload"], []).append(value)
    return found


def no_gpu_reason(raw: Sequence[Mapping[str, Any]]) -> str:
    """What the monitor says about the absent GPU, each reason once."""
    reasons = dict.fromkeys(
        record["monitor"]["absent"].get("gpu") or record["monitor"]["absent"].get("gpu_utilization_percent")
        for document in raw
        for record in document["launches"]
        if record["monitor"] is not None
    )
    told = [reason for reason in reasons if reason]
    return "; ".join(told) if told else NO_MONITOR


def utilisation_rows(
    statistics: Mapping[str, Any], raw: Mapping[str, Mapping[str, Any]], *, gpu: bool
) -> tuple[list[Row], dict[str, float]]:
    """A row an engine and, for the processor, the cores that each engine could use."""
    colours, markers = engine_colours(statistics["engines"]), engine_markers(statistics["engines"])
    rows, capacity = [], {}
    for engine in in_order(statistics["engines"]):
        name = engine["name"]
        lanes = list((gpu_percents(raw[name]) if gpu else cores_busy(raw[name])).values())
        if not any(lanes):
            reason = engine["reason"] or next((r["reason"] for r in raw[name]["launches"] if r["reason"]), None)
            rows.append(Row(name, "", colours[name], markers[name], absent=f"no measurement: {reason or NO_MONITOR}"))
            continue
        values = sorted(value for lane in lanes for value in lane)
        mean = sum(values) / len(values)
        words = f"{significant(mean)} %" if gpu else f"{significant(mean)} cores"
        if not gpu:
            capacity[name] = float(
                max(len(r["affinity"]["engine_cores"]) for r in raw[name]["launches"] if r["status"] == "ok")
            )
            words += f"\nof {capacity[name]:g}, {mean / capacity[name]:.0%}"
        threads = "" if engine["threads"] is None else f", {plural(engine['threads'], 'thread')}"
        note = STRUCK if is_struck(engine) else f"{plural(len(values), 'launch')}{threads}"
        rows.append(Row(name, note, colours[name], markers[name], lanes, words=words))
    return rows, capacity


def draw(statistics: Mapping[str, Any], raw: Sequence[Mapping[str, Any]]) -> Figure:
    """The whole figure: GPU utilisation where any launch has it, else the reason and the processor's."""
    by_engine = {document["engine"]: document for document in raw}
    gpu = any(gpu_percents(document) for document in raw)
    rows, capacity = utilisation_rows(statistics, by_engine, gpu=gpu)
    height = HEAD_INCHES + rows_inches(rows) + FOOT_INCHES
    figure = new_figure(height)
    if gpu:
        title = "GPU utilisation while an engine ran"
        words = "Each mark is the mean of one launch, each lane of marks one workload; at the right the mean of all."
    else:
        title = "No GPU utilisation: what was measured instead is the processor's"
        words = (
            f"Why: {no_gpu_reason(raw)}. Each mark is the mean of one launch, loading included, each lane of marks one "
            "workload; the grey bar is the cores that the engine could use."
        )
    headline(figure, title, words)
    axes = figure.add_axes((AXES_LEFT, FOOT_INCHES / height, AXES_WIDTH, rows_inches(rows) / height))
    axes.set_title("GPU utilisation, %" if gpu else "Cores that the engine kept busy")
    draw_rows(axes, rows, names=True, from_zero=True)
    _draw_capacity(axes, rows, dict.fromkeys((row.name for row in rows), FULL_PERCENT) if gpu else capacity)
    return figure


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
