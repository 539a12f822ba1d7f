"""The engine's process tree: memory, computing time, threads, and whether they keep to what they were given."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from benchmark_runner.monitor.probe import Sample
from benchmark_runner.processes.orphans import Members, send
from benchmark_runner.processes.procfs import Process, descendants, read_process, scan, thread_run_ns

# Chosen: looking through the whole process table for new children may take this share of the monitor's time.
SCAN_TIME_SHARE: Final = 0.02

# Chosen: long enough for each of several threads that share a core to have its turn several times.
THREADS_EVERY_NS: Final = 250_000_000
# Chosen: a thread computes where it ran for this share of the busiest one's time; one that hands out work ran less.
BUSY_SHARE: Final = 0.25
# Chosen: where even the busiest thread ran for less of the time, the engine was waiting.
LEAST_BUSY_SHARE: Final = 0.05


# States of the process table: stopped by a signal, held by a debugger.
STOPPED_STATES: Final = frozenset("Tt")
# Classes of the scheduler that run before all others; batch and idle run after them.
REAL_TIME: Final = {os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR", 6: "SCHED_DEADLINE"}


class Conduct(NamedTuple):
    """Cores and priority of an engine: what it was given, or what its threads took beyond that."""

    cores: frozenset[int]
    nice: int
    priorities: frozenset[str] = frozenset()

    @classmethod
    def given(cls, cores: str) -> Conduct:
        """The cores of a list with commas (empty: all) and this process's own priority, which engines inherit."""
        named = frozenset(map(int, filter(None, cores.split(","))))
        return cls(named or frozenset(range(os.cpu_count() or 1)), os.getpriority(os.PRIO_PROCESS, 0))

    def beyond(self, threads: Iterable[int]) -> Conduct:
        """What the threads have taken beyond it; threads that have ended have taken nothing."""
        cores: set[int] = set()
        priorities: set[str] = set()
        for thread in threads:
            try:
                cores |= os.sched_getaffinity(thread) - self.cores
                nice, policy = os.getpriority(os.PRIO_PROCESS, thread), os.sched_getscheduler(thread)
            except ProcessLookupError:
                continue
            if nice < self.nice:
                priorities.add(f"nice {nice}")
            if policy in REAL_TIME:
                priorities.add(REAL_TIME[policy])
        return Conduct(frozenset(cores), self.nice, frozenset(priorities))


class EngineProbe:
    """The engine and all processes below it, in its session, or that the launch command has adopted from it.

    Silent until attach() tells the pid.
    """

    def __init__(
        self,
        members: Members,
        *,
        launch: int | None = None,
        spared: Collection[int] = (),
        given: Conduct | None = None,
    ) -> None:
        self.absent: dict[str, str] = {}
        self.members = members
        self._launch = launch
        self._spared = set(spared)
        self._given = given
        self.pid: int | None = None
        self._known: dict[int, int] = {}
        self._next_scan_ns = 0
        self._cpu_seconds = 0.0
        self._read_ns = 0
        self._threads_read_ns = 0
        self._thread_ns: dict[tuple[int, int], int] = {}

    def attach(self, pid: int, apart: Iterable[int] = ()) -> None:
        """From now on sample the session led by pid, of which the processes apart, though the launch's, are no part."""
        self.pid = pid
        self._spared.update(apart)
        self._read_ns = self._threads_read_ns = time.monotonic_ns()

    def _find(self) -> dict[int, Process]:
        """The tree; new members are looked for as often as the scan's own cost allows."""
        begin_ns = time.monotonic_ns()
        if begin_ns < self._next_scan_ns:
            known = (read_process(pid) for pid in self._known)
            return {process.pid: process for process in known if process and self._is_known(process)}
        table = scan()
        roots = {
            pid
            for pid, process in table.items()
            if process.session == self.pid or process.parent == self._launch or self._is_known(process)
        } - self._spared
        tree = {pid: table[pid] for pid in roots | descendants(table, roots)}
        self._known = {pid: process.start_ticks for pid, process in tree.items()}
        self.members.add(tree.values())
        end_ns = time.monotonic_ns()
        self._next_scan_ns = end_ns + round((end_ns - begin_ns) / SCAN_TIME_SHARE)
        return tree

    def _busy_threads(self, tree: list[Process], elapsed_ns: int) -> int:
        """Threads that computed since the last reading, a thread that only spins among them."""
        before = self._thread_ns
        self._thread_ns = {
            (process.pid, thread): run_ns for process in tree for thread, run_ns in thread_run_ns(process.pid).items()
        }
        ran_ns = [run_ns - before.get(thread, 0) for thread, run_ns in self._thread_ns.items()]
        longest_ns = max(ran_ns, default=0)
        if longest_ns < LEAST_BUSY_SHARE * elapsed_ns:
            return 0
        return sum(value >= BUSY_SHARE * longest_ns for value in ran_ns)

    def _is_known(self, process: Process) -> bool:
        return self._known.get(process.pid) == process.start_ticks

    def read(self, sample: Sample) -> None:
        """Adds engine_rss_bytes (shared pages count in each process), engine_cpu_percent (100 = one core), counts.

        engine_busy_threads is what the threads did since the last reading; engine_threads counts sleeping ones too.
        Adds stopped_processes, cores_beyond_given and priorities_raised only where there are any.
        """
        if self.pid is None:
            return
        now_ns = time.monotonic_ns()
        tree = [process for process in self._find().values() if process.state != "Z"]
        if not tree:
            return
        cpu_seconds = sum(process.cpu_seconds + process.waited_cpu_seconds for process in tree)
        elapsed_seconds = (now_ns - self._read_ns) / 1e9
        if elapsed_seconds > 0:
            share = 100.0 * (cpu_seconds - self._cpu_seconds) / elapsed_seconds
            sample["engine_cpu_percent"] = round(max(0.0, share), 1)
        threads = {process.pid for process in tree}
        if now_ns - self._threads_read_ns >= THREADS_EVERY_NS:
            sample["engine_busy_threads"] = self._busy_threads(tree, now_ns - self._threads_read_ns)
            self._threads_read_ns = now_ns
            threads.update(thread for _, thread in self._thread_ns)
        self._read_conduct(tree, threads, sample)
        sample["engine_cpu_seconds"] = cpu_seconds
        sample["engine_rss_bytes"] = sum(process.rss_bytes for process in tree)
        sample["engine_threads"] = sum(process.threads for process in tree)
        sample["engine_processes"] = len(tree)
        self._cpu_seconds, self._read_ns = cpu_seconds, now_ns

    def _read_conduct(self, tree: list[Process], threads: set[int], sample: Sample) -> None:
        stopped = ["the engine"] if any(process.state in STOPPED_STATES for process in tree) else []
        if self.launch_is_stopped():
            stopped.append("the launch command")
        if stopped:
            sample["stopped_processes"] = stopped
        if self._given is None:
            return
        beyond = self._given.beyond(threads)
        if beyond.cores:
            sample["cores_beyond_given"] = sorted(beyond.cores)
        if beyond.priorities:
            sample["priorities_raised"] = sorted(beyond.priorities)

    def launch_is_stopped(self) -> bool:
        """Whether the launch command or the process above it is stopped, and so cannot act."""
        launch = read_process(self._launch) if self._launch is not None else None
        pair = (launch, read_process(launch.parent)) if launch is not None else ()
        return any(process is not None and process.state in STOPPED_STATES for process in pair)

    def kill(self) -> None:
        """End the engine and all that it has started, as far as it is known."""
        send(self._find(), signal.SIGKILL)
