"""A process above each command that starts engines, which ends what the command leaves when it is killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from benchmark_runner.processes.engine import become_subreaper
from benchmark_runner.processes.orphans import below_process, end_all
from benchmark_runner.processes.watch import (
    CALLER_DIED,
    SIGNAL_EXIT_BASE,
    SIGNALS,
    InterruptedLaunchError,
    heeded,
    readable,
)

LONGEST_WAIT_SECONDS: Final = 1.0
"""A signal that comes just before a wait is passed on after it: Python runs handlers only between its own calls."""


def _run(stage: Callable[[], int]) -> int:
    become_subreaper()
    try:
        return stage()
    except InterruptedLaunchError as interruption:
        print(f"stopped: {interruption.reason}", file=sys.stderr)
        return interruption.exit_status
    finally:
        end_all(below_process(os.getpid()))


def guarded(stage: Callable[[], int]) -> int:
    """Run the stage in a child and give back its exit status, as a shell reports it; nothing that it started is left.

    Whatever loses its parent below becomes the child's or, when that is killed, ours (child subreaper), in whichever
    session and with whichever environment. Where this process is killed instead, the child's Watch sees it.
    Signals are passed on; the death of our own parent is told as CALLER_DIED. A stage that was stopped
    (InterruptedLaunchError) says so on stderr.
    """
    caller = os.getppid()
    watched = [os.pidfd_open(caller)] if caller else []  # 0: outside of this PID namespace
    become_subreaper()
    # Held back until they can be passed on: one that came between would end this process and not the stage.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, CALLER_DIED))
        return _run(stage)
    for number in filter(heeded, SIGNALS):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, CALLER_DIED))
    if os.getppid() != caller:
        os.kill(child, CALLER_DIED)
    ended = os.pidfd_open(child)
    while ended not in (ready := readable([ended, *watched], LONGEST_WAIT_SECONDS)):
        if ready:
            os.kill(child, CALLER_DIED)
        watched = [descriptor for descriptor in watched if descriptor not in ready]
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end_all(below_process(os.getpid()))
    return code if code >= 0 else SIGNAL_EXIT_BASE - code


def leave(status: int) -> NoReturn:
    """End this process with what it has printed, and nothing else: the next launch would wait until an interpreter that
    has read a plan is taken down, 40 ms."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(status)
