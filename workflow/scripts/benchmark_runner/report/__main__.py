"""The stage that writes report.html."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.configuration.data_files import read_map
from benchmark_runner.configuration.resolve import resolve
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_bytes, read_json, read_valid, write_text_atomic
from benchmark_runner.records.raw_data import read_heads
from benchmark_runner.records.table import read_measured
from benchmark_runner.report.charts import CHART_COLUMNS
from benchmark_runner.report.inputs import ReportInputs
from benchmark_runner.report.page import render
from benchmark_runner.report.timeline import first_requests
from benchmark_runner.statistics.results import read_statistics
from benchmark_runner.terminal import say

DOCUMENTS: Final = {
    "summary": "summary",
    "performance": "performance_analysis",
    "business": "business_recommendations",
    "environment": "environment",
}
"""Files of the command line with their schema."""


def pointed_to(path: Path | None) -> Any:
    """The configuration that a quick look points to, resolved; None where it is not in order, which is told."""
    try:
        return path and resolve(read_map(path, "put it in order, or restore it from git"), [path])
    except BenchmarkError as error:
        say(f"the report does not tell what the comprehensive campaign adds: {error}")
        return None


def main(argv: Sequence[str]) -> int:
    """Write the campaign's report as one file that needs no network."""
    read = ("plan", *DOCUMENTS, "statistics", "iterations", "samples", "reproduction", "raw")
    parser = command("report", main.__doc__, *read, out="report.html")
    parser.add_argument("--fidelity", type=Path, nargs="*", default=[], help="fidelity/<engine>.json of each engine")
    parser.add_argument("--comprehensive", type=Path, help="configuration that a quick look points to")
    options = parser.parse_args(argv)
    documents: dict[str, Any] = {name: read_valid(kind, getattr(options, name)) for name, kind in DOCUMENTS.items()}
    documents |= {"plan": read_json(options.plan), "statistics": read_statistics(options.statistics)}
    inputs = ReportInputs(
        **documents,
        iterations=read_measured(options.iterations, CHART_COLUMNS),
        samples=options.samples,
        first_requests=first_requests(options.iterations, documents["plan"]),
        fidelity=tuple(read_valid("fidelity", path) for path in options.fidelity),
        raw=tuple(read_heads(path) for path in options.raw),
        reproduction=read_bytes(options.reproduction).decode(errors="replace"),
        comprehensive=pointed_to(options.comprehensive) if documents["plan"]["campaign"]["quick"] else None,
    )
    write_text_atomic(options.out, render(inputs))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
