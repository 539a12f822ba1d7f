"""One run of an adapter: what it was asked, what it wrote, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.adapter import AdapterRun, CannotExecuteError, Limit, Limits, run_in_folder
from benchmark_runner.processes.engine import signal_words
from benchmark_runner.processes.files import remove
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import check_schema, longest_line
from benchmark_runner.protocol.lines import BrokenEventsError, lines_of, parse_line


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


def read_events(path: Path, spec: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """Events of a file that keep the schema, and what is wrong with the other lines."""
    events: list[Mapping[str, Any]] = []
    broken: list[str] = []
    for line in lines_of(path, longest_line(spec)):
        try:
            event = parse_line(line)
            check_schema(event, line)
        except BrokenEventsError as error:
            broken.append(str(error))
        else:
            events.append(event)
    return tuple(events), tuple(broken)


def run_for_checks(
    binary: Path,
    spec: Mapping[str, Any] | str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    cores: Sequence[int],
    timeout_seconds: float,
    watch: Watch,
) -> Outcome:
    """Run the adapter in a fresh folder, whose name is the run's; a spec that is text is written as it is.

    Raises BenchmarkError where the binary cannot be started at all.
    """
    folder = folder.absolute()
    remove(folder)
    if isinstance(spec, Mapping) and "logits_path" in spec:
        spec = {**spec, "logits_path": str(folder / spec["logits_path"])}
    limit = Limit(timeout_seconds, "--timeout-seconds")
    try:
        run, path, replaced = run_in_folder(
            binary,
            spec if isinstance(spec, str) else json.dumps(spec),
            folder=folder,
            environment=environment,
            cores=cores,
            limits=Limits(limit, limit, limit),
            watch=watch,
        )
    except CannotExecuteError as error:
        raise BenchmarkError(f"{binary} cannot be started: {error}; build it, or check its mode") from error
    asked = spec if isinstance(spec, Mapping) else {}
    events, broken = read_events(path, asked)
    return Outcome(
        name=folder.name,
        spec=asked,
        events=events,
        broken_lines=broken if replaced is None else (*broken, replaced),
        exit_code=run.exit.code if run.cause == "exit" else None,
        ending=_ending(run),
        stdout_bytes=run.printed_bytes,
        began_ns=run.start_ns,
        ended_ns=run.exit.time_ns,
    )


def _ending(run: AdapterRun) -> str:
    if run.cause != "exit":
        how = run.message
    elif run.exit.signal is not None:
        how = signal_words(run.exit.signal)
    else:
        how = f"exit status {run.exit.code}"
    return f"{how}; its log ends: {run.last_words}" if run.last_words else how
