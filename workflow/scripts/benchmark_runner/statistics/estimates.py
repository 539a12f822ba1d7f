"""Estimates over launches: a point is never without its interval, level, n and method."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from benchmark_runner.units import ROUNDING

FloatArray = npt.NDArray[np.float64]

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
    return float(stdtrit(df, 0.5 + level / 2.0))


def from_log(value: float) -> float:
    """Exponential, held between e^-LARGEST_LOG and e^LARGEST_LOG: the interval of two launches that differ ends, at the
    level of a large family, beyond what a double holds."""
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, value)))


def negligible_spread(values: FloatArray) -> bool:
    """Whether values (on a scale where 1 is large: logarithms, or relative) differ by no more than rounding."""
    return float(np.ptp(values)) <= ROUNDING * max(1.0, float(np.max(np.abs(values))))


def mean_estimate(launch_means: FloatArray, level: float) -> Estimate | None:
    """Mean over launches with Student's t interval, each launch one value; None below two launches.

    Launches replicate, iterations do not: the spread between launches already holds the part that iterations add.
    """
    n = len(launch_means)
    if n < 2:
        return None
    mean = float(np.mean(launch_means))
    half = t_quantile(n - 1, level) * float(np.std(launch_means, ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, level, "Student t over launch means", n)


def typical_estimate(launch_medians: FloatArray, level: float) -> Estimate | None:
    """Geometric mean of the launch medians with Student's t interval on their logarithms.

    The ratio of two engines' values is then exactly the ratio that the paired test estimates. None below two launches
    or where a median is not positive. Logarithms are taken relative to the first launch, so that equal launches give
    their value back without rounding.
    """
    n = len(launch_medians)
    if n < 2 or not bool(np.all(launch_medians > 0)):
        return None
    first = float(launch_medians[0])
    logs = np.log(launch_medians / first)
    mean = float(np.mean(logs))
    half = t_quantile(n - 1, level) * float(np.std(logs, ddof=1)) / math.sqrt(n)
    point, low, high = (first * from_log(value) for value in (mean, mean - half, mean + half))
    return Estimate(point, low, high, level, "geometric mean of launch medians, Student t on logarithms", n)
