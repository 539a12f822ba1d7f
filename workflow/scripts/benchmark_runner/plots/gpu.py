"""Plot gpu_utilization: GPU utilisation by launch, or, without a GPU, the reason and the processor's instead."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from matplotlib.figure import Figure

from benchmark_runner.commands import command
from benchmark_runner.display import percent, plural, significant
from benchmark_runner.errors import exit_status
from benchmark_runner.plots.rows import Row, UsagePanel, draw_usage, launch_values, usage_rows
from benchmark_runner.plots.signs import span
from benchmark_runner.plots.style import PICTURES, draw_and_save
from benchmark_runner.records.raw_data import read_heads
from benchmark_runner.statistics.results import read_statistics

FULL_PERCENT: Final = 100.0
GPU: Final = "gpu_utilization_percent"
PROCESSOR: Final = "cpu_percent"
EACH_MARK: Final = "Each mark is the mean of one launch, loading included, each lane of marks one workload"
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

    def in_words(engine: Mapping[str, Any], values: Sequence[float]) -> tuple[str, str]:
        mean = sum(values) / len(values)
        if metric == GPU:
            return f"{significant(mean)} %", ""
        whole = capacity[engine["name"]]
        words = f"{significant(mean)} cores\nof {whole:g}, {percent(mean / whole)}"
        return words, "" if engine["threads"] is None else f", {plural(engine['threads'], 'thread')}"

    return usage_rows(statistics, metric, 1.0 if metric == GPU else 1 / FULL_PERCENT, in_words)


def draw(statistics: Mapping[str, Any], raw: Sequence[Mapping[str, Any]]) -> Figure:
    """The whole figure: GPU utilisation where any launch has it, else the reason and the processor's."""
    names = [engine["name"] for engine in statistics["engines"]]
    if any(lane for name in names for lane in launch_values(statistics, name, GPU).values()):
        metric, capacity = GPU, dict.fromkeys(names, FULL_PERCENT)
        title, axes_title = f"GPU utilisation: {_means(statistics, GPU, 1.0, ' %')}", "GPU utilisation, %"
        words = f"{EACH_MARK}; at the right the mean of all."
    else:
        metric, capacity = PROCESSOR, usable_cores(raw)
        title = f"No GPU utilisation; cores kept busy instead: {_means(statistics, PROCESSOR, FULL_PERCENT, '')}"
        axes_title = "Cores that the engine kept busy"
        words = f"Why: {_no_gpu_reason(statistics)}. {EACH_MARK}; the grey bar is the cores that the engine could use."
    panel = UsagePanel(axes_title, utilisation_rows(statistics, metric, capacity), capacity)
    figure = draw_usage(title, words, [panel], "#eeeeee")
    axes = figure.axes[0]
    axes.set_xlim(0, max([axes.get_xlim()[1], *(1.03 * whole for whole in capacity.values())]))
    return figure


def _means(statistics: Mapping[str, Any], metric: str, divisor: float, unit: str) -> str:
    """The engines with the least and the greatest mean over launches."""
    lanes = {engine["name"]: launch_values(statistics, engine["name"], metric) for engine in statistics["engines"]}
    values = {name: [value for lane in found.values() for value in lane] for name, found in lanes.items()}
    means = {name: fmean(found) / divisor for name, found in values.items() if found}
    return span(means, lambda mean: f"{significant(mean)}{unit}") if means else "nothing was measured"


def _no_gpu_reason(statistics: Mapping[str, Any]) -> str:
    """What the monitor says about the absent GPU, each reason once."""
    metrics = [cell["metrics"] for cell in statistics["cells"] if cell["case"] is None]
    measured = [found[GPU]["reason"] for found in metrics if found[PROCESSOR]["mean"] is not None]
    return "; ".join(dict.fromkeys(reason.removeprefix("not measured: ") for reason in measured)) or NO_MONITOR


def main(argv: Sequence[str]) -> int:
    """Draw gpu_utilization, as PNG and SVG."""
    options = command("plots.gpu", main.__doc__, "statistics", "raw", **PICTURES).parse_args(argv)
    statistics, raw = read_statistics(options.statistics), [read_heads(path) for path in options.raw]
    return draw_and_save(lambda: draw(statistics, raw), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
