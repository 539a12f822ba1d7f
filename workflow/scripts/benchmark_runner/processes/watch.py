"""Waits for whatever happens first: the engine, the monitor, a signal, the parent's death, a deadline.

Nothing is polled but what cannot tell of itself: that something has fallen silent (Watch.look_after).
"""

from __future__ import annotations

import math
import os
import select
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from benchmark_runner.units import MS_PER_S

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What the guard above a command sends when the process that ran both has died (guard.py).
CALLER_DIED: Final = signal.SIGRTMIN + 9  # nobody else's, so that it means nothing else
# What a shell reports for a process that a signal ended.
SIGNAL_EXIT_BASE: Final = 128
# EX_TEMPFAIL of sysexits.h: the same command may succeed when it is run again.
EXIT_MONITOR_DIED: Final = 75

# Chosen: what has fallen silent is noticed within seconds, by one wake-up beside a second of computing.
LOOK_SECONDS: Final = 1.0
# Chosen: a wait that ends so much too late was no matter of a busy machine.
HELD_UP_SECONDS: Final = 1.0

_SIGNAL_KEY: Final = "signal"
_PARENT_KEY: Final = "parent"


class Alert(NamedTuple):
    """Why an engine is to be ended by who looks after it; kind is the status that the launch gets."""

    kind: str
    message: str


class InterruptedLaunchError(Exception):
    """The launch was stopped from outside, through no fault of the engine: it is still owed."""

    def __init__(self, reason: str, exit_status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_status = exit_status


def heeded(number: signal.Signals) -> bool:
    """Whether the caller lets a signal act; one that it ignores (nohup, a shell's background job) stays ignored."""
    return signal.getsignal(number) is not signal.SIG_IGN


def readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Those that are readable, or whose other end is gone; empty when the time is up. None waits without end.

    Whatever their numbers: select() knows none from 1024 on.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    timeout_ms = None if seconds is None else math.ceil(max(0.0, seconds) * MS_PER_S)
    return [descriptor for descriptor, _ in poll.poll(timeout_ms)]


class Watch:
    """One selector over all that a launch waits for."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wakeup, wakeup_writer = os.pipe()
        self._own = [self._wakeup, wakeup_writer]
        os.set_blocking(wakeup_writer, False)
        signal.set_wakeup_fd(wakeup_writer, warn_on_full_buffer=False)
        taken = (CALLER_DIED, *filter(heeded, SIGNALS))
        # A handler keeps a signal from ending the process; the wakeup descriptor tells which one came.
        self._before = {number: signal.signal(number, lambda _number, _frame: None) for number in taken}
        self._held_up_seconds = 0.0
        self._look: Callable[[], set[str]] | None = None
        self.add(self._wakeup, _SIGNAL_KEY)
        self._watch_parent()

    def _watch_parent(self) -> None:
        parent = os.getppid()
        if parent == 0:  # outside of this PID namespace: its death cannot be seen from here
            return
        self._own.append(os.pidfd_open(parent))
        self.add(self._own[-1], _PARENT_KEY)
        if os.getppid() != parent:
            raise InterruptedLaunchError(*self._parent_died())

    @staticmethod
    def _parent_died() -> tuple[str, int]:
        return "the process that ran this launch has died", SIGNAL_EXIT_BASE + signal.SIGTERM

    def add(self, descriptor: int, key: str) -> None:
        """Report key from wait() when the descriptor becomes readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, key)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor."""
        self._selector.unregister(descriptor)

    def look_after(self, look: Callable[[], set[str]] | None) -> None:
        """Call look once a second while waiting: the keys that it gives are reported, what it raises is raised."""
        self._look = look

    def clock(self) -> float:
        """time.monotonic without the time in which this process was stopped while it waited: no limit counts that."""
        return time.monotonic() - self._held_up_seconds

    def wait(self, seconds: float) -> set[str]:
        """Keys of what has become readable; empty when the time is up.

        Raises InterruptedLaunchError on SIGINT, SIGTERM, SIGHUP and on the parent's death.
        """
        deadline = time.monotonic() + seconds
        ready: set[str] = set()
        while not ready:
            left = max(0.0, deadline - time.monotonic())
            step = left if self._look is None else min(left, LOOK_SECONDS)
            begin = time.monotonic()
            ready = {str(key.data) for key, _ in self._selector.select(step)}
            late = time.monotonic() - begin - step
            if late > HELD_UP_SECONDS:
                self._held_up_seconds += late
            if self._look is not None:
                ready |= self._look()
            if step == left:
                break
        if _SIGNAL_KEY in ready:
            number = os.read(self._wakeup, 1)[0]
            if number == CALLER_DIED:
                raise InterruptedLaunchError(*self._parent_died())
            raise InterruptedLaunchError(f"ended by {signal.Signals(number).name}", SIGNAL_EXIT_BASE + number)
        if _PARENT_KEY in ready:
            raise InterruptedLaunchError(*self._parent_died())
        return ready

    def pause(self, seconds: float) -> None:
        """Sleep, unless interrupted; nothing else may be watched yet."""
        self.wait(seconds)

    def __enter__(self) -> Watch:
        """Nothing but itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let signals do again what they did before, and give back its descriptors."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._selector.close()
        for descriptor in self._own:
            os.close(descriptor)
