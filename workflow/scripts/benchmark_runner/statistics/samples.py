"""Raw values of one metric in one cell, launch by launch, from the table of iterations and the launches' heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark_runner.collect import value_at
from benchmark_runner.statistics.estimates import FloatArray
from benchmark_runner.statistics.inputs import EngineData, Launch, device_of
from benchmark_runner.statistics.metrics import CASE_METRICS, LAUNCH_METRICS, Metric

NS_PER_MS: Final = 1e6

BoolArray = npt.NDArray[np.bool_]
CellKey = tuple[str, str, str | None]
"""(engine, workload, case); the case is None for metrics of a whole launch."""


@dataclass(frozen=True)
class Sample:
    """Finite raw values of each launch in the order in which they were measured.

    kept marks values that are not flagged as outliers; starts are the launches' start times in seconds, for drift;
    reason says why there are no values.
    """

    blocks: tuple[int, ...]
    starts: FloatArray
    values: tuple[FloatArray, ...]
    kept: tuple[BoolArray, ...]
    reason: str | None = None

    @cached_property
    def pooled(self) -> FloatArray:
        """All values of all launches."""
        return np.concatenate(self.values) if self.values else np.empty(0)

    @cached_property
    def ordered(self) -> FloatArray:
        """All values in ascending order."""
        return np.sort(self.pooled)

    @cached_property
    def launch_medians(self) -> FloatArray:
        """Median of each launch."""
        return np.array([np.median(values) for values in self.values], dtype=np.float64)

    @cached_property
    def without_outliers(self) -> Sample:
        """The same launches without flagged values."""
        values = tuple(one[keep] for one, keep in zip(self.values, self.kept, strict=True))
        filled = [index for index, one in enumerate(values) if len(one)]
        return Sample(
            tuple(self.blocks[index] for index in filled),
            self.starts[filled],
            tuple(values[index] for index in filled),
            tuple(np.ones(len(values[index]), dtype=np.bool_) for index in filled),
            self.reason,
        )

    @property
    def flagged(self) -> int:
        """Number of values flagged as outliers."""
        return sum(int(np.count_nonzero(~keep)) for keep in self.kept)

    def by_block(self) -> dict[int, float]:
        """Launch median by block."""
        return dict(zip(self.blocks, self.launch_medians.tolist(), strict=True))


def empty_sample(reason: str) -> Sample:
    """A sample without values and why."""
    return Sample((), np.empty(0), (), (), reason)


def _split(
    values: FloatArray, kept: BoolArray, group: npt.NDArray[np.int64]
) -> Iterator[tuple[int, FloatArray, BoolArray]]:
    """(group, values, kept) of each group that has finite values, ascending; order within a group is kept."""
    finite = np.isfinite(values)
    values, kept, group = values[finite], kept[finite], group[finite]
    order = np.argsort(group, kind="stable")
    values, kept, group = values[order], kept[order], group[order]
    borders = np.flatnonzero(np.diff(group)) + 1
    heads = group[np.concatenate(([0], borders))] if len(group) else group
    for head, ones, keep in zip(heads, np.split(values, borders), np.split(kept, borders), strict=False):
        yield int(head), ones, keep


def _metric_values(table: pa.Table, metric: Metric) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Values of a metric and the table's row of each (one a row, or one a token)."""
    if metric.level == "token":
        column = table.column(metric.name).combine_chunks()
        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        return column.flatten().to_numpy(zero_copy_only=False), rows.astype(np.int64)
    values = table.column(metric.name).to_numpy().astype(np.float64)
    return values, np.arange(table.num_rows, dtype=np.int64)


def _case_sample(table: pa.Table, metric: Metric, blocks: npt.NDArray[np.int64], starts: Mapping[int, float]) -> Sample:
    values, rows = _metric_values(table, metric)
    outlier = table.column("outlier").to_numpy(zero_copy_only=False).astype(np.bool_)
    groups = list(_split(values, ~outlier[rows], blocks[rows]))
    if not groups:
        return empty_sample(f"{metric.name} is undefined: {metric.definition}")
    return Sample(
        tuple(block for block, _, _ in groups),
        np.array([starts[block] for block, _, _ in groups]),
        tuple(ones for _, ones, _ in groups),
        tuple(keep for _, _, keep in groups),
    )


def case_samples(
    iterations: Path, engine: EngineData, workload: str, cases: Sequence[str]
) -> dict[tuple[str, str], Sample]:
    """Samples by (case, metric) of one engine and workload; reads only that part of the table."""
    launches = engine.ok(workload)
    if not launches:
        reason = f"no launch of {engine.name} on {workload} ended ok"
        return {(case, metric.name): empty_sample(reason) for case in cases for metric in CASE_METRICS}
    starts = {launch.block: launch.started.timestamp() for launch in launches}
    columns = ["case", "block", "outlier", *(metric.name for metric in CASE_METRICS)]
    wanted = [("engine", "==", engine.name), ("workload", "==", workload), ("warmup", "==", False)]
    table = pq.read_table(iterations, columns=columns, filters=wanted)
    samples: dict[tuple[str, str], Sample] = {}
    for case in cases:
        rows = table.filter(pc.equal(table.column("case"), case))
        blocks = rows.column("block").to_numpy().astype(np.int64)
        for metric in CASE_METRICS:
            samples[case, metric.name] = _case_sample(rows, metric, blocks, starts)
    return samples


