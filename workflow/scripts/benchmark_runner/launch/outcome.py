"""Decides a launch's status, in words that a reader can act on."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmark_runner.launch.program import WITHOUT_LOAD
from benchmark_runner.processes.client import SERVED
from benchmark_runner.processes.engine import signal_words
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.status import Status

# The dynamic linker's status where a shared library is missing, and the shell's where a command is.
CANNOT_START: Final = 127
ENDED_BY_US: Final = ("after_done", SERVED)


class Ending(NamedTuple):
    """How the engine's process ended."""

    cause: str
    """exit (by itself), after_done, served, failed, timeout, memory_limit or thermal_limit (by this program)."""
    message: str
    """What the monitor or the deadline said; empty for exit."""
    code: int | None
    signal: int | None
    out_of_memory_kills: int
    """Processes that the kernel's out-of-memory killer ended on this machine meanwhile."""
    last_words: str


class Outcome(NamedTuple):
    """Status of a launch; reason and remedy are None for ok."""

    status: Status
    reason: str | None
    remedy: str | None


OK: Final = Outcome(Status.OK, None, None)
SMALLER: Final = "Use a smaller model or dtype, or free memory"


def ended(status: Status, reason: str, remedy: str | None = None) -> Outcome:
    """An outcome other than ok, with the status's own remedy where no better one is known."""
    return Outcome(status, reason, status.remedy if remedy is None else remedy)


def _with_words(reason: str, words: str) -> str:
    return f"{reason}; its last words: {words}" if words else reason


def _of_exit(ending: Ending, report: EventReport) -> Outcome:
    if ending.signal is not None:
        words = signal_words(ending.signal)
        if ending.signal == signal.SIGKILL and ending.out_of_memory_kills:
            reason = "the engine was killed (SIGKILL) by the kernel's out-of-memory killer"
            return ended(Status.FAILED, reason, SMALLER)
        verb = "was " if words.startswith(("killed", "ended")) else ""
        return ended(Status.FAILED, _with_words(f"the engine {verb}{words}", ending.last_words))
    if ending.code == CANNOT_START and report.hello is None:
        reason = _with_words("the engine's program could not start (exit status 127)", ending.last_words)
        remedy = "Install the library that it names, or build the engine on this machine"
        return ended(Status.UNAVAILABLE, reason, remedy)
    if not report.done:
        reason = f"the engine exited with status {ending.code} before done"
        return ended(Status.FAILED, _with_words(reason, ending.last_words))
    if ending.code != 0:
        return ended(Status.FAILED, f"the engine said done but exited with status {ending.code}")
    return OK


def _of_error(error: Mapping[str, Any], *, under_load: bool) -> Outcome:
    said = error["message"].strip() or "the engine gave no reason"
    if error["kind"] == "unsupported":
        ways = "Change the setting that the engine names, give its test case a workload of its own"
        return ended(Status.UNAVAILABLE, said, f"{ways}, or leave the engine out")
    if under_load and error["kind"] == "bad_spec":
        return ended(Status.UNAVAILABLE, f"it takes one request at a time: {said}", WITHOUT_LOAD)
    if error["kind"] == "out_of_memory":
        return ended(Status.FAILED, f"out of memory: {said}", SMALLER)
    return ended(Status.FAILED, f"{error['kind']}: {said}")


def decide(ending: Ending, report: EventReport, *, under_load: bool = False) -> Outcome:
    """Status by the first that holds: a limit, the engine's own error, broken events, a bad exit, ok.

    under_load is whether its spec was of protocol 2, which a program of protocol 1 refuses as a bad one.
    """
    if ending.cause not in ("exit", *ENDED_BY_US):
        return ended(Status(ending.cause), ending.message)
    if report.error is not None and report.problem is None:
        return _of_error(report.error, under_load=under_load)
    # After done what was measured is whole, and how the process ended is our doing.
    exited = OK if ending.cause in ENDED_BY_US else _of_exit(ending, report)
    # A process that crashed tells more than the line that its crash cut short.
    if report.problem is not None and (exited.status == Status.OK or ending.code == 0):
        reason = f"events.jsonl breaks the protocol: {report.problem}"
        return ended(Status.FAILED, reason, "Prove the adapter: snakemake conformance")
    return exited
