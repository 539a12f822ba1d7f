"""A price catalogue with prices read anew: a copy of it with those of a CSV file that the user gives."""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import itertools
import math
import sys
from collections.abc import Mapping, Sequence
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


def _latest_day() -> datetime.date:
    """The day that it is somewhere on Earth, at the latest."""
    return (datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(hours=14)).date()


def _usd(text: str, line: str) -> float:
    try:
        usd = number_in(text)
    except ValueError as error:
        raise BenchmarkError(f"{line}: {text!r} is no number of USD an hour") from error
    if not math.isfinite(usd):
        raise BenchmarkError(f"{line}: {text!r} is not finite; write a number of USD an hour")
    return usd


def _renewed(entry: Mapping[str, Any], row: Mapping[str, str], line: str, latest: datetime.date) -> dict[str, Any]:
    """The entry with a row's price; raises BenchmarkError for a date that the price cannot have."""
    as_of, before = parse_date(row["as_of"], line), parse_date(entry["as_of"], row["id"])
    if as_of < before:
        raise BenchmarkError(f"{line}: {as_of} is older than the {before} of {row['id']}; leave it out")
    if as_of > latest:
        raise BenchmarkError(f"{line}: {as_of} is still to come; write the day on which the price was read")
    usd = _usd(row["usd_per_hour"], line)
    return {
        **entry,
        "price": {"usd_per_hour": usd, "low": usd, "high": usd, "basis": "user"},
        "as_of": row["as_of"],
        "sources": [{"name": row["source"], "kind": "user", "read": row["as_of"]}],
    }


def refreshed(content: dict[str, Any], rows: Sequence[dict[str, str]], where: str) -> dict[str, Any]:
    """The catalogue's content with the rows' prices; raises BenchmarkError for a row that is none of an entry."""
    if not rows:
        raise BenchmarkError(f"{where} has no row with a price below its line {','.join(COLUMNS)}")
    latest = _latest_day()
    places = {entry["id"]: place for place, entry in enumerate(content["entries"])}
    entries, lines = list(content["entries"]), dict[str, str]()
    for number, row in enumerate(rows, start=2):
        line = f"{where}: line {number}"
        if set(row) != set(COLUMNS) or not all(row.values()):
            raise BenchmarkError(f"{line} has not the columns {','.join(COLUMNS)}, each filled")
        place = places.get(row["id"])
        if place is None or "price" not in entries[place]:
            raise BenchmarkError(
                f"{line}: {row['id']!r} is no entry with a price; add the machine to the catalogue first"
            )
        if row["id"] in lines:
            raise BenchmarkError(f"{line}: {row['id']} has a price already, in {lines[row['id']]}; keep one of them")
        lines[row["id"]] = f"line {number}"
        entries[place] = _renewed(entries[place], row, line, latest)
    return {**content, "entries": entries}


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
