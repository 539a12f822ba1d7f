"""Describing one metric of one cell: engine, workload and test case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics import diagnostics
from benchmark_runner.statistics.estimates import mean_estimate, typical_estimate
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.percentiles import PERCENTILES, median_deviation, ordered_quantile, percentile
from benchmark_runner.statistics.samples import Centre, Sample

_UNDEFINED = (
    "mean",
    "median",
    "sd",
    "mad",
    "cv_within",
    "cv_between",
    "noisy",
    "min",
    "max",
    "mean_interval",
    "median_interval",
    "without_outliers",
    "normality",
    "autocorrelation",
    "intraclass",
    "drift",
    "steady_state",
)


def _undefined(metric: Metric, sample: Sample, level: float) -> dict[str, Any]:
    blank = {"value": None, "low": None, "high": None, "level": level, "method": None, "n": 0, "reason": sample.reason}
    return {
        "unit": metric.unit,
        "better": metric.better,
        "launches": 0,
        "iterations": 0,
        **dict.fromkeys(_UNDEFINED),
        **{name: dict(blank) for name in PERCENTILES},
        "outliers": {"flagged": 0, "of": 0},
        "launch_medians": [],
        "reason": sample.reason,
    }


def _means(launches: Sequence[FloatArray]) -> FloatArray:
    return np.array([np.mean(values) for values in launches], dtype=np.float64)


def _mean(launches: Sequence[FloatArray]) -> float:
    return sum(float(np.sum(values)) for values in launches) / sum(len(values) for values in launches)


def _sd(launches: Sequence[FloatArray], mean: float) -> float | None:
    count = sum(len(values) for values in launches)
    squares = sum(float(np.sum((values - mean) ** 2)) for values in launches)
    return math.sqrt(squares / (count - 1)) if count > 1 else None


MachineByBlock = Mapping[int, str]
"""Machine of each launch of a cell; empty where all are of one."""


def _located(centre: Centre, level: float, machines: MachineByBlock) -> dict[str, Any]:
    """Mean and median of the raw values, and their intervals over launches."""
    ran_on = [machines[block] for block in centre.blocks] if machines else []
    mean = mean_estimate(centre.launch_means, level, ran_on)
    typical = typical_estimate(centre.launch_medians, level, ran_on)
    return {
        "mean": centre.mean,
        "median": centre.median,
        "mean_interval": mean.to_json() if mean else None,
        "median_interval": typical.to_json() if typical else None,
    }


def _in_order(sample: Sample, level: float, effective: float | None, machines: MachineByBlock) -> dict[str, Any]:
    """What is read off the values in ascending order; effective is how many independent ones they are worth."""
    ordered = sample.ordered()
    mean, median = _mean(sample.values), ordered_quantile(ordered, 0.5)
    return {
        **_located(Centre(sample.blocks, _means(sample.values), sample.launch_medians, mean, median), level, machines),
        "sd": _sd(sample.values, mean),
        "mad": median_deviation(ordered, median),
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        **{name: percentile(sample.values, ordered, share, level, effective) for name, share in PERCENTILES.items()},
    }


def _why_no_interval(sample: Sample, machines: MachineByBlock) -> str | None:
    """Why launches give no interval of the mean; None where they do."""
    if len(sample.values) < 2:
        return "one launch: no interval"
    each = len({machines[block] for block in sample.blocks}) == len(sample.blocks) if machines else False
    return "one launch on each machine: no interval" if each else None


def describe(
    metric: Metric, sample: Sample, within_machine: Mapping[int, float], level: float, machines: MachineByBlock
) -> dict[str, Any]:
    """All numbers of one metric in one cell. With one value a launch, what needs iterations is null. Spread, drift and
    shape are those within machines: of the launch values by block, levelled."""
    if not sample.values:
        return _undefined(metric, sample, level)
    medians = sample.launch_medians
    alike = np.array(list(within_machine.values()))
    within = diagnostics.cv_within(sample.values)
    between = diagnostics.cv_between(alike)
    several = metric.several
    intraclass = diagnostics.intraclass_correlation(sample.values) if several else None
    return {
        "unit": metric.unit,
        "better": metric.better,
        "launches": len(sample.values),
        "iterations": sample.count,
        **_in_order(sample, level, intraclass["effective_n"] if intraclass else None, machines),
        "cv_within": within,
        "cv_between": between,
        "noisy": diagnostics.noisy(within if sample.in_sequence else None, between),
        "outliers": {"flagged": sample.flagged, "of": sample.count},
        "without_outliers": _located(sample.cleaned, level, machines)
        if several and sample.flagged < sample.count
        else None,
        "launch_medians": [
            {"block": block, "value": float(value)} for block, value in zip(sample.blocks, medians, strict=True)
        ],
        "normality": diagnostics.normality(alike),
        "autocorrelation": diagnostics.ljung_box(sample.values) if several and sample.in_sequence else None,
        "intraclass": intraclass,
        "drift": diagnostics.drift(alike, sample.starts),
        "steady_state": (
            diagnostics.steady_state(sample.values) if metric.level == "iteration" and sample.in_sequence else None
        ),
        "reason": _why_no_interval(sample, machines),
    }
