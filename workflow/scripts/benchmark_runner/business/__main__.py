"""The stage that writes analysis/business_recommendations.json."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.business.document import business_document
from benchmark_runner.business.facts import read_facts
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import read_catalogue
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_json
from benchmark_runner.statistics.results import read_statistics


def _moment(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise BenchmarkError(f"--now {text} is no ISO time; write 2026-11-23T17:00:00Z") from error
    if moment.tzinfo is None:
        raise BenchmarkError(f"--now {text} has no zone; write 2026-11-23T17:00:00Z")
    return moment.astimezone(datetime.UTC)


def main(argv: Sequence[str]) -> int:
    """Write the cost, risk and advice document of one campaign."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.business", description=main.__doc__)
    for name in ("plan", "statistics", "performance", "environment", "manifest", "prices", "facts", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--now", required=True, help="time by which prices are judged, ISO with a zone")
    options = parser.parse_args(argv)
    now = _moment(options.now)
    inputs = BusinessInputs(
        plan=read_json(options.plan),
        statistics=read_statistics(options.statistics),
        performance=read_valid("performance_analysis", options.performance),
        environment=read_valid("environment", options.environment),
        manifest=read_valid("manifest", options.manifest),
        catalogue=read_catalogue(options.prices),
        facts=read_facts(options.facts),
        now=now,
    )
    write_json(options.out, business_document(inputs))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
