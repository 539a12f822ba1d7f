"""Write performance_analysis.json from the statistics, the raw data and the table of iterations."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_json
from benchmark_runner.performance.analysis import analyse
from benchmark_runner.statistics.results import read_statistics
from benchmark_runner.terminal import printable


def main(argv: Sequence[str]) -> int:
    """Read, analyse, write."""
    parser = command("performance", __doc__, "plan", "statistics", "iterations", out="performance_analysis.json")
    parser.add_argument("--manifest", type=Path, help="model/manifest.json, for the numbers of the model")
    parser.add_argument("--calibration", type=Path, nargs="?", help="calibration.json, where the machine has one")
    args = parser.parse_args(argv)
    manifest, calibration = (
        read_valid(name, path) if path else None
        for name, path in (("manifest", args.manifest), ("calibration", args.calibration))
    )
    analysis = analyse(read_json(args.plan), read_statistics(args.statistics), args.iterations, manifest, calibration)
    write_json(args.out, analysis)
    fastest, found = analysis["fastest_engine"], analysis["answer"]["sentence"]
    print(printable(f"fastest engine: {fastest}" if fastest else f"no engine is called the fastest: {found}"))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
