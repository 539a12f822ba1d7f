"""What the monitor sampled beside the launches: where it lies, and as one table, metrics.parquet.

A row a sample, a column a reading with its unit; a reading that is a map has a column an entry (`name.entry`). time_ns
is of the clock of iterations.parquet. Null where a sample lacks the reading; system_metrics.log tells why.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json_lines, written_whole
from benchmark_runner.records.table import opened_table

# Endings of the monitor's names and the unit behind them.
UNITS: Final = {
    "_percent": "%",
    "_percent_per_core": "%",
    "_celsius": "°C",
    "_mhz": "MHz",
    "_mhz_per_core": "MHz",
    "_watts": "W",
    "_joules": "J",
    "_bytes": "B",
    "_seconds": "s",
    "_ms": "ms",
    "_ns": "ns",
}
_PLACE: Final = {"engine": pa.string(), "workload": pa.string(), "block": pa.int64(), "position": pa.int64()}
_FIRST: Final = pa.schema([*_PLACE.items(), ("time_ns", pa.int64())])

Launch = tuple[str, str, int]
"""Engine, workload and block."""
_LAUNCH: Final = ("engine", "workload", "block")


class Sampled(NamedTuple):
    """What the monitor told of a launch."""

    record: Mapping[str, Any]
    path: Path
    """Its metrics.jsonl."""
    lines: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, record: Mapping[str, Any], path: Path) -> Sampled:
        """Of a record and its file; raises BenchmarkError that names the file where it holds no lines of JSON."""
        return cls(record, path, list(read_json_lines(path)))


@cache
def unit_of(name: str) -> str:
    """Unit of a reading by its name; empty where it has none."""
    return next((unit for ending, unit in UNITS.items() if name.partition(".")[0].endswith(ending)), "")


def sampled_launches(plan: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> Iterator[Sampled]:
    """What the monitor told of each launch, in the order in which they ran; a launch without its file is left out.

    The plan tells the folders, so that a command line need not name a file a launch (there may be thousands).
    """
    folders = {(slot["engine"], slot["workload"], slot["block"]): slot["folder"] for slot in plan["order"]}
    for record in sorted(records, key=lambda record: datetime.datetime.fromisoformat(record["started_at"])):
        path = Path(folders[record["engine"], record["workload"], record["block"]]) / "metrics.jsonl"
        if path.is_file():
            yield Sampled.read(record, path)


def _flat(sample: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in sample.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{entry}", reading) for entry, reading in value.items())
        elif name != "event":
            yield name, value


def launch_table(launch: Sampled) -> pa.Table:
    """Samples of one launch. Raises BenchmarkError that names the file where a reading is no reading."""
    record = launch.record
    samples = [dict(_flat(line)) for line in launch.lines if line.get("event") == "sample"]
    names = dict.fromkeys(name for sample in samples for name in sample)
    place = {name: pa.repeat(pa.scalar(record[name], kind), len(samples)) for name, kind in _PLACE.items()}
    try:
        return pa.table(place | {name: pa.array([sample.get(name) for sample in samples]) for name in names})
    except (pa.ArrowException, OverflowError) as error:
        raise BenchmarkError(
            f"{launch.path}: holds a reading of another kind than the others ({error}); move it away"
        ) from None


def samples_of(path: Path, launches: Sequence[Launch], readings: Iterable[str]) -> dict[Launch, list[dict[str, Any]]]:
    """Samples of these launches in metrics.parquet, in order: time_ns, and of the readings those that the table has.

    Raises BenchmarkError that names the file where it is no such table.
    """
    if not launches:
        return {}
    with opened_table(path) as file:
        columns = [*_LAUNCH, "time_ns", *(name for name in readings if name in file.schema_arrow.names)]
        wanted = [(name, "in", list({launch[place] for launch in launches})) for place, name in enumerate(_LAUNCH)]
        rows = pq.read_table(path, columns=columns, filters=wanted).to_pylist()
    found: dict[Launch, list[dict[str, Any]]] = {launch: [] for launch in launches}
    for row in rows:
        found.get((row["engine"], row["workload"], row["block"]), []).append(row)
    return found


def write_samples(tables: Iterable[pa.Table], out: Path) -> int:
    """Write metrics.parquet of the launches' tables; number of rows. Raises BenchmarkError where launches tell unlike
    kinds of a reading."""
    try:
        table = pa.concat_tables([_FIRST.empty_table(), *tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise BenchmarkError(
            f"metrics.jsonl of two launches hold unlike kinds of one reading ({error}); move the wrong one away"
        ) from None
    schema = pa.schema([field.with_metadata({"unit": unit_of(field.name)}) for field in table.schema])
    with written_whole(out) as partial:
        pq.write_table(table.cast(schema), partial, compression="zstd")
    return len(table)
