"""Runs the engine's process under watch, from its start to the end of everything it left behind."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Final, NamedTuple

from benchmark_runner.launch.sidecar import KEY as MONITOR
from benchmark_runner.launch.sidecar import Sidecar
from benchmark_runner.processes.engine import EngineExit, ask_to_end, collect_exit
from benchmark_runner.processes.orphans import below_process, end_all
from benchmark_runner.processes.watch import Watch

ENGINE: Final = "engine"


class EngineRun(NamedTuple):
    """How the engine's process ended and what it left behind."""

    cause: str
    """exit (by itself), timeout, memory_limit or thermal_limit."""
    message: str
    exit: EngineExit
    lingering: list[str]
    """Names of processes that the engine left running when it ended by itself; they have been ended."""
    survivors: list[str]
    """Names of processes that SIGKILL did not end in time."""


def _first_end(watch: Watch, monitor: Sidecar, timeout_seconds: float) -> tuple[str, str]:
    """(cause, message) of whatever ends the engine first."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        ready = watch.wait(deadline - time.monotonic())
        if MONITOR in ready:
            for alert in monitor.alerts():
                return alert.kind, alert.message
        if ENGINE in ready:
            return "exit", ""
        if not ready:
            return (
                "timeout",
                f"the engine had not ended after the {timeout_seconds:g} s of system.launch_timeout_seconds",
            )


def supervise(process: subprocess.Popen[bytes], watch: Watch, monitor: Sidecar, timeout_seconds: float) -> EngineRun:
    """Wait for the engine's end or bring it about, and end all that it started.

    After it signals are ignored: what follows is short and completes the record. Raises InterruptedLaunchError when
    the launch is stopped from outside; the engine has then been asked to end.
    """
    pidfd = os.pidfd_open(process.pid)
    watch.add(pidfd, ENGINE)
    try:
        monitor.watch_engine(process.pid)
        cause, message = _first_end(watch, monitor, timeout_seconds)
        watch.ignore_signals()
        if cause == "memory_limit":
            process.kill()  # each moment of grace takes more memory
        elif cause != "exit":
            ask_to_end(process, pidfd)
    except BaseException:
        watch.ignore_signals()
        ask_to_end(process, pidfd)
        raise
    finally:
        watch.remove(pidfd)
        ended = collect_exit(process)
        os.close(pidfd)
    find = below_process(os.getpid(), frozenset({monitor.pid}))
    left = [member.name for member in find().values() if member.state != "Z"] if cause == "exit" else []
    survivors = [member.name for member in end_all(find).values()]
    return EngineRun(cause, message, ended, left, survivors)
