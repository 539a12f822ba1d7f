"""Linux's process table, read straight from /proc: a tenth of the cost of psutil's objects a scan."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    cpu_seconds: float
    waited_cpu_seconds: float
    """Time of children that ended and were waited for: a tree's time is the sum of both over its processes."""
    threads: int
    start_ticks: int
    rss_bytes: int
    terminal: int = 0
    """Number of its controlling terminal; 0: none."""


def parse_stat(text: bytes) -> Process:
    """Process from the content of /proc/<pid>/stat (proc_pid_stat(5)); the name may hold spaces and brackets."""
    head, _, tail = text.rpartition(b")")
    pid, _, name = head.partition(b" (")
    fields = tail.split()
    return Process(
        pid=int(pid),
        name=name.decode("utf-8", "replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND,
        waited_cpu_seconds=(int(fields[13]) + int(fields[14])) / TICKS_PER_SECOND,
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        rss_bytes=int(fields[21]) * PAGE_BYTES,
        terminal=int(fields[4]),
    )


def read_process(pid: int) -> Process | None:
    """The process of that pid, zombies included; None where there is none or it may not be read."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        return parse_stat(os.read(descriptor, 4096))
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)


def thread_run_ns(pid: int) -> dict[int, int]:
    """Time that each thread of a process has run, by thread id, unit: ns; empty where the process is gone.

    The first number of /proc/<pid>/task/<tid>/schedstat, which counts finer than the ticks of stat.
    """
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{name}/schedstat", "rb") as file:  # noqa: PTH123
                found[int(name)] = int(file.read().split()[0])
    except OSError:
        return found
    return found


def scan() -> dict[int, Process]:
    """All processes that can be seen, by pid."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return {process.pid: process for process in found if process is not None}


def descendants(table: Mapping[int, Process], roots: Iterable[int]) -> set[int]:
    """Pids below the roots, without the roots themselves."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    below: set[int] = set()
    open_pids = list(roots)
    while open_pids:
        for child in children.get(open_pids.pop(), ()):
            if child not in below:
                below.add(child)
                open_pids.append(child)
    return below


def ancestors(pid: int) -> set[int]:
    """Pid and all processes above it."""
    line = set()
    process = read_process(pid)
    while process is not None and process.pid not in line:
        line.add(process.pid)
        process = read_process(process.parent)
    return line


def carries(pid: int, variable: str) -> bool:
    """Whether the process was started with that NAME=value in its environment; False where it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return variable.encode() in file.read().split(b"\0")
    except OSError:
        return False


def open_files(pid: int) -> Iterator[tuple[Path, str]]:
    """Each descriptor of a process, as a path that leads to the file itself, and the name under which it was opened,
    followed by ` (deleted)` where it lies there no more; none of a process that may not be looked at."""
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile, which tells nothing of the others
                yield descriptor, os.readlink(descriptor)  # noqa: PTH115


def works_in(pid: int, folder: str, files: Collection[str] = ()) -> bool:
    """Whether the process has its working folder or program below a folder, or may write something there or in files.

    False where that may not be read.
    """
    below = f"{folder}/"
    with contextlib.suppress(OSError):
        if any(os.readlink(f"/proc/{pid}/{name}").startswith(below) for name in ("cwd", "exe")):  # noqa: PTH115
            return True
    for descriptor, opened in open_files(pid):
        name = opened.removesuffix(" (deleted)")
        with contextlib.suppress(OSError):
            if (name.startswith(below) or name in files) and _may_write(pid, descriptor.name):
                return True
    return False


def _may_write(pid: int, descriptor: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{descriptor}", "rb") as file:  # noqa: PTH123
        flags = next(line for line in file if line.startswith(b"flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
