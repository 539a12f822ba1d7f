"""What a record says at its ends, without a look at its token times."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json
from benchmark_runner.records.whole import ends_of
from benchmark_runner.status import Status

_ATTEMPT: Final = re.compile(rb'"attempt": (\d+)')
_STATUS: Final = re.compile(rb'"status": "(\w+)"')


class RecordHead(NamedTuple):
    """The two facts of a record that decide whether it is owed again."""

    attempt: int
    status: str


def record_head(record: Path) -> RecordHead | None:
    """Head of a record by its ends, without reading its token times; None where there is none, or a broken one."""
    ends = ends_of(record)
    if ends is None:
        return None
    attempt, status = _ATTEMPT.search(ends.head), _STATUS.search(ends.head)
    if attempt is None or status is None:
        return None
    found = RecordHead(int(attempt[1]), status[1].decode())
    # A sound record that somebody wrote anew may end otherwise; one of an unavailable engine is short.
    doubtful = not ends.whole or found.status == Status.UNAVAILABLE
    return None if doubtful and not _is_json(record) else found


def _is_json(record: Path) -> bool:
    try:
        read_json(record)
    except BenchmarkError:
        return False
    return True