def _load_ms(record: Mapping[str, Any]) -> float | None:
    load = record.get("load")
    return None if load is None else (load["end_ns"] - load["start_ns"]) / NS_PER_MS


def _energy_per_token(record: Mapping[str, Any], tokens: int) -> float | None:
    """Energy a measured token; the GPU's where it computed, else the processor package's."""
    part = "gpu_energy_joules" if device_of(record) != "cpu" else "package_energy_joules"
    joules = value_at(record, f"monitor.measured.{part}")
    return None if joules is None or tokens == 0 else float(joules) / tokens


def _from_monitor(key: str) -> Callable[[Mapping[str, Any], int], float | None]:
    def read(record: Mapping[str, Any], _tokens: int) -> float | None:
        value = value_at(record, f"monitor.{key}")
        return None if value is None else float(value)

    return read


_LAUNCH_VALUE: Final[Mapping[str, Callable[[Mapping[str, Any], int], float | None]]] = {
    "load_ms": lambda record, _tokens: _load_ms(record),
    "peak_rss_bytes": _from_monitor("engine_peak_rss_bytes"),
    "peak_vram_bytes": _from_monitor("gpu.memory_peak_bytes"),
    "energy_joules_per_token": _energy_per_token,
    "cpu_percent": _from_monitor("engine_cpu_percent_mean"),
}

_MONITOR_FIELDS: Final = {
    "peak_rss_bytes": ("engine_peak_rss_bytes",),
    "peak_vram_bytes": ("gpu", "gpu.memory_peak_bytes", "memory_peak_bytes"),
    "energy_joules_per_token": ("package_energy_joules", "gpu.energy_joules", "gpu"),
    "cpu_percent": ("engine_cpu_percent_mean",),
}
"""Fields under which the monitor states why a value is absent."""


def _why_absent(metric: Metric, launches: Sequence[Launch]) -> str:
    for launch in launches:
        absent = value_at(launch.record, "monitor.absent") or {}
        for field in _MONITOR_FIELDS.get(metric.name, ()):
            if field in absent:
                return str(absent[field])
    return "the monitor recorded no value"


def launch_samples(engine: EngineData, workload: str, tokens: Mapping[int, int]) -> dict[str, Sample]:
    """Samples of the launch metrics of one engine and workload; tokens made in each launch come by block."""
    launches = sorted(engine.ok(workload), key=lambda launch: launch.block)
    if not launches:
        reason = f"no launch of {engine.name} on {workload} ended ok"
        return {metric.name: empty_sample(reason) for metric in LAUNCH_METRICS}
    samples: dict[str, Sample] = {}
    for metric in LAUNCH_METRICS:
        read = _LAUNCH_VALUE[metric.name]
        found = [(launch, read(launch.record, tokens.get(launch.block, 0))) for launch in launches]
        usable = [(launch, value) for launch, value in found if value is not None]
        if not usable:
            samples[metric.name] = empty_sample(_why_absent(metric, launches))
            continue
        samples[metric.name] = Sample(
            tuple(launch.block for launch, _ in usable),
            np.array([launch.started.timestamp() for launch, _ in usable]),
            tuple(np.array([value]) for _, value in usable),
            tuple(np.ones(1, dtype=np.bool_) for _ in usable),
        )
    return samples


def tokens_made(iterations: Path) -> dict[tuple[str, str, int], int]:
    """Tokens generated in the measured iterations of each launch, by (engine, workload, block)."""
    columns = ["engine", "workload", "block", "tokens"]
    table = pq.read_table(iterations, columns=columns, filters=[("warmup", "==", False)])
    sums = table.group_by(["engine", "workload", "block"]).aggregate([("tokens", "sum")]).to_pylist()
    return {(row["engine"], row["workload"], row["block"]): row["tokens_sum"] for row in sums}


def each_sample(
    engines: Mapping[str, EngineData], workloads: Sequence[Mapping[str, Any]], iterations: Path
) -> Iterator[tuple[CellKey, Metric, Sample]]:
    """Every (cell, metric, sample), so that memory holds the raw values of one engine and workload at a time."""
    tokens = tokens_made(iterations)
    for engine in engines.values():
        for workload in workloads:
            name, cases = workload["name"], [case["name"] for case in workload["cases"]]
            by_case = case_samples(iterations, engine, name, cases)
            for case in cases:
                for metric in CASE_METRICS:
                    yield (engine.name, name, case), metric, by_case.pop((case, metric.name))
            made = {block: count for (one, work, block), count in tokens.items() if (one, work) == (engine.name, name)}
            by_metric = launch_samples(engine, name, made)
            for metric in LAUNCH_METRICS:
                yield (engine.name, name, None), metric, by_metric[metric.name]
