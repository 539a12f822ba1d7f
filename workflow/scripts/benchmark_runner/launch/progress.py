"""The line that a launch prints when it is over: what happened, how far the campaign is, how long it will take."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.jsonio import read_json

REASON_CHARACTERS: Final = 100

Row = Mapping[str, Any]
"""A launch as plan.json's `order` has it."""


def median(values: Sequence[float]) -> float:
    """Middle of the values, of which there is at least one; the module statistics takes 6 ms to import."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class Finished(NamedTuple):
    """When a launch began and ended, in seconds of the files' clock; start is None where no engine was started."""

    start: float | None
    end: float

    @property
    def seconds(self) -> float:
        """How long it took, cool-down included."""
        return max(0.0, self.end - self.start) if self.start is not None else 0.0


class Owed(NamedTuple):
    """Positions of the launches that a call of the workflow runs, and when it began, in seconds of the files' clock."""

    positions: frozenset[int]
    began: float


NOTHING_OWED: Final = Owed(frozenset(), 0.0)


def read_owed(file: Path) -> Owed:
    """What a call wrote as it began."""
    return Owed(frozenset(read_json(file)["owed"]), file.stat().st_mtime)


def finished_launches(order: Sequence[Row], owed: Owed = NOTHING_OWED) -> dict[int, Finished]:
    """Launches with a record, by position: spec.json is written first, record.json last. Reads no record.

    A launch that is owed again, since its engine has come back, keeps its record of before until it runs.
    """
    found = {}
    for entry in order:
        folder, again = entry["folder"], entry["position"] in owed.positions
        if (end := _written(f"{folder}/record.json")) is not None and not (again and end < owed.began):
            found[entry["position"]] = Finished(_written(f"{folder}/spec.json"), end)
    return found


def finished_rows(order: Sequence[Row], output_dir: Path) -> list[dict[str, Any]]:
    """A row for each finished launch of a cell's identity, in output_dir and in the folders beside it.

    An identity says what is measured and not by which name, so a control finds its twin's launches. Launches that
    started no engine (no spec.json) took no time and tell none.
    """
    found: list[dict[str, Any]] = []
    for engine, workload, identity in dict.fromkeys((row["engine"], row["workload"], row["identity"]) for row in order):
        for spec in output_dir.parent.glob(f"*/launches/*/*.{identity}/*/spec.json"):
            row = {"engine": engine, "workload": workload, "folder": str(spec.parent)}
            found.append({**row, "position": -1 - len(found)})
    return found


def _written(path: str) -> float | None:
    """When an ordinary file was last written; None where there is none, as others may take theirs away meanwhile.

    Asked of each launch of the campaign while the next one waits; a Path would take five times as long.
    """
    try:
        state = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return state.st_mtime if stat.S_ISREG(state.st_mode) else None


def seconds_left(order: Sequence[Mapping[str, Any]], finished: Mapping[int, Finished]) -> float | None:
    """Time that the launches without a record will take; None where nothing is known yet.

    Each is taken to last as long as the median of its engine and workload, else of its workload, else of all.
    """
    by_cell: dict[tuple[str, str], list[float]] = {}
    by_workload: dict[str, list[float]] = {}
    for entry in order:
        if (done := finished.get(entry["position"])) is not None:
            by_cell.setdefault((entry["engine"], entry["workload"]), []).append(done.seconds)
            if done.start is not None:
                by_workload.setdefault(entry["workload"], []).append(done.seconds)
    everything = [seconds for values in by_workload.values() for seconds in values]
    total = 0.0
    for entry in order:
        if entry["position"] in finished:
            continue
        known = by_cell.get((entry["engine"], entry["workload"])) or by_workload.get(entry["workload"]) or everything
        if not known:
            return None
        total += median(known)
    return total


def in_words(seconds: float) -> str:
    """A time left, as coarse as it is uncertain."""
    if seconds < 90:
        return f"{max(1, round(seconds / 10) * 10 or round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _three(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _speed(iterations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Median decode speed and time to first token over the measured iterations."""
    measured = [event for event in iterations if not event["warmup"] and event["token_ns"]]
    if not measured:
        return []
    ttft_ms = median([(event["token_ns"][0] - event["start_ns"]) / 1e6 for event in measured])
    spans = [(len(event["token_ns"]) - 1, event["token_ns"][-1] - event["token_ns"][0]) for event in measured]
    rates = [steps / (span / 1e9) for steps, span in spans if steps and span > 0]
    return [*([f"{_three(median(rates))} tok/s"] if rates else []), f"TTFT {_three(ttft_ms)} ms"]


def _served(record: Mapping[str, Any]) -> list[str]:
    """Measured requests of a launch under load, and how many of them failed."""
    measured = [one for one in record.get("requests", ()) if one["phase"] == "measured"]
    failed = sum(one["status"] != "ok" for one in measured)
    return [f"{len(measured)} requests{f' ({failed} failed)' if failed else ''}"] if measured else []


def _place(record: Mapping[str, Any]) -> str:
    return f"{record['engine']} · {record['workload']} · block {record['block']}"


def waiting_line(record: Mapping[str, Any], holder: str) -> str:
    """The line of a launch that must wait for the machine; holder says who measures."""
    return f"{_place(record)}: waits until the machine is free, which {holder} measures now"


def progress_line(
    record: Mapping[str, Any], order: Sequence[Mapping[str, Any]], finished: Mapping[int, Finished]
) -> str:
    """The line for a record that has just been written; finished holds it too."""
    if record["status"] == "ok":
        told = [*_speed(record["iterations"]), *_served(record), f"{record['timing']['engine_ms'] / 1e3:.1f} s"]
        what = f"ok, {', '.join(told)}"
    else:
        reason = (record["reason"] or "").splitlines()[0] if record["reason"] else ""
        short = reason if len(reason) <= REASON_CHARACTERS else f"{reason[: REASON_CHARACTERS - 1]}…"
        what = f"{record['status']}: {short}" if short else record["status"]
    left = seconds_left(order, finished)
    if len(finished) >= len(order):
        rest = "all launches are done"
    else:
        rest = f"about {in_words(left)} left" if left is not None else f"{len(order) - len(finished)} launches left"
    return f"[{len(finished)}/{len(order)}] {_place(record)}: {what} — {rest}"
