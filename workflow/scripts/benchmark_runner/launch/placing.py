"""A launch's folder: each attempt fills one of its own, which takes the launch's place by one rename when it is over.

A folder that is not empty gives way to none, on shared file systems too: of attempts that meet, as two machines may
make them, the first one that is over stands, and its record is never removed. What is in the way is taken from the
folder as it was opened, so never from one that has taken its place meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.files import own_folder, remove
from benchmark_runner.records.whole import record_head
from benchmark_runner.status import Status

RECORD: Final = "record.json"
INTERRUPTED: Final = "interrupted.json"
SHOWN: Final = ("spec.json", "events.jsonl", "metrics.jsonl", "engine.log")
"""What the launch's folder shows of an attempt while it runs, by links."""

_ANOTHER_CAME: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ESTALE)
_TRIES: Final = 20
_BETWEEN_TRIES_SECONDS: Final = 0.5
"""Chosen: another machine shows its attempt in milliseconds, and a shared file system tells of it in seconds."""

Identity = tuple[int, int]
"""Device and number of a folder."""


class MeasuredAlreadyError(Exception):
    """Somebody else measured the launch while this attempt waited or ran."""


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[tuple[Path, Identity]]:
    """A path to the folder itself, made where it is missing, whatever takes its place meanwhile."""
    own_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        yield Path(f"/proc/self/fd/{descriptor}"), (state.st_dev, state.st_ino)
    finally:
        os.close(descriptor)


def _require_unmeasured(there: Path, folder: Path) -> None:
    """Raise MeasuredAlreadyError where a record is there, unless it says that its engine was unavailable."""
    record = there / RECORD
    head = record_head(record)
    if record.is_file() and (head is None or head.status != Status.UNAVAILABLE):
        raise MeasuredAlreadyError(f"{folder / RECORD} is there: another campaign has measured this launch meanwhile")


def _link_to(file: Path, folder: Path) -> Path:
    """Leads to a file of the same campaign wherever its folder is copied."""
    return Path(os.path.relpath(file, folder))


def shows(folder: Path, file: Path) -> bool:
    """Whether the launch's folder still shows a file of an attempt."""
    link = folder / file.name
    return link.is_symlink() and link.readlink() == _link_to(file, folder)


def show(folder: Path, files: Sequence[Path]) -> Identity:
    """Let the launch's folder show an attempt's files in place of those of an earlier one; gives which folder that is.

    Raises MeasuredAlreadyError where it has a record, which is a fact and stays, and BenchmarkError where the folder
    does not stay in its place.
    """
    for _ in range(_TRIES):
        try:
            with _opened(folder) as (there, identity):
                _require_unmeasured(there, folder)
                for name in (INTERRUPTED, *SHOWN):
                    remove(there / name)
                for file in files:
                    link = there / f".{file.name}.{os.urandom(4).hex()}"
                    link.symlink_to(_link_to(file, folder))
                    link.replace(there / file.name)
                return identity
        except FileNotFoundError:  # another attempt has taken the folder's place meanwhile
            time.sleep(_BETWEEN_TRIES_SECONDS)
    raise BenchmarkError(f"{folder} is taken away again and again; see who writes there, and run again")


def _clear(there: Path, attempt: Path) -> None:
    """Empty a launch's folder: what an attempt shows goes, anything else becomes part of the attempt's folder."""
    for found in list(there.iterdir()):
        no_record = found.name == RECORD and (found.is_symlink() or not found.is_file())
        if no_record or found.name in (INTERRUPTED, *SHOWN) or os.path.lexists(attempt / found.name):
            remove(found)
        else:
            found.rename(attempt / found.name)


def take_place(attempt: Path, folder: Path, begun: Identity) -> None:
    """Let an attempt's folder be the launch's; begun is the folder that showed it.

    Raises MeasuredAlreadyError where another attempt's record stands there, and BenchmarkError where the folder does
    not become empty. A record in the folder of before was put there by no attempt: they come with a folder.
    """
    for _ in range(_TRIES):
        try:
            with _opened(folder) as (there, identity):
                if identity != begun:
                    _require_unmeasured(there, folder)
                _clear(there, attempt)
            attempt.rename(folder)
        except OSError as error:
            if error.errno not in _ANOTHER_CAME or not attempt.is_dir():
                raise
            time.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return
    raise BenchmarkError(
        f"{folder} does not become empty, so that {attempt} cannot take its place; see who writes there, and run again"
    )
