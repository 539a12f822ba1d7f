"""Two scripted campaigns that are compared, and launch values whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.comparison.campaigns import candidates, held
from benchmark_runner.comparison.decision import judge_all
from benchmark_runner.comparison.differences import all_differences
from benchmark_runner.comparison.document import comparison_document
from benchmark_runner.comparison.side import LaunchValues, Side, Word
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.inputs import Measurements, engine_data
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.work import Work
from finished import make_environment
from records import make_raw_data, run_analysis, write_inputs
from scripted_launch import ScriptedEngine, ScriptedWorkload

WORKLOADS: Final = (ScriptedWorkload(),)

EFFECTS: Final = np.array([-1.1, -0.8, -0.5, -0.2, -0.1, 0.1, 0.2, 0.5, 0.8, 1.1])
"""Launch effects in units of their standard deviation, symmetric about 0."""


def launch_values(typical: float, sd: float = 0.002, n: int = 10, turn: float = 0.0) -> FloatArray:
    """Values of n launches about a typical one; turn moves them by a part of sd, so that two samples share no value."""
    return typical * np.exp(sd * (EFFECTS[:n] + turn))


def engine(name: str = "candle", itl_ms: float = 10.0, **options: Any) -> ScriptedEngine:
    return ScriptedEngine(name, itl_ms=itl_ms, **{"launch_spread": 0.003, **options})


def changed(name: str = "candle", itl_ms: float = 10.0, **options: Any) -> ScriptedEngine:
    """The same engine in another version."""
    return engine(name, itl_ms, version="2.0", **options)


def write_campaign(
    folder: Path,
    engines: Sequence[ScriptedEngine],
    *,
    workloads: Sequence[ScriptedWorkload] = WORKLOADS,
    environment: Mapping[str, Any] | None = None,
    edit: Callable[[dict[str, dict[str, Any]]], object] | None = None,
    seed: int = 1,
    launches: int = 10,
) -> list[str]:
    """Write a results folder; edit changes raw data before it is written. Returns the flags that name its files."""
    raw, plan = make_raw_data(engines, workloads, output_dir=str(folder), seed=seed, launches=launches)
    if edit:
        edit(raw)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    (folder / "environment.json").write_text(json.dumps(environment or make_environment()))
    names = [one.name for one in engines]
    word = folder.name
    return [
        *(f"--{word}-plan", str(folder / "plan.json")),
        *(f"--{word}-environment", str(folder / "environment.json")),
        *(f"--{word}-statistics", str(folder / "analysis/statistical_summary.json")),
        *(f"--{word}-iterations", str(folder / "analysis/iterations.parquet")),
        *(f"--{word}-raw", *(str(folder / f"raw_data/{name}.json") for name in names)),
        *(f"--{word}-fidelity", *(str(folder / f"fidelity/{name}.json") for name in names)),
    ]


@dataclass(frozen=True)
class KnownSide(Side):
    """A campaign whose launch values are given, by (cell, metric) and block, instead of read from a table."""

    known: Mapping[tuple[CellKey, str], Mapping[int, float]] = field(default_factory=dict)

    @cached_property
    def _measured(self) -> tuple[dict[tuple[CellKey, str], LaunchValues], dict[CellKey, int]]:
        return {key: LaunchValues(found, found, None) for key, found in self.known.items()}, {}

    @cached_property
    def work(self) -> dict[CellKey, Work]:
        return {}


def known_side(
    word: Word,
    engines: Sequence[ScriptedEngine],
    *,
    workloads: Sequence[ScriptedWorkload] = WORKLOADS,
    environment: Mapping[str, Any] | None = None,
    launches: int = 10,
    seed: int = 1,
) -> KnownSide:
    """A scripted campaign with its end-to-end latencies, without files and stages."""
    raw, plan = make_raw_data(engines, workloads, launches=launches, seed=seed)
    known: dict[tuple[CellKey, str], dict[int, float]] = {}
    for name, content in raw.items():
        for launch in content["launches"]:
            for case, _ in enumerate(plan["workloads"][0]["cases"] if launch["status"] == "ok" else ()):
                times = [
                    (one["end_ns"] - one["start_ns"]) / 1e6
                    for one in launch["iterations"]
                    if one["case"] == case and not one["warmup"]
                ]
                cell = (name, launch["workload"], f"case_{case + 1}")
                known.setdefault((cell, "e2e_ms"), {})[launch["block"]] = float(np.median(times))
    inputs = Measurements(plan, {name: engine_data(content, None) for name, content in raw.items()})
    quiet = {"control": None, "comparisons": [], "cells": []}
    return KnownSide(word, word, inputs, environment or make_environment(), quiet, Path(), known)


def compare_known(before: Sequence[ScriptedEngine], after: Sequence[ScriptedEngine], **of_after: Any) -> dict[str, Any]:
    """comparison.json of two scripted campaigns; options are those of the side after."""
    sides = known_side("before", before), known_side("after", after, **{"seed": 2, **of_after})
    made = candidates(*sides)
    findings = [held(*sides, one) for one in judge_all(made, ("e2e_ms",), margin=0.02, level=0.95)]
    told = ({"folder": side.folder, "name": side.word, "measured_at": None, "engines": []} for side in sides)
    terms = Terms(0.95, 0.02, ("e2e_ms",))
    document = comparison_document("campaigns", (next(told), next(told)), all_differences(*sides), findings, terms)
    require_valid("comparison", document, "comparison.json")
    return document


def primary(document: Mapping[str, Any], name: str = "candle") -> dict[str, Any]:
    """The first comparison of an engine's end-to-end latency."""
    found: dict[str, Any] = next(
        one for one in document["comparisons"] if one["engine"] == name and one["metric"] == "e2e_ms"
    )
    return found
