"""One run of an adapter: what it was asked, what it wrote, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.engine import last_words, signal_words, start_engine
from benchmark_runner.schemas import violations

SPEC: Final = "spec.json"
EVENTS: Final = "events.jsonl"
STDOUT: Final = "stdout"
LOG: Final = "engine.log"
"""Files of a run's folder."""


@dataclass(frozen=True)
class Outcome:
    """A run that is over."""

    name: str
    spec: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    """The lines that keep the schema, so that checks need not guard each access."""
    broken_lines: tuple[str, ...]
    """What is wrong with the other lines."""
    exit_code: int | None
    """None where a signal or the time limit ended the run."""
    ending: str
    """How the process ended, in words, with the last line of its log."""
    stdout_bytes: int
    began_ns: int
    ended_ns: int

    def named(self, event: str) -> list[Mapping[str, Any]]:
        """Events of one kind, in order."""
        return [entry for entry in self.events if entry["event"] == event]

    @property
    def iterations(self) -> list[Mapping[str, Any]]:
        """Iteration events, warm-ups included."""
        return self.named("iteration")

    @property
    def error_kind(self) -> str | None:
        """Kind of the error event; None where there is none."""
        errors = self.named("error")
        return errors[-1]["kind"] if errors else None

    @property
    def is_complete(self) -> bool:
        """Whether the adapter says that all went well."""
        return self.exit_code == 0 and bool(self.named("done"))


def read_events(path: Path) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """Events of a file that keep the schema, and what is wrong with the other lines."""
    events: list[Mapping[str, Any]] = []
    broken: list[str] = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        try:
            event = json.loads(line)
        except json.JSONDecodeError as error:
            broken.append(f"line {number} is not JSON: {error}")
            continue
        problems = violations("event", event)
        if problems:
            broken.append(f"line {number} breaks the schema: {problems[0].message}")
        elif not line.endswith("\n"):
            broken.append(f"line {number} has no end")
        else:
            events.append(event)
    return tuple(events), tuple(broken)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End the adapter and whatever it left behind in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(status: int | None, log: Path, timeout_seconds: float) -> str:
    if status is None:
        how = f"did not end within {timeout_seconds:g} s"
    elif status < 0:
        how = signal_words(-status)
    else:
        how = f"exit status {status}"
    words = last_words(log)
    return f"{how}; its log ends: {words}" if words else how


@dataclass
class Running:
    """An adapter that was started."""

    name: str
    spec: Mapping[str, Any] | str
    folder: Path
    process: subprocess.Popen[bytes]
    began_ns: int
    timeout_seconds: float

    def finish(self) -> Outcome:
        """Wait for its end, and bring that about after the time limit."""
        status: int | None = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.process.wait(self.timeout_seconds)
        finally:
            _end_session(self.process)
        ended_ns = time.monotonic_ns()
        events, broken = read_events(self.folder / EVENTS)
        return Outcome(
            name=self.name,
            spec=self.spec if isinstance(self.spec, Mapping) else {},
            events=events,
            broken_lines=broken,
            exit_code=status if status is not None and status >= 0 else None,
            ending=_ending(status, self.folder / LOG, self.timeout_seconds),
            stdout_bytes=(self.folder / STDOUT).stat().st_size,
            began_ns=self.began_ns,
            ended_ns=ended_ns,
        )


def start_adapter(
    binary: Path,
    spec: Mapping[str, Any] | str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_seconds: float,
) -> Running:
    """Start the adapter in a fresh folder, whose name is the run's; a spec that is text is written as it is.

    Raises BenchmarkError where the binary cannot be started at all.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    folder = folder.absolute()
    if isinstance(spec, Mapping) and "logits_path" in spec:
        spec = {**spec, "logits_path": str(folder / spec["logits_path"])}
    (folder / SPEC).write_text(spec if isinstance(spec, str) else json.dumps(spec), encoding="utf-8")
    began_ns = time.monotonic_ns()
    try:
        process = start_engine(
            [str(binary.absolute()), "--spec", str(folder / SPEC), "--events", str(folder / EVENTS)],
            folder=folder,
            environment=environment,
            cores=sorted(os.sched_getaffinity(0)),
            stdout=folder / STDOUT,
            log=folder / LOG,
        )
    except OSError as error:
        raise BenchmarkError(f"{binary} cannot be started: {error.strerror}; build it, or check its mode") from error
    return Running(folder.name, spec, folder, process, began_ns, timeout_seconds)
