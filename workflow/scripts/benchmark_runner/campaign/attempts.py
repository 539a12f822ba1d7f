"""Which launches are owed: those without a whole record, and those whose engine lacked something that has come."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Final

from benchmark_runner.jsonio import read_json
from benchmark_runner.records.whole import is_damaged, record_head
from benchmark_runner.status import Status

_REFUSED: Final = (2, 3)
"""Exit statuses of an adapter that cannot read the spec, as one of protocol 2, or refuses what it asks for
(docs/protocol.md); a spec that could not be read otherwise is no reason to be unavailable."""

SETTLED: Final = frozenset(Status) - {Status.UNAVAILABLE}
"""Statuses after which a launch is never owed again."""


def set_aside(record: Path, *, damaged: bool = False) -> Path | None:
    """Give a broken record another name, which is returned; None where there is no record or a whole one.

    damaged is what was seen of it earlier; meanwhile another campaign may have measured the launch.
    """
    if not os.path.lexists(record) or (record_head(record) is not None and not (damaged and is_damaged(record))):
        return None
    names = (record.with_name(f"{record.name}.broken{f'-{n}' if n else ''}") for n in itertools.count())
    aside = next(name for name in names if not os.path.lexists(name))
    record.rename(aside)
    return aside


def attempts_made(record: Path) -> int:
    """How often a launch was tried, as its record says; 0 without a record."""
    head = record_head(record)
    return 0 if head is None else head.attempt


def count_records(cell: Path) -> int:
    """How many launches of a cell, a folder below it each, have a record of whatever kind; of ten thousand a glob takes
    three times as long."""
    try:
        launches = os.listdir(cell)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0
    return sum(os.path.exists(f"{cell}/{launch}/record.json") for launch in launches)  # noqa: PTH110


def was_refused(record: Path) -> bool:
    """Whether the engine itself said no to a launch on the CPU, as it would again.

    All that it can refuse there is part of the launch's identity; on a GPU the machine may have changed.
    """
    content = read_json(record)
    ended, spec = content.get("engine_exit"), content.get("spec")
    return bool(ended and ended["code"] in _REFUSED and spec and spec["device"] == "cpu")


def is_owed(record: Path, *, engine_is_back: bool) -> bool:
    """Whether a launch is to be run: it has no record, or one of an unavailable engine that has come back."""
    head = record_head(record)
    return head is None or (head.status == Status.UNAVAILABLE and engine_is_back and not was_refused(record))
