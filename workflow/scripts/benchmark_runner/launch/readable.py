"""The last look at a record before it is written: with the eyes of the stage that will collect it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import simdjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.protocol.lines import flaw, readable
from benchmark_runner.records.checksum import sealed_text
from benchmark_runner.records.raw_data import parse_record
from benchmark_runner.status import Status

Record = dict[str, Any]

SAID: Final = ("iterations", "requests", "stages", "hello", "load", "error")
SEEN: Final = ("spec", "monitor", "machine_before", "machine_after", "gpu", "build", "engine_environment", "warnings")
"""Left out one group after the other where a record cannot be read: what the engine said, all else that was put in."""

LISTS: Final = ("iterations", "requests", "stages", "warnings")
LONG: Final = ("iterations", "requests")
"""Checked one by one as they were read."""


def _cleaned(value: Any) -> Any:
    """The same with texts that any reader can take: names of processes and variables may be no UTF-8."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(key): _cleaned(entry) for key, entry in value.items()}
    return [_cleaned(entry) for entry in value] if isinstance(value, list) else value


def _problem(record: Record) -> str | None:
    head = {key: value for key, value in record.items() if key not in LONG}
    if (found := flaw(head, "record")) is not None:
        return found
    try:
        parse_record(Path("record.json"), sealed_text(record), simdjson.Parser())
    except BenchmarkError as error:
        return str(error)
    return None


def make_readable(record: Record) -> None:
    """Let a record be one that every later stage can read: what cannot be read is left out, and the launch failed."""
    long = {name: record.pop(name) for name in LONG if name in record}
    record.update(_cleaned(record), **long)
    for group in (SAID, SEEN):
        problem = _problem(record)
        if problem is None:
            return
        if record["status"] != Status.INTERRUPTED:
            record.update(
                status=Status.FAILED,
                reason=f"what the launch found cannot be kept: {problem}",
                remedy=Status.FAILED.remedy,
            )
        record.update({name: [] if name in LISTS else None for name in group if name in record})
