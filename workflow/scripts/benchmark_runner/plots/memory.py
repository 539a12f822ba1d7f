"""Plot memory_usage: peak memory of each launch against the size of the weights, and GPU memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from benchmark_runner.commands import command
from benchmark_runner.display import BYTES_PER_GB, TIMES, bytes_text, significant
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_valid
from benchmark_runner.plots.rows import Row, UsagePanel, draw_usage, usage_rows
from benchmark_runner.plots.signs import span
from benchmark_runner.plots.style import PICTURES, draw_and_save
from benchmark_runner.statistics.results import read_statistics

RSS_METRIC: Final = "peak_rss_bytes"
VRAM_METRIC: Final = "peak_vram_bytes"
TITLES: Final = {
    RSS_METRIC: "Peak resident memory of the engine, GB",
    VRAM_METRIC: "Peak GPU memory, GB",
}


def memory_rows(statistics: Mapping[str, Any], performance: Mapping[str, Any], metric: str) -> list[Row]:
    """A row an engine; each lane holds one workload's launches."""

    def in_words(engine: Mapping[str, Any], values: Sequence[float]) -> tuple[str, str]:
        weights = weights_gb(performance, engine["control_of"] or engine["name"])
        share = "" if weights is None else f"\n{significant(values[-1] / weights)} {TIMES} weights"
        return (
            f"{bytes_text(values[-1] * BYTES_PER_GB)}{share}",
            ", not of all test cases" if "not_asked" in engine else "",
        )

    return usage_rows(statistics, metric, 1 / BYTES_PER_GB, in_words)


def weights_gb(performance: Mapping[str, Any], engine: str) -> float | None:
    """Size of the weights that an engine loads, in GB; None where it is not known."""
    known = performance["memory"].get(engine)
    return None if known is None or known["weights_bytes"] is None else known["weights_bytes"] / BYTES_PER_GB


def draw(statistics: Mapping[str, Any], performance: Mapping[str, Any]) -> Figure:
    """The whole figure: resident memory, and beside it GPU memory or the reason why there is none."""
    rows = {metric: memory_rows(statistics, performance, metric) for metric in TITLES}
    words = (
        "Each mark is the peak of one launch, each lane of marks one workload. The grey bar is the size of the "
        "weights. GB = 10⁹ bytes."
    )
    if all(row.absent is not None for row in rows[VRAM_METRIC]):
        words += f"\nGPU memory: {_no_vram_reason(rows)}"
        del rows[VRAM_METRIC]
    known = {
        engine["name"]: weights
        for engine in statistics["engines"]
        if (weights := weights_gb(performance, engine["control_of"] or engine["name"])) is not None
    }
    panels = [
        UsagePanel(
            TITLES[metric],
            found,
            {row.name: known[row.name] for row in found if row.absent is None and row.name in known},
        )
        for metric, found in rows.items()
    ]
    return draw_usage(_finding(performance), words, panels, "#e4e4e4")


def _finding(performance: Mapping[str, Any]) -> str:
    """Which engines have the lowest and the highest peak: of GPU memory where that was measured."""
    for metric, what in ((VRAM_METRIC, "Peak GPU memory"), (RSS_METRIC, "Peak memory")):
        peaks = {name: one[metric] for name, one in performance["memory"].items() if one[metric] is not None}
        if peaks:
            return f"{what}, lower is better: {span(peaks, bytes_text)}"
    return "Memory: nothing was measured"


def _no_vram_reason(rows: Mapping[str, Sequence[Row]]) -> str:
    """Why no engine that was measured has a figure of GPU memory, each reason once."""
    measured = {row.name for row in rows[RSS_METRIC] if row.absent is None}
    reasons = dict.fromkeys(str(row.absent) for row in rows[VRAM_METRIC] if row.name in measured)
    return "; ".join(reasons) or "no engine was measured"


def main(argv: Sequence[str]) -> int:
    """Draw memory_usage, as PNG and SVG."""
    options = command("plots.memory", main.__doc__, "statistics", "performance", **PICTURES).parse_args(argv)
    statistics = read_statistics(options.statistics)
    performance = read_valid("performance_analysis", options.performance)
    return draw_and_save(lambda: draw(statistics, performance), options.out, options.svg)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
