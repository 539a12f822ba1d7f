"""Stages: one level of load within one launch, a row each of analysis/stages.parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_runner.records.stages import read_stages
from benchmark_runner.statistics.inputs import Measurements, energy_part
from benchmark_runner.statistics.metrics import LEVEL_ENERGY, STAGE_METRICS, Metric
from benchmark_runner.statistics.samples import CellKey, Sample, empty_sample, why_absent

Stage = Mapping[str, Any]
Stages = Mapping[tuple[str, str, str], Sequence[Stage]]
"""Rows by (engine, workload, case) in the order of their blocks."""


def stages_of(path: Path | None) -> Stages:
    """The stages of a campaign; none where it has no load. Raises BenchmarkError, which names the file."""
    found: dict[tuple[str, str, str], list[Stage]] = {}
    for row in sorted(read_stages(path) if path else [], key=lambda row: int(row["block"])):
        found.setdefault((row["engine"], row["workload"], row["case"]), []).append(row)
    return found


def _value_of(row: Stage, metric: Metric, device: str | None) -> float | None:
    """A stage's value of a metric: energy is that of the device that computed."""
    name = metric.name
    if name == LEVEL_ENERGY:
        name = f"{energy_part(device)}_joules_per_token"
    value: float | None = row.get(name)
    return value


def stage_samples(stages: Stages, inputs: Measurements, key: CellKey) -> dict[str, Sample]:
    """Samples of the stage metrics in one cell: one value a launch."""
    launches = {launch.block: launch for launch in inputs.engines[key[0]].ok(key[1])}
    started = {block: launch.started.timestamp() for block, launch in launches.items()}
    rows = [row for row in stages.get((key[0], key[1], key[2] or ""), ()) if row["block"] in started]
    samples = {}
    for metric in STAGE_METRICS:
        found = ((row["block"], _value_of(row, metric, launches[row["block"]].device)) for row in rows)
        known = [(block, float(value)) for block, value in found if value is not None]
        if not known:
            lack = (
                why_absent(metric, list(launches.values()))
                if metric.name == LEVEL_ENERGY
                else "no request was measured"
            )
            samples[metric.name] = empty_sample(lack if rows else inputs.why_unmeasured(*key))
            continue
        blocks = tuple(block for block, _ in known)
        samples[metric.name] = Sample(
            blocks,
            np.array([started[block] for block in blocks]),
            tuple(np.array([value]) for _, value in known),
            tuple(np.ones(1, dtype=np.bool_) for _ in known),
        )
    return samples
