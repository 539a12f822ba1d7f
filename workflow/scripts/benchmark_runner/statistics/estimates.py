"""Estimates over launches: a point is never without its interval, level, n and method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.units import ROUNDING

LARGEST_LOG: Final = 600.0
"""Chosen: e^600 = 10^260 leaves room for a value's unit in a double, and no ratio is as large."""


@dataclass(frozen=True)
class Estimate:
    """A point with its interval; n counts what was replicated (launches, or blocks for paired ratios)."""

    point: float
    low: float
    high: float
    level: float
    method: str
    n: int

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.point, self.low, self.high)):
            raise ValueError(f"an estimate must be finite: {self}")
        if not self.low <= self.point <= self.high:
            raise ValueError(f"the interval must hold its point: {self}")
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"the level must lie between 0 and 1: {self}")

    def to_json(self) -> dict[str, Any]:
        """The estimate as the contract has it."""
        return asdict(self)

    def widened(self, by: float) -> Estimate:
        """The estimate of a ratio with an interval that reaches further by this on both sides (of logarithms)."""
        return replace(self, low=self.low * from_log(-by), high=self.high * from_log(by))

    @property
    def holds_1(self) -> bool:
        """Whether the interval of a ratio leaves open which side is better."""
        return self.low <= 1.0 <= self.high

    def inverted(self) -> Estimate:
        """The estimate of the reciprocal, for ratios read the other way round."""
        return Estimate(1 / self.point, 1 / self.high, 1 / self.low, self.level, self.method, self.n)


def t_quantile(df: float, level: float) -> float:
    """Quantile of Student's t that a two-sided interval of this level reaches to."""
    from scipy.special import stdtrit  # half a second that whoever only reads estimates need not spend

    return float(stdtrit(df, 0.5 + level / 2.0))


def from_log(value: float) -> float:
    """Exponential, held between e^-LARGEST_LOG and e^LARGEST_LOG: the interval of two launches that differ ends, at the
    level of a large family, beyond what a double holds."""
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, value)))


def negligible_spread(values: FloatArray) -> bool:
    """Whether values (on a scale where 1 is large: logarithms, or relative) differ by no more than rounding."""
    return float(np.ptp(values)) <= ROUNDING * max(1.0, float(np.max(np.abs(values))))


WITHIN_MACHINES: Final = ", within machines"
"""Of a method: how machines differ is no part of the spread."""

Machines = Sequence[str]
"""The machine of each value; empty where all are of one."""


def less_machines(values: FloatArray, machines: Machines) -> FloatArray:
    """Values without what their machines differ by: those of each have the mean of all."""
    levelled, ran_on = values.copy(), np.array(machines)
    for machine in dict.fromkeys(machines):
        here = ran_on == machine
        levelled[here] += np.mean(values) - np.mean(values[here])
    return levelled


def _half(values: FloatArray, machines: Machines, level: float) -> float | None:
    """Half of Student's t interval of the mean; None where each machine has one value."""
    n, free = len(values), len(values) - max(1, len(set(machines)))
    if free < 1:
        return None
    sd = float(np.std(less_machines(values, machines), ddof=1)) * math.sqrt((n - 1) / free)
    return t_quantile(free, level) * sd / math.sqrt(n)


def mean_estimate(launch_means: FloatArray, level: float, machines: Machines = ()) -> Estimate | None:
    """Mean over launches with Student's t interval, each launch one value; None below two launches of one machine.

    Launches replicate, iterations do not: the spread between launches already holds the part that iterations add. The
    mean is that of these machines, whose own differences are no spread.
    """
    if (half := _half(launch_means, machines, level)) is None:
        return None
    mean, method = float(np.mean(launch_means)), f"Student t over launch means{WITHIN_MACHINES if machines else ''}"
    return Estimate(mean, mean - half, mean + half, level, method, len(launch_means))


def typical_estimate(launch_medians: FloatArray, level: float, machines: Machines = ()) -> Estimate | None:
    """Geometric mean of the launch medians with Student's t interval on their logarithms, as mean_estimate.

    The ratio of two engines' values is then exactly the ratio that the paired test estimates. None below two launches
    or where a median is not positive. Logarithms are taken relative to the first launch, so that equal launches give
    their value back without rounding.
    """
    if not len(launch_medians) or not bool(np.all(launch_medians > 0)):
        return None
    first = float(launch_medians[0])
    logs = np.log(launch_medians / first)
    if (half := _half(logs, machines, level)) is None:
        return None
    mean, told = float(np.mean(logs)), WITHIN_MACHINES if machines else ""
    point, low, high = (first * from_log(value) for value in (mean, mean - half, mean + half))
    method = f"geometric mean of launch medians, Student t on logarithms{told}"
    return Estimate(point, low, high, level, method, len(launch_medians))
