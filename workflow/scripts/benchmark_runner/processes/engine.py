"""Starts the engine's process in an environment of named variables, ends it, and says in words how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.processes.orphans import END_LIMIT_SECONDS, MARKER_VARIABLE
from benchmark_runner.processes.procfs import scan
from benchmark_runner.processes.watch import EXIT_MONITOR_DIED, InterruptedLaunchError, readable

# linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
# Chosen: enough for a server to close its files, short for a person who pressed Ctrl-C.
GRACE_SECONDS: Final = 2.0

UNSETTABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})

SIGNAL_WORDS: Final = {
    signal.SIGKILL: "killed (SIGKILL) by the kernel's out-of-memory killer or by hand",
    signal.SIGSEGV: "crashed with an invalid memory access (SIGSEGV)",
    signal.SIGBUS: "crashed with a bus error (SIGBUS): a mapped file was cut short or memory is broken",
    signal.SIGILL: "crashed with an illegal instruction (SIGILL): it was built for another processor",
    signal.SIGABRT: "aborted itself (SIGABRT)",
    signal.SIGFPE: "crashed with an arithmetic error (SIGFPE)",
    signal.SIGTERM: "ended by SIGTERM from outside",
    signal.SIGINT: "ended by SIGINT from outside",
}


# Where programs, libraries, drivers and caches lie; what else the user's shell holds must not change a measurement.
PASSED_ON: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)
# Of a length that is drawn for each launch, which moves the stack.
PADDING_VARIABLE: Final = "BENCHMARK_RUNNER_PADDING"
# They say who measured and where, not how.
UNRECORDED: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", MARKER_VARIABLE, PADDING_VARIABLE}
)
# Thread pools of OpenMP, MKL, OpenBLAS, Rayon and candle.
THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "CANDLE_NUM_THREADS",
)


class EngineUsage(NamedTuple):
    """What the kernel counted for the engine and the children it waited for (wait4's rusage)."""

    cpu_seconds: float
    peak_rss_bytes: int


class EngineExit(NamedTuple):
    """How the engine's process ended: a code or a signal, when, and what the kernel counted."""

    code: int | None
    signal: int | None
    time_ns: int
    usage: EngineUsage

    def describe(self) -> dict[str, Any]:
        """The record's field `engine_exit`."""
        return {"code": self.code, "signal": self.signal}


def become_subreaper() -> None:
    """Make processes that lose their parent below this one its children, so that none escapes the cleaning."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _child_setup(cores: Sequence[int]) -> Callable[[], None]:
    """What the child does between fork and exec; the library is loaded before the fork."""
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew of our wish
            os.kill(os.getpid(), signal.SIGKILL)
        os.sched_setaffinity(0, cores)
        # What this command's caller ignored or blocked is inherited (nohup, a shell's background job): an engine starts
        # as it does anywhere else.
        for number in signal.valid_signals() - UNSETTABLE:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # A crash of an engine that maps gigabytes must not write them to the disk.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return prepare


def engine_environment(
    inherited: Mapping[str, str], *, visible_gpus: str, threads: int, marker: str = "", padding: str = ""
) -> dict[str, str]:
    """Variables of the engine's process; visible_gpus is its CUDA_VISIBLE_DEVICES."""
    environment = {name: inherited[name] for name in PASSED_ON if name in inherited}
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    environment["CUDA_VISIBLE_DEVICES"] = visible_gpus
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML's order, by which gpu_device counts
    environment["HF_HUB_OFFLINE"] = "1"  # a launch that fetches something would measure the network
    environment[MARKER_VARIABLE] = marker
    environment[PADDING_VARIABLE] = padding
    return environment


def recorded_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of it that can change a measurement."""
    return {name: value for name, value in sorted(environment.items()) if name not in UNRECORDED}


def start_engine(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    cores: Sequence[int],
    stdout: int,
    stderr: int,
) -> subprocess.Popen[bytes]:
    """Start the engine in a session of its own, dying with this process; its streams are given by descriptor.

    Raises OSError where it cannot be executed.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=_child_setup(cores),  # noqa: PLW1509 - this process has a single thread
    )


def collect_exit(process: subprocess.Popen[bytes]) -> EngineExit:
    """Exit status and resource use of the engine, which has ended or is about to.

    Raises InterruptedLaunchError where even SIGKILL does not end it: it hangs in the kernel.
    """
    pidfd = os.pidfd_open(process.pid)
    ended = readable([pidfd], END_LIMIT_SECONDS)
    os.close(pidfd)
    if not ended:
        raise InterruptedLaunchError(
            f"the engine (process {process.pid}) hangs in the kernel and cannot be ended; restart the machine",
            EXIT_MONITOR_DIED,
        )
    _, status, usage = os.wait4(process.pid, 0)
    time_ns = time.monotonic_ns()
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code  # Popen must not wait for it again
    spent = EngineUsage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
    return EngineExit(code if code >= 0 else None, -code if code < 0 else None, time_ns, spent)


def ask_to_end(process: subprocess.Popen[bytes], pidfd: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """SIGTERM to the engine's session and a moment to follow it, then SIGKILL to the engine itself."""
    for pid, member in scan().items():
        if member.session == process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    if not readable([pidfd], grace_seconds):
        process.kill()


def signal_words(number: int) -> str:
    """What a signal that ended the engine means to a reader."""
    known = signal.Signals(number) if number in set(signal.Signals) else None
    if known in SIGNAL_WORDS:
        return SIGNAL_WORDS[known]
    return f"ended by signal {number}" + (f" ({known.name})" if known is not None else "")


def python_command(module: str) -> list[str]:
    """Command that runs a module of this library in the same interpreter."""
    return [sys.executable, "-m", module]
