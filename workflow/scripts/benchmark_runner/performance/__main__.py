"""Write performance_analysis.json from the statistics, the raw data and the table of iterations."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.performance.analysis import analyse


def main(argv: Sequence[str]) -> int:
    """Read, analyse, write."""
    parser = command("performance", __doc__, "plan", "statistics", "iterations", out="performance_analysis.json")
    parser.add_argument("--manifest", type=Path, help="model/manifest.json, for the size of the weights")
    args = parser.parse_args(argv)
    weights = read_json(args.manifest)["weights_bytes"] if args.manifest and args.manifest.is_file() else None
    analysis = analyse(read_json(args.plan), read_json(args.statistics), args.iterations, weights)
    write_json(args.out, analysis)
    print(f"fastest engine: {analysis['fastest_engine'] or 'not separated by the data'}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
