"""Is a file there to its end, and what does a record say there? By first and last bytes: ten thousand cost little."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import simdjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import parse_bulk, read_bytes, read_json
from benchmark_runner.records.checksum import is_as_written
from benchmark_runner.remembered import remembered
from benchmark_runner.status import Status

_ENDS: Final[Mapping[str, bytes]] = {
    ".json": b"}\n",
    ".html": b"</html>",
    ".parquet": b"PAR1",
    ".svg": b"</svg>\n",
    ".png": b"IEND\xaeB`\x82",
}
"""Last bytes by suffix; every other file that the workflow makes is text, whose last line has an end."""

_SHORTEST: Final[Mapping[str, bytes]] = {".json": b'{"a": {"b": 0}}\n'}
"""No document of a stage is shorter than one with a single value: an empty object or null is what was left of one."""

DAMAGED: Final = "damaged"
"""Of a record that is there to both ends and broken in between, in the place of its status."""

_HEAD_BYTES: Final = 4096
_ATTEMPT: Final = re.compile(rb'"attempt": (\d+)')
_STATUS: Final = re.compile(rb'"status": "(\w+)"')


class Ends(NamedTuple):
    """First bytes of a file, and whether its last ones are those of a whole one."""

    head: bytes
    whole: bool


def ends_of(path: Path) -> Ends | None:
    """Both ends of a file; None where there is nothing. What is no regular file is not whole."""
    try:
        # A pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return Ends(b"", whole=False)
    try:
        state, end = os.fstat(descriptor), _ENDS.get(path.suffix, b"\n")
        if not stat.S_ISREG(state.st_mode) or state.st_size < len(_SHORTEST.get(path.suffix, end)):
            return Ends(b"", whole=False)
        last = os.pread(descriptor, len(end), state.st_size - len(end))
        return Ends(os.pread(descriptor, _HEAD_BYTES, 0), last == end)
    finally:
        os.close(descriptor)


def is_cut(path: Path) -> bool:
    """Whether there is a file without its end: emptied, cut, or something else in its place."""
    ends = ends_of(path)
    return ends is not None and not ends.whole


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
    if doubtful:
        try:
            read_json(record)
        except BenchmarkError:
            return None
    return found


def is_damaged(record: Path) -> bool:
    """Whether a record is broken between its ends: neither what its checksum was made of nor JSON at all."""
    text = read_bytes(record)
    if is_as_written(text):
        return False
    try:
        parse_bulk(record, text, simdjson.Parser())
    except BenchmarkError:
        return True
    return False


def words_of(records: Iterable[str], memory: Path) -> dict[str, str]:
    """Of each record that is there its status, empty where it tells none, or DAMAGED.

    One that memory knows unchanged is not read again.
    """

    def word(record: Path) -> str:
        if is_damaged(record):
            return DAMAGED
        head = record_head(record)
        return head.status if head else ""

    # Of ten thousand a Path's own question takes three times as long.
    present = {record: Path(record) for record in records if os.path.isfile(record)}  # noqa: PTH113
    return remembered(present, memory, word)
