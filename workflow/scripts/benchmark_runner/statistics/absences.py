"""Why a figure is null: every undefined number of statistical_summary.json has its reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.statistics.metrics import Metric

ONE_VALUE_A_LAUNCH: Final = "a launch has one value of it"
OVERLAPPING: Final = "requests overlap, so none simply follows another"
ALL_FLAGGED: Final = "analysis.outlier_threshold flags every iteration"

_NEEDS_ITERATIONS: Final = ("without_outliers", "autocorrelation", "intraclass", "steady_state", "cv_within")
_IN_SEQUENCE: Final = ("autocorrelation", "steady_state")
_NEEDS_LAUNCHES: Final = ("mean_interval", "median_interval", "cv_between")
_OF_A_CELL: Final = (*_NEEDS_ITERATIONS, *_NEEDS_LAUNCHES, "sd")

_COMPARED: Final = ("ratio", "simultaneous", "equivalence", "cliffs_delta", "hedges_g", "hodges_lehmann")


def of_cell(metric: Metric, numbers: Mapping[str, Any], *, overlapping: bool = False) -> dict[str, str]:
    """Reasons by field for one metric of a cell; fields that hold a reason of their own are left to it. overlapping
    says that the cell has several requests in flight."""
    if numbers["launches"] == 0:
        return {name: str(numbers["reason"]) for name, value in numbers.items() if value is None and name != "reason"}
    found: dict[str, str] = {}
    for name in _OF_A_CELL:
        if numbers[name] is not None:
            continue
        if name in _NEEDS_ITERATIONS and not metric.several:
            found[name] = ONE_VALUE_A_LAUNCH
        elif name in _IN_SEQUENCE and overlapping:
            found[name] = OVERLAPPING
        elif name == "without_outliers":
            found[name] = ALL_FLAGGED
        elif name == "steady_state":
            found[name] = "looked for in metrics of an iteration"
        elif name == "median_interval" and numbers["launches"] > 1:
            found[name] = "a launch median is not positive, so it has no logarithm"
        elif name == "cv_within":
            found[name] = "no launch has two values"
        elif name == "sd":
            found[name] = "one value in all"
        else:
            found[name] = "one launch" if numbers["launches"] == 1 else "the mean is not positive"
    return found


def of_comparison(one: Mapping[str, Any]) -> dict[str, str]:
    """Reasons by field for one comparison."""
    reason = one["reason"] or "nothing to compare"
    found: dict[str, str] = {name: reason for name in _COMPARED if one[name] is None}
    passes = (
        "no number of passes over one start confirms a difference" if "not_restarted" in one["qualifiers"] else None
    )
    if one["detectable_ratio"] is None:
        found["detectable_ratio"] = one["reason"] or passes or "no ratio up to 100 times is found with 80 % power"
    if one["launches_needed"] is None:
        found["launches_needed"] = (
            one["reason"] or passes or "the ratio seen is 1, or more than 1000 launches would be needed"
        )
    if one["faster"] is None:
        found["faster"] = f"the verdict is {one['verdict']}"
    if one["against_baseline"] is None:
        found["against_baseline"] = (
            "the control is judged by itself" if one["kind"] == "control" else "neither engine is the baseline"
        )
    if one["sensitivity"]["without_outliers"] is None:
        found["sensitivity.without_outliers"] = ONE_VALUE_A_LAUNCH
    if one["sensitivity"]["without_events"] is None:
        found["sensitivity.without_events"] = "no launch of the two was disturbed"
    return found
