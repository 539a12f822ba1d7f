"""Campaigns with load from rows of stages given by hand, so that every figure follows by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_runner.records.stages import STAGES
from benchmark_runner.statistics.inputs import Measurements, engine_data
from benchmark_runner.statistics.levels import level_of
from benchmark_runner.statistics.stages import Stages
from records import ScriptedEngine, ScriptedWorkload, make_raw_data

QUIET: dict[str, Any] = {
    "slo_met": True,
    "requests_per_s": 2.0,
    "output_tokens_per_s": 20.0,
    "goodput_requests_per_s": 1.0,
    "measured": 10,
    "ok": 10,
    "failed": 0,
    "asked_requests_per_s": None,
    "due_requests_per_s": 2.0,
    "achieved_requests_per_s": 2.0,
    "send_lag_p99_ms": 0.05,
    "shared_share": 0.0,
    "cached_tokens": None,
    "client_cpu_percent": 10.0,
}
"""A stage that nothing speaks against."""

Loads = Mapping[str, Mapping[str, Any]]


def closed(*levels: int) -> dict[str, dict[str, Any]]:
    """Loads of so many requests in flight, by test case."""
    return {f"c{level}": {"mode": "closed", "concurrency": level} for level in levels}


def with_load(plan: dict[str, Any], loads: Loads) -> None:
    """Make the test cases of the first workload levels of load."""
    for case, (name, load) in zip(plan["workloads"][0]["cases"], loads.items(), strict=True):
        case |= {"name": name, "load": dict(load)}


def load_inputs(loads: Loads, names: Sequence[str] = ("torch", "server"), launches: int = 6) -> Measurements:
    """A campaign of these engines in which nothing failed."""
    engines = [ScriptedEngine(name, launch_spread=0.01) for name in names]
    raw, plan = make_raw_data(engines, [ScriptedWorkload("serving", ((8, 4),) * len(loads))], launches=launches)
    with_load(plan, loads)
    return Measurements(plan, {name: engine_data(content, None) for name, content in raw.items()})


def stages_of(
    inputs: Measurements, row: Callable[[str, float, int], Mapping[str, Any]]
) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """A stage for each launch and level; row gives what differs from QUIET by (engine, level, block)."""
    return {
        (name, *place): [
            {**QUIET, "block": launch.block, **row(name, level_of(load), launch.block)}
            for launch in engine.ok(place[0])
        ]
        for name, engine in inputs.engines.items()
        for place, load in inputs.loads.items()
    }


def write_stages(path: Path, stages: Stages) -> Path:
    """The rows as a table."""
    rows = [
        {"engine": engine, "workload": workload, "case": case, **row}
        for (engine, workload, case), of_cell in stages.items()
        for row in of_cell
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=STAGES), path)
    return path
