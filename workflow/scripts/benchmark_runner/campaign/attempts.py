"""Which launches are owed again because what they lacked has come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from benchmark_runner.jsonio import read_json

_HEAD_BYTES: Final = 4096
"""A record's first keys (engine, attempt, status) lie well within; its token times may be megabytes."""

_ATTEMPT: Final = re.compile(rb'"attempt": (\d+)')
_STATUS: Final = re.compile(rb'"status": "(\w+)"')

_REFUSED: Final = 3
"""Exit status of an adapter that refuses what the spec asks for (docs/protocol.md)."""


class RecordHead(NamedTuple):
    """The two facts of a record that decide whether it is owed again."""

    attempt: int
    status: str


def record_head(record: Path) -> RecordHead | None:
    """Head of a record without reading its token times; None where there is no readable record."""
    try:
        with record.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return None
    attempt, status = _ATTEMPT.search(head), _STATUS.search(head)
    if attempt is None or status is None:
        return None
    return RecordHead(int(attempt[1]), status[1].decode())


def attempts_made(record: Path) -> int:
    """How often a launch was tried, as its record says; 0 without a record."""
    head = record_head(record)
    return 0 if head is None else head.attempt


def was_refused(record: Path) -> bool:
    """Whether the engine itself said no to a launch on the CPU, as it would again.

    All that it can refuse there is part of the launch's identity; on a GPU the machine may have changed.
    """
    content = read_json(record)
    ended, spec = content.get("engine_exit"), content.get("spec")
    return bool(ended and ended["code"] == _REFUSED and spec and spec["device"] == "cpu")


def is_owed(record: Path, *, engine_is_back: bool) -> bool:
    """Whether a launch is to be run: it has no record, or one of an unavailable engine that has come back."""
    head = record_head(record)
    return head is None or (head.status == "unavailable" and engine_is_back and not was_refused(record))
