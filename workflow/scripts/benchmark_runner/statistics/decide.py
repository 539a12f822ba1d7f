"""Stage decide: keeps what a planned look at a campaign until decided has decided, as the next call reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics.results import read_statistics


def main(argv: Sequence[str]) -> int:
    """Write the section `until` of statistical_summary.json to a file of its own; prints where the campaign stands."""
    args = command(
        "statistics.decide", main.__doc__, "statistics", out="until/<plan of looks>.<launches>.json"
    ).parse_args(argv)
    until = read_statistics(args.statistics)["until"]
    if until is None or until["look"] is None:
        raise BenchmarkError(f"{args.statistics} tells of no planned look; run the same command again")
    write_json(args.out, until)
    print(until["sentence"])
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
