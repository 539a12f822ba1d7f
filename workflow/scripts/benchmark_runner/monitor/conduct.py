"""Whether an engine's threads keep to the cores and the priority that it was started with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, NamedTuple

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
