"""Which engine runs twice, where the configuration asks for the cheapest one: decided once for a results folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_runner.jsonio import read_json
from benchmark_runner.launch.progress import finished_launches, finished_rows, median
from benchmark_runner.records.whole import record_head
from benchmark_runner.status import Status


def seconds_a_block(order: Sequence[Mapping[str, Any]], output_dir: Path) -> dict[str, float]:
    """Time of an engine's launches in one block, cool-down included, by those of the same identity that ended ok.

    order has engine, workload and identity of each launch; they are looked for in output_dir and the folders beside it.
    An engine that was not measured in all of its workloads is left out.
    """
    rows = [row for row in finished_rows(order, output_dir) if _ended_ok(Path(row["folder"], "record.json"))]
    finished = finished_launches(rows)
    known: dict[tuple[str, str], list[float]] = {(row["engine"], row["workload"]): [] for row in order}
    for row in rows:
        known[row["engine"], row["workload"]].append(finished[row["position"]].seconds)
    by_engine: dict[str, list[list[float]]] = {}
    for (engine, _), seconds in known.items():
        by_engine.setdefault(engine, []).append(seconds)
    return {engine: sum(map(median, cells)) for engine, cells in by_engine.items() if all(cells)}


def _ended_ok(record: Path) -> bool:
    head = record_head(record)
    return head is not None and head.status == Status.OK


def _doubled_before(output_dir: Path) -> list[str]:
    """Engines that ran twice by the plans that were made in a folder, the newest plan first."""
    plans = sorted(output_dir.glob("plan/campaign.*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    engines = [entry for path in plans for entry in read_json(path)["engines"]]
    return [entry["control_of"] for entry in engines if entry["control_of"] is not None]


def cheapest_control(order: Sequence[Mapping[str, Any]], output_dir: Path, baseline: str) -> str:
    """Engine to run twice: the one that did in this folder, else the one of the cheapest launches, else the baseline.

    What is measured meanwhile changes no control: its launches would be another engine's.
    """
    names = {row["engine"] for row in order}
    if kept := next((name for name in _doubled_before(output_dir) if name in names), None):
        return kept
    seconds = seconds_a_block(order, output_dir)
    return min(seconds, key=lambda name: seconds[name], default=baseline)
