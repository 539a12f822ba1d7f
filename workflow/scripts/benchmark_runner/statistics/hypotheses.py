"""Tests on launch values: paired and Welch t on log ratios, exact Mann-Whitney, equivalence, and their corrections.

Every function takes one value a launch; nothing here ever sees an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from scipy.special import stdtr

from benchmark_runner.statistics.estimates import Estimate, FloatArray, t_quantile

EQUIVALENCE_MARGIN: Final = 0.02
"""Engines within 2 % of each other are the same to a user (reference recipe); log scale: from 1/1.02 to 1.02."""


@dataclass(frozen=True)
class TestResult:
    """Outcome of one test; n is the number of launches (blocks, for a paired test) that it used."""

    statistic: float
    p: float
    n: int
    method: str

    __test__ = False
    """Keeps pytest from taking the class for a test case."""


@dataclass(frozen=True)
class Comparison:
    """A t test on log ratios: the test, the ratio at two levels and the p-value of equivalence."""

    test: TestResult
    ratio: Estimate
    simultaneous: Estimate
    equivalence_p: float
    equivalence_method: str


@dataclass(frozen=True)
class LogRatio:
    """Mean log ratio of a pair with what Student's t needs: its standard error and degrees of freedom.

    Everything that a t test says follows from these by one look at the distribution (scipy.special), so that a family
    can be judged at many levels; scipy.stats' own tests give the same to rounding (tests compare them) at a hundred
    times the cost.
    """

    mean: float
    standard_error: float
    df: float
    n: int
    method: str
    equivalence_method: str

    def test(self) -> TestResult:
        """Two-sided test of a ratio of 1."""
        statistic = self.mean / self.standard_error
        return TestResult(statistic, 2.0 * float(stdtr(self.df, -abs(statistic))), self.n, self.method)

    def estimate(self, level: float) -> Estimate:
        """The ratio with its interval at this level."""
        half = t_quantile(self.df, level) * self.standard_error
        point, low, high = (math.exp(value) for value in (self.mean, self.mean - half, self.mean + half))
        return Estimate(point, low, high, level, self.method, self.n)

    def equivalence_p(self) -> float:
        """Larger p of two one-sided tests that the ratio lies within the margin (Schuirmann 1987)."""
        nearest = (math.log1p(EQUIVALENCE_MARGIN) - abs(self.mean)) / self.standard_error
        return float(stdtr(self.df, -nearest))

    def compared(self, level: float, simultaneous_level: float) -> Comparison:
        """Test, intervals and equivalence together."""
        return Comparison(
            self.test(),
            self.estimate(level),
            self.estimate(simultaneous_level),
            self.equivalence_p(),
            self.equivalence_method,
        )


def paired_log_ratio(log_ratios: FloatArray) -> LogRatio:
    """For a paired t test on the log ratios of blocks: the one-sample test of the differences (scipy's ttest_rel).

    Needs at least two blocks whose log ratios differ.
    """
    n = len(log_ratios)
    error = float(np.std(log_ratios, ddof=1)) / math.sqrt(n)
    method = "paired t on log ratios of launch medians"
    return LogRatio(float(np.mean(log_ratios)), error, n - 1.0, n, method, "two one-sided paired t tests on log ratios")


def welch_log_ratio(logs_a: FloatArray, logs_b: FloatArray) -> LogRatio:
    """For Welch's t test on the logarithms of launches that ran on different occasions; the ratio is a over b.

    Degrees of freedom by Welch and Satterthwaite (Welch 1947, Biometrika 34, 28-35). Needs two launches a side, and
    spread in one of them.
    """
    shares = [float(np.var(side, ddof=1)) / len(side) for side in (logs_a, logs_b)]
    variance = sum(shares)
    df = variance**2 / sum(share**2 / (len(side) - 1) for share, side in zip(shares, (logs_a, logs_b), strict=True))
    mean, n = float(np.mean(logs_a) - np.mean(logs_b)), min(len(logs_a), len(logs_b))
    method = "Welch t on log launch medians"
    return LogRatio(mean, math.sqrt(variance), df, n, method, "two one-sided Welch t tests on logarithms")


def paired_comparison(log_ratios: FloatArray, level: float, simultaneous_level: float) -> Comparison:
    """Paired t test on the log ratios of blocks, its intervals and equivalence; see paired_log_ratio."""
    return paired_log_ratio(log_ratios).compared(level, simultaneous_level)


def welch_comparison(logs_a: FloatArray, logs_b: FloatArray, level: float, simultaneous_level: float) -> Comparison:
    """Welch's t test on logarithms, its intervals and equivalence; see welch_log_ratio."""
    return welch_log_ratio(logs_a, logs_b).compared(level, simultaneous_level)


def mann_whitney(a: FloatArray, b: FloatArray) -> TestResult:
    """Exact two-sided Mann-Whitney test of a against b; the statistic is U of a (pairs in which a is larger).

    The exact distribution knows no ties, so ties are broken against a difference: p is the largest that any order of
    the tied values gives on their side of the middle. Without ties this is scipy's exact test. method="auto" is
    avoided, since it changes the method with size and ties.
    """
    u = float(np.sum(a[:, None] > b[None, :]) + 0.5 * np.sum(a[:, None] == b[None, :]))
    middle, n = len(a) * len(b) / 2.0, min(len(a), len(b))
    a_is_larger = u > middle
    # Sorting keys: the value, then the side that a tie should favour; ranks are then all different.
    tie_break = np.concatenate((np.full(len(a), not a_is_larger), np.full(len(b), a_is_larger)))
    order = np.lexsort((tie_break, np.concatenate((a, b))))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order), dtype=np.float64)
    found = stats.mannwhitneyu(ranks[: len(a)], ranks[len(a) :], alternative="two-sided", method="exact")
    crossed = u == middle or (float(found.statistic) > middle) != a_is_larger
    p = 1.0 if crossed else min(1.0, float(found.pvalue))
    return TestResult(u, p, n, "exact Mann-Whitney U on launch medians, ties broken against a difference")


def bonferroni(p: float, tests: int) -> float:
    """Bonferroni's correction of one p-value."""
    return min(1.0, p * max(tests, 1))


def holm(p_values: Sequence[float | None], tests: int) -> list[float | None]:
    """Holm's step-down correction (Holm 1979, Scand. J. Statist. 6, 65-70) over a family of `tests`.

    None marks a comparison that could not be tested; it counts in the family as p = 1. Raises ValueError where the
    family is smaller than the p-values given.
    """
    given = [(p, index) for index, p in enumerate(p_values) if p is not None]
    if tests < len(given):
        raise ValueError(f"a family of {tests} cannot hold {len(given)} tests")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(sorted(given)):
        largest = max(largest, min(1.0, p * (tests - rank)))
        adjusted[index] = largest
    return adjusted
