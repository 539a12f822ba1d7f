"""Write statistical_summary.json from the plan, the raw data, the table of iterations and the fidelity checks."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.inputs import read_inputs
from benchmark_runner.statistics.summary import summarise


def main(argv: Sequence[str]) -> int:
    """Read the inputs, judge, write."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.statistics", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan.json")
    parser.add_argument("--raw", type=Path, nargs="+", required=True, help="raw_data/<engine>.json of all engines")
    parser.add_argument("--iterations", type=Path, required=True, help="iterations.parquet")
    parser.add_argument("--fidelity", type=Path, nargs="*", default=[], help="fidelity/<engine>.json of all engines")
    parser.add_argument("--out", type=Path, required=True, help="statistical_summary.json")
    args = parser.parse_args(argv)
    summary = summarise(read_inputs(args.plan, args.raw, args.fidelity), args.iterations)
    require_valid("settings", summary, str(args.out))
    write_json(args.out, summary)
    verdicts = Counter(one["verdict"] for one in summary["comparisons"] if one["kind"] == "primary")
    print(f"{summary['family']['description']}; verdicts: {dict(verdicts)}; {len(summary['warnings'])} warnings")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
