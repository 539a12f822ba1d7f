"""Finds and ends the processes that belong to a launch, whichever way they tried to leave it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TextIO

from benchmark_runner.processes.procfs import Process, ancestors, carries, descendants, scan

# Set in the engine's environment, inherited by all it starts: finds those that left the session and lost their parent.
MARKER_VARIABLE: Final = "BENCHMARK_RUNNER_LAUNCH"
# Chosen: SIGKILL works within milliseconds unless a process hangs in a driver call, which no wait of ours can cure.
END_LIMIT_SECONDS: Final = 10.0
# Chosen: short against a launch; the wait happens outside the measured window.
RECHECK_SECONDS: Final = 0.005
# A process in the midst of exec shows no environment for some microseconds, so its marker is looked for twice.
SECOND_LOOK_SECONDS: Final = 0.05


def below_process(root: int, spared: frozenset[int] = frozenset()) -> Callable[[], dict[int, Process]]:
    """A finder of all processes below root except the spared ones; complete where root is a child subreaper."""

    def find() -> dict[int, Process]:
        table = scan()
        return {pid: table[pid] for pid in descendants(table, [root]) if pid not in spared}

    return find


class Members:
    """Processes of a launch that were seen, by pid and start time; notes of them outlive all who watch the launch."""

    def __init__(self, notes: TextIO | None = None) -> None:
        self.seen: set[tuple[int, int]] = set()
        self._notes = notes

    def add(self, processes: Iterable[Process]) -> None:
        """Note those that are new."""
        new = {(process.pid, process.start_ticks) for process in processes} - self.seen
        if new:
            if self._notes is not None:
                self._notes.write("".join(f"{pid} {start_ticks}\n" for pid, start_ticks in sorted(new)))
            self.seen |= new


def of_launch(
    engine_pid: int | None,
    marker: str,
    seen: Iterable[tuple[int, int]] = (),
    belongs: Callable[[Process], bool] = lambda _: False,
) -> Callable[[], dict[int, Process]]:
    """A finder for when the launch command itself is gone: the engine's session, what carries the marker, was seen
    before or belongs to it, and all below.

    Processes once found are remembered by pid and start time, so that one whose parent ended stays known.
    """
    known = set(seen)

    def find() -> dict[int, Process]:
        table = scan()
        ours = ancestors(os.getpid())
        roots = {
            pid
            for pid, process in table.items()
            if process.session == engine_pid
            or (pid, process.start_ticks) in known
            or carries(pid, f"{MARKER_VARIABLE}={marker}")
            or belongs(process)
        } - ours
        pids = (roots | descendants(table, roots)) - ours
        known.update((pid, table[pid].start_ticks) for pid in pids)
        return {pid: table[pid] for pid in pids if table[pid].state != "Z"}

    return find


def send(pids: Mapping[int, Process], number: signal.Signals) -> None:
    """Send the signal to each; those that have ended meanwhile are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def reap(pid: int) -> None:
    """Collect the exit status where the process is a child of ours that has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def end_all(find: Callable[[], dict[int, Process]], limit_seconds: float = END_LIMIT_SECONDS) -> dict[int, Process]:
    """SIGKILL and reap until find() is empty; gives back those that outlived the limit (hung in the kernel)."""
    deadline = time.monotonic() + limit_seconds
    remaining = find()
    while remaining and time.monotonic() < deadline:
        send({pid: process for pid, process in remaining.items() if process.state != "Z"}, signal.SIGKILL)
        for pid in remaining:
            reap(pid)
        time.sleep(RECHECK_SECONDS)
        remaining = find()
    return remaining


def end_launch(find: Callable[[], dict[int, Process]]) -> None:
    """End all that a launch left behind whose own command has died."""
    end_all(find)
    time.sleep(SECOND_LOOK_SECONDS)
    end_all(find)
