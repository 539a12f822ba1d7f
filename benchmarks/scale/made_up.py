"""Campaigns that are made up for this benchmark: scripted records in the place and form of real ones.

Nobody has measured what they hold. Each folder has a file MADE_UP that says so, and their machine is scripted-host.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmark_runner.records.checksum import write_record
from finished import MANIFEST, make_environment
from records import make_fidelity, make_plan
from scripted_launch import ScriptedEngine, ScriptedWorkload, make_record
from tiny_campaign import Campaign, fake
from tiny_model import make_tiny_model

ITERATIONS: Final = 10
"""Of a launch, of 11 tokens each."""
SAMPLES: Final = 20
"""Of the monitor beside a launch."""


class Size(NamedTuple):
    """Engines, workloads, and launches of each engine on each workload."""

    engines: int
    workloads: int
    launches: int

    @property
    def all_launches(self) -> int:
        """Launches of the campaign."""
        return self.engines * self.workloads * self.launches


def _workload_names(size: Size) -> list[str]:
    return [f"workload_{number}" for number in range(size.workloads)]


def scripted_engines(size: Size) -> list[ScriptedEngine]:
    """Engines of which each is a little slower than the one before."""
    return [
        ScriptedEngine(f"engine_{n}", itl_ms=10.0 * 1.01**n, launch_spread=0.02, iteration_spread=0.01)
        for n in range(size.engines)
    ]


def planned(folder: Path, size: Size) -> Campaign:
    """A campaign of the tests' engine of which nothing has run."""
    make_tiny_model(folder / "models" / "tiny")
    campaign = Campaign(folder)
    campaign.config["benchmark"] |= {"launches": size.launches, "control": False}
    campaign.config["engines"] = [
        fake("slow") | {"name": engine.name, "options": {"token_ms": 1.0 + number}}
        for number, engine in enumerate(scripted_engines(size))
    ]
    workload = campaign.config["workloads"][0]
    campaign.config["workloads"] = [copy.deepcopy(workload) | {"name": name} for name in _workload_names(size)]
    return campaign


def write_records(folder: Path, size: Size, order: Iterable[Mapping[str, Any]]) -> None:
    """A record for each launch of a plan's order that has none, one at a time, and what the monitor saw beside it; the
    campaign's folder says so."""
    (folder / "MADE_UP").write_text("Nobody has measured this: benchmarks/scale made it up.\n", encoding="utf-8")
    engines = {engine.name: engine for engine in scripted_engines(size)}
    rng = np.random.default_rng(1)
    for slot in order:
        record = Path(slot["folder"]) / "record.json"
        if not record.exists():
            workload = ScriptedWorkload(slot["workload"], iterations=ITERATIONS)
            content = make_record(engines[slot["engine"]], workload, slot, rng)
            record.parent.mkdir(parents=True, exist_ok=True)
            write_record(record, content)
            (record.parent / "metrics.jsonl").write_text(_samples(content["started_ns"]), encoding="utf-8")


def _samples(begin_ns: int) -> str:
    readings = {"engine_rss_bytes": 1_000_000_000, "engine_cpu_percent": 99.5, "machine_cpu_percent": 55.0}
    lines = ({"event": "sample", "time_ns": begin_ns + n * 10**8, **readings} for n in range(SAMPLES))
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def write_campaign(folder: Path, size: Size) -> Sequence[ScriptedEngine]:
    """All that the analysis starts from, in a results folder; its engines."""
    engines = scripted_engines(size)
    workloads = [ScriptedWorkload(name, iterations=ITERATIONS) for name in _workload_names(size)]
    plan = make_plan(engines, workloads, launches=size.launches, output_dir=str(folder))
    plan["config"]["business"] = {}
    documents = {
        "plan.json": plan,
        "manifest.json": MANIFEST,
        "environment.json": make_environment(),
        **{f"fidelity/{one.name}.json": make_fidelity(one, engines[0].name) for one in engines},
    }
    (folder / "fidelity").mkdir(parents=True)
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    write_records(folder, size, plan["order"])
    return engines
