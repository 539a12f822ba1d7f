"""Shared memory that an engine which died leaves behind: it belongs to no process, so that nothing else frees it.

The kernel tells who made a segment of System V, and one of the launch's processes alone is removed. Of a file in
/dev/shm, as of a set of semaphores, it tells no more than the user: those that came while the engine ran and that no
process has open are told, and stay.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmark_runner.processes.procfs import open_files, scan

FILES: Final = Path("/dev/shm")
SEGMENTS: Final = Path("/proc/sysvipc/shm")
SEMAPHORES: Final = Path("/proc/sysvipc/sem")

_IPC_RMID: Final = 0
"""From linux/ipc.h."""


class Shared(NamedTuple):
    """One object of this user that outlives its makers."""

    name: str
    size_bytes: int
    remedy: str
    creator: int | None = None
    """The process that made it, where the kernel tells."""
    number: int | None = None
    """By which a segment of System V is removed."""
    is_attached: bool = False
    """Whether a process uses that segment."""

    def __str__(self) -> str:
        """As a warning names it."""
        return f"{self.name} ({self.size_bytes} bytes)" if self.size_bytes else self.name


def _files(folder: Path) -> Iterator[tuple[str, Shared]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # removed meanwhile
                state = entry.stat(follow_symlinks=False)
                if state.st_uid == os.geteuid() and entry.is_file(follow_symlinks=False):
                    yield (
                        f"{entry.path}#{state.st_ino}",
                        Shared(entry.path, state.st_blocks * 512, f"rm {shlex.quote(entry.path)}"),
                    )


def _rows(table: Path) -> Iterator[dict[str, int]]:
    """Rows of this user in a table of System V's objects."""
    with contextlib.suppress(OSError):  # a kernel without them
        head, *lines = table.read_text(encoding="ascii").splitlines()
        for line in lines:
            row = dict(zip(head.split(), map(int, line.split()), strict=False))
            if row["cuid"] == os.geteuid():
                yield row


def shared_objects(files: Path = FILES) -> dict[str, Shared]:
    """What there is of this user, by what tells one from another that follows under its name."""
    found = dict(_files(files))
    for row in _rows(SEGMENTS):
        name, number = f"System V segment {row['shmid']}", row["shmid"]
        found[name] = Shared(name, row["size"], f"ipcrm -m {number}", row["cpid"], number, row["nattch"] > 0)
    for row in _rows(SEMAPHORES):
        name = f"System V semaphores {row['semid']}"
        found[name] = Shared(name, 0, f"ipcrm -s {row['semid']}")
    return found


def _in_use(paths: Collection[str]) -> set[str]:
    """Those of the files that a process of this user has open or mapped."""
    found: set[str] = set()
    for pid in scan():
        found.update(path for _, path in open_files(pid) if path in paths)
        with contextlib.suppress(OSError):
            mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
            found.update(path for path in paths if f" {path}\n" in mapped)
    return found


class LeftBehind(NamedTuple):
    """Shared memory that came while an engine ran and that nothing uses now."""

    removed: list[Shared]
    """Of the launch's own processes."""
    unknown: list[Shared]
    """Of this user: it cannot be told whether the engine made it."""


def left_behind(before: Mapping[str, Shared], creators: Collection[int], files: Path = FILES) -> LeftBehind:
    """What has come since before; what one of the creators made, by the kernel's word, is removed."""
    new = [one for key, one in shared_objects(files).items() if key not in before and not one.is_attached]
    in_use = _in_use({one.name for one in new}) if new else set()
    left = LeftBehind([], [])
    libc = ctypes.CDLL(None)
    for one in new:
        if one.number is not None and one.creator in creators and libc.shmctl(one.number, _IPC_RMID, None) == 0:
            left.removed.append(one)
        elif one.name not in in_use:
            left.unknown.append(one)
    return left
