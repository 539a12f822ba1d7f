"""Write summary.json and comparison_table.md from the statistics and the performance analysis."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_json, write_text_atomic
from benchmark_runner.statistics.results import Results, read_statistics
from benchmark_runner.summary.document import summary_document
from benchmark_runner.summary.table import comparison_table
from benchmark_runner.terminal import printable


def main(argv: Sequence[str]) -> int:
    """Read, put into words, write."""
    args = command(
        "summary", __doc__, "plan", "statistics", "performance", out="summary.json", table="comparison_table.md"
    ).parse_args(argv)
    plan, results = read_json(args.plan), Results(read_statistics(args.statistics))
    document = summary_document(plan, results, read_valid("performance_analysis", args.performance))
    write_json(args.out, document)
    write_text_atomic(args.table, comparison_table(plan, results, document["answer"]))
    print(printable(document["summary"]["recommendation"]))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
