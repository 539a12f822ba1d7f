"""By which keys launches of one cell are known to be measurements of the same thing, and what of them differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import value_at
from benchmark_runner.protocol.requests import asked_alike

CASES: Final = "spec.cases"
MUST_MATCH: Final = ("measure_version", "model.identity", "model.weights_sha256", CASES)
"""Keys on which two launches of one cell may never differ: they would be measurements of different things. What is
drawn for the block of a launch under load differs on purpose."""

SHOULD_MATCH: Final = (
    "load.device",
    "load.weights_dtype",
    "load.compute_dtype",
    "load.kv_cache_dtype",
    "load.threads",
    "load.batch_size",
    "load.simd",
    "load.compiled_graph",
    "hello.version",
    "build.binary_sha256",
    "host.hostname",
)
"""Keys whose difference makes launches suspicious without making them useless; stated as `unlike`, judged later."""

MEASURED: Final = "measured"
"""Key of a launch of a joined campaign in the plan: under which block it was measured, and in which of the folders. Its
record says the same block, since it is as the launch wrote it."""


def _spread_of(records: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[int]]:
    """Blocks by value (as JSON text) of the key, launches that never got so far (null) left out."""
    blocks: dict[str, list[int]] = {}
    for record in records:
        value = value_at(record, key)
        if key == CASES and value is not None:
            value = [asked_alike(case) for case in value]
        if value is not None:
            blocks.setdefault(json.dumps(value, sort_keys=True), []).append(record["block"])
    return blocks


def refuse_unlike(records: Sequence[Mapping[str, Any]], where: str) -> None:
    """Raise BenchmarkError naming the first MUST_MATCH key on which launches of one workload differ."""
    for key in MUST_MATCH:
        blocks = _spread_of(records, key)
        if len(blocks) > 1:
            values = "; ".join(f"{_short(value)} in blocks {held}" for value, held in blocks.items())
            raise BenchmarkError(
                f"{where}: launches differ in {key} ({values}) and cannot be pooled; move the folders of the launches "
                "that do not belong out of the results folder and run again"
            )


def _short(value: str, limit: int = 40) -> str:
    return value if len(value) <= limit else f"{value[:limit]}…"


def unlike_launches(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """SHOULD_MATCH keys on which launches of one workload differ, each with its values and their blocks."""
    found: list[dict[str, Any]] = []
    for workload, launches in by_workload(records).items():
        for key in SHOULD_MATCH:
            blocks = _spread_of(launches, key)
            if len(blocks) > 1:
                values = [{"value": json.loads(value), "blocks": held} for value, held in blocks.items()]
                found.append({"key": key, "workload": workload, "values": values})
    return found


def by_workload(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Records, or their heads, of each workload."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(record["workload"], []).append(record)
    return groups
