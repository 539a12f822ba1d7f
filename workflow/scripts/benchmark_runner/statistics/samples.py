"""Raw values of one metric in one cell, launch by launch, from the table of iterations and the launches' heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmark_runner.arrays import BoolArray, FloatArray
from benchmark_runner.jsonio import value_at
from benchmark_runner.records.table import launch_tables, rows_where, tokens_made
from benchmark_runner.statistics.inputs import (
    EngineData,
    MeasuredLaunch,
    Measurements,
    device_of,
    energy_part,
    own_load,
)
from benchmark_runner.statistics.metrics import BY_NAME, CASE_METRICS, LAUNCH_METRICS, LEVEL_ENERGY, Metric
from benchmark_runner.statistics.percentiles import median, median_in_place
from benchmark_runner.units import NS_PER_MS

CellKey = tuple[str, str, str | None]
"""(engine, workload, case); the case is None for metrics of a whole launch."""


@dataclass(frozen=True)
class Centre:
    """Where values lie: the means and medians of the launches that have any, mean and median of all values."""

    blocks: tuple[int, ...]
    launch_means: FloatArray
    launch_medians: FloatArray
    mean: float
    median: float

    def by_block(self) -> dict[int, float]:
        """Launch median by block."""
        return dict(zip(self.blocks, self.launch_medians.tolist(), strict=True))


@dataclass(frozen=True)
class Sample:
    """Finite raw values of each launch in the order in which they were measured.

    kept marks values that are not flagged as outliers; starts are the launches' start times in seconds, for drift;
    reason says why there are no values. in_sequence says that each value of a launch came after the one before:
    requests of a load overlap.
    """

    blocks: tuple[int, ...]
    starts: FloatArray
    values: tuple[FloatArray, ...]
    kept: tuple[BoolArray, ...]
    reason: str | None = None
    in_sequence: bool = True

    @property
    def count(self) -> int:
        """Number of values of all launches."""
        return sum(len(values) for values in self.values)

    def ordered(self) -> FloatArray:
        """All values in ascending order: a copy of them all, which the caller lets go of."""
        values = np.concatenate(self.values) if self.values else np.empty(0)
        values.sort()
        return values

    @cached_property
    def launch_medians(self) -> FloatArray:
        """Median of each launch."""
        return np.array([median(values) for values in self.values], dtype=np.float64)

    @cached_property
    def cleaned(self) -> Centre:
        """Where the values lie that are not flagged; a launch at a time, so that memory holds one copy of them.

        A centre of no launch where every value is flagged, as a low threshold does.
        """
        if self.flagged == self.count:
            return Centre((), np.empty(0), np.empty(0), math.nan, math.nan)
        values, place = np.empty(self.count - self.flagged), 0
        filled, means, medians, total = [], [], [], 0.0
        for block, launch, keep in zip(self.blocks, self.values, self.kept, strict=True):
            kept = launch[keep]
            if not len(kept):
                continue
            values[place : place + len(kept)] = kept
            place += len(kept)
            filled.append(block)
            means.append(np.mean(kept))
            total += float(np.sum(kept))
            medians.append(median_in_place(kept))
        return Centre(tuple(filled), np.array(means), np.array(medians), total / len(values), median_in_place(values))

    @cached_property
    def flagged(self) -> int:
        """Number of values flagged as outliers."""
        return sum(int(np.count_nonzero(~keep)) for keep in self.kept)

    def by_block(self) -> dict[int, float]:
        """Launch median by block."""
        return dict(zip(self.blocks, self.launch_medians.tolist(), strict=True))


def empty_sample(reason: str) -> Sample:
    """A sample without values and why."""
    return Sample((), np.empty(0), (), (), reason)


def _metric_values(table: pa.Table, metric: Metric) -> tuple[FloatArray, BoolArray]:
    """Finite values of a metric in one launch (one a row, or one a token), and whether each is kept."""
    kept = ~table.column("outlier").to_numpy(zero_copy_only=False).astype(np.bool_)
    column = table.column(metric.name).combine_chunks()
    if metric.level == "token":
        kept = np.repeat(kept, pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
        column = column.flatten()
    values = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    finite = np.isfinite(values)
    return (values, kept) if bool(finite.all()) else (values[finite], kept[finite])


def case_samples(
    iterations: Path, engine: EngineData, workload: str, cases: Sequence[str]
) -> dict[tuple[str, str], Sample]:
    """Samples by (case, metric) of one engine and workload; reads only that part of the table."""
    starts = {launch.block: launch.started.timestamp() for launch in engine.ok(workload)}
    columns = ["case", "outlier", *(metric.name for metric in CASE_METRICS)]
    found: dict[tuple[str, str], list[tuple[int, FloatArray, BoolArray]]] = {
        (case, metric.name): [] for case in cases for metric in CASE_METRICS
    }
    for block, table in launch_tables(iterations, engine.name, workload, columns):
        for case in cases:
            rows = rows_where(table, pc.equal(table.column("case"), case))
            for metric in CASE_METRICS:
                values, kept = _metric_values(rows, metric)
                if len(values):
                    found[case, metric.name].append((block, values, kept))
    return {key: _sample(sorted(groups, key=lambda group: group[0]), starts, key[1]) for key, groups in found.items()}


def _sample(groups: Sequence[tuple[int, FloatArray, BoolArray]], starts: Mapping[int, float], metric: str) -> Sample:
    """Sample of launches in the order of their blocks."""
    if not groups:
        return empty_sample(f"{BY_NAME[metric].label} is undefined: {BY_NAME[metric].definition}")
    blocks, values, kept = zip(*groups, strict=True)
    return Sample(blocks, np.array([starts[block] for block in blocks]), values, kept)


def _load_ms(record: Mapping[str, Any]) -> float | None:
    load = own_load(record)
    return (load["end_ns"] - load["start_ns"]) / NS_PER_MS if load else None


def _energy_per_token(record: Mapping[str, Any], tokens: int) -> float | None:
    """Energy a token made in the measured time, of what computed."""
    tokens = value_at(record, "monitor.measured.tokens") or tokens
    joules = value_at(record, f"monitor.measured.{energy_part(device_of(record))}_energy_joules")
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
    "gpu_utilization_percent": _from_monitor("gpu.utilization_percent_mean"),
}

_MONITOR_FIELDS: Final = {
    "load_ms": ("load_ms",),
    "peak_rss_bytes": ("engine_peak_rss_bytes",),
    "peak_vram_bytes": ("gpu", "gpu.memory_peak_bytes", "memory_peak_bytes"),
    "cpu_percent": ("engine_cpu_percent_mean",),
    "gpu_utilization_percent": ("gpu", "gpu.utilization_percent_mean"),
}
"""Fields under which the monitor states why a value is absent."""

_ENDS: Final = {"max": "highest", "min": "lowest", "mean": "mean"}
_SPELT: Final = {"cpu": "CPU", "gpu": "GPU", "rss": "memory", "sm": "SM", "utilization": "utilisation"}
_UNITS: Final = frozenset({"bytes", "celsius", "joules", "mhz", "minutes", "ms", "percent", "watts"})


def label_of(field: str) -> str:
    """Name for people of a metric or of what the monitor records: the metric's label, else the field's own words."""
    for name in (field, *(one for one, fields in _MONITOR_FIELDS.items() if field != "gpu" and field in fields)):
        if name in BY_NAME:
            return BY_NAME[name].label
    words = [word for word in field.replace(".", "_").split("_") if word not in _UNITS]
    ends = [_ENDS[word] for word in words if word in _ENDS]
    return " ".join([*ends, *(_SPELT.get(word, word) for word in words if word not in _ENDS)])


_ENERGY_METRICS: Final = ("energy_joules_per_token", LEVEL_ENERGY)
_ENERGY_FIELDS: Final = {"package": ("package_energy_joules",), "gpu": ("gpu.energy_joules", "gpu")}
"""The same of the energy of a part of the machine."""


def _monitor_fields(metric: Metric, launch: MeasuredLaunch) -> tuple[str, ...]:
    if metric.name in _ENERGY_METRICS:
        return _ENERGY_FIELDS[energy_part(launch.device)]
    return _MONITOR_FIELDS.get(metric.name, ())


def why_absent(metric: Metric, launches: Sequence[MeasuredLaunch]) -> str:
    """Why the monitor has no value of a metric in any of these launches."""
    for launch in launches:
        absent = value_at(launch.record, "monitor.absent") or {}
        for field in _monitor_fields(metric, launch):
            if field in absent:
                return str(absent[field])
    return "the monitor recorded no value"


def launch_samples(engine: EngineData, workload: str, tokens: Mapping[int, int]) -> dict[str, Sample]:
    """Samples of the launch metrics of one engine and workload; tokens made in each launch come by block."""
    launches = sorted(engine.ok(workload), key=lambda launch: launch.block)
    samples: dict[str, Sample] = {}
    for metric in LAUNCH_METRICS:
        read = _LAUNCH_VALUE[metric.name]
        found = [(launch, read(launch.record, tokens.get(launch.block, 0))) for launch in launches]
        usable = [(launch, value) for launch, value in found if value is not None]
        if not usable:
            samples[metric.name] = empty_sample(why_absent(metric, launches))
            continue
        samples[metric.name] = Sample(
            tuple(launch.block for launch, _ in usable),
            np.array([launch.started.timestamp() for launch, _ in usable]),
            tuple(np.array([value]) for _, value in usable),
            tuple(np.ones(1, dtype=np.bool_) for _ in usable),
        )
    return samples


def under_load(sample: Sample) -> Sample:
    """The sample of a cell with load: its requests overlap, and none is flagged, since a tail is what load makes."""
    kept = tuple(np.ones(len(values), dtype=np.bool_) for values in sample.values)
    return replace(sample, kept=kept, in_sequence=False)


def each_sample(inputs: Measurements, iterations: Path) -> Iterator[tuple[CellKey, Metric, Sample]]:
    """Every (cell, metric, sample) of the iterations and launches, so that memory holds the raw values of one engine
    and workload at a time."""
    tokens: dict[tuple[str, str], dict[int, int]] = {}
    for (engine_name, workload_name, block), count in tokens_made(iterations).items():
        tokens.setdefault((engine_name, workload_name), {})[block] = count
    for engine in inputs.engines.values():
        for workload in inputs.plan["workloads"]:
            name, cases = workload["name"], [case["name"] for case in workload["cases"]]
            loaded = {case["name"] for case in workload["cases"] if case.get("load")}
            absent = None if engine.ok(name) else empty_sample(inputs.why_unmeasured(engine.name, name))
            by_case = {} if absent else case_samples(iterations, engine, name, cases)
            left_out = inputs.not_asked[engine.name].get(name, {})
            for case in cases:
                unasked = empty_sample(inputs.why_unmeasured(engine.name, name, case)) if case in left_out else None
                for metric in CASE_METRICS:
                    sample = unasked or absent or by_case.pop((case, metric.name))
                    yield (engine.name, name, case), metric, under_load(sample) if case in loaded else sample
            by_metric = {} if absent else launch_samples(engine, name, tokens.get((engine.name, name), {}))
            other = inputs.why_other_work(engine.name, name)
            for metric in LAUNCH_METRICS:
                of_others = empty_sample(other) if other and metric.over_cases == "mean" else None
                yield (engine.name, name, None), metric, absent or of_others or by_metric[metric.name]
