"""A price catalogue with prices read anew: a copy of it with those of a CSV file that the user gives."""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark_runner.business.facts import parse_date
from benchmark_runner.business.prices import read_catalogue
from benchmark_runner.configuration.data_files import read_data_file
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import write_text_atomic
from benchmark_runner.namedfile import read_named_data
from benchmark_runner.units import number_in

COLUMNS: Final = ("id", "usd_per_hour", "as_of", "source")


def refreshed(content: dict[str, Any], rows: Sequence[dict[str, str]], where: str) -> dict[str, Any]:
    """The catalogue's content with the rows' prices; raises BenchmarkError for a row that is none of an entry."""
    entries = {entry["id"]: entry for entry in content["entries"]}
    for number, row in enumerate(rows, start=2):
        line = f"{where}: line {number}"
        if set(row) != set(COLUMNS) or not all(row.values()):
            raise BenchmarkError(f"{line} has not the columns {','.join(COLUMNS)}, each filled")
        entry = entries.get(row["id"])
        if entry is None or "price" not in entry:
            raise BenchmarkError(
                f"{line}: {row['id']!r} is no entry with a price; add the machine to the catalogue first"
            )
        if parse_date(row["as_of"], line) < parse_date(entry["as_of"], row["id"]):
            raise BenchmarkError(
                f"{line}: {row['as_of']} is older than the {entry['as_of']} of {row['id']}; leave it out"
            )
        try:
            usd = number_in(row["usd_per_hour"])
        except ValueError as error:
            raise BenchmarkError(f"{line}: {row['usd_per_hour']!r} is no number of USD an hour") from error
        entry["price"] = {"usd_per_hour": usd, "low": usd, "high": usd, "basis": "user"}
        entry["as_of"] = row["as_of"]
        entry["sources"] = [{"name": row["source"], "kind": "user", "read": row["as_of"]}]
    return content


def main(argv: Sequence[str]) -> int:
    """Write the refreshed catalogue and tell which entries no campaign would use."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.business.refresh", description=__doc__)
    parser.add_argument("--prices", type=Path, required=True, help="the catalogue, such as config/prices.yaml")
    parser.add_argument("--read", type=Path, required=True, help=f"CSV file with the columns {','.join(COLUMNS)}")
    parser.add_argument("--out", type=Path, required=True, help="the new catalogue, for business.prices")
    options = parser.parse_args(argv)
    content = read_data_file(options.prices, "prices", "name a price catalogue")
    text = read_named_data(options.prices)
    try:
        rows = list(csv.DictReader(io.StringIO(read_named_data(options.read), newline="")))
    except (BenchmarkError, csv.Error) as error:
        raise BenchmarkError(f"{options.read}: {error}") from None
    head = "".join(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))
    new = yaml.safe_dump(refreshed(content, rows, str(options.read)), sort_keys=False, allow_unicode=True, width=120)
    write_text_atomic(options.out, head + new)
    set_aside = read_catalogue(options.out).quarantined
    for name, reason in set_aside.items():
        print(f"set aside: {name}: {reason}")
    print(f"{len(rows)} prices read anew; {len(set_aside)} entries set aside")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
