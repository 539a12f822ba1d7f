"""Tests on launch values: paired and Welch t on log ratios, exact Mann-Whitney, equivalence, and their corrections.

Every function takes one value a launch; nothing here ever sees an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import ndtr, stdtr

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.estimates import Estimate, from_log, t_quantile
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN

MOST_PAIRS_COUNTED: Final = 250_000
"""Launches of one side times those of the other up to which Mann-Whitney is exact: 500 against 500 take two seconds,
once. There the normal approximation differs by less than 1e-4 in a p of 0.05."""

DISTRIBUTIONS_KEPT: Final = 64
"""Of numbers of launches: a campaign has few, and each takes at most 1 MB."""


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

    @property
    def variance(self) -> float:
        """Of one launch pair's log ratio; paired launches only."""
        return self.n * self.standard_error**2

    def less_sure(self, variance: float, df: float) -> LogRatio:
        """The same with a further variance of the mean, which was estimated with so many degrees of freedom
        (Satterthwaite 1946)."""
        own = self.standard_error**2
        total = (own + variance) ** 2 / (own**2 / self.df + variance**2 / df)
        return replace(self, standard_error=math.sqrt(own + variance), df=total)

    def test(self) -> TestResult:
        """Two-sided test of a ratio of 1."""
        statistic = self.mean / self.standard_error
        return TestResult(statistic, 2.0 * float(stdtr(self.df, -abs(statistic))), self.n, self.method)

    def estimate(self, level: float) -> Estimate:
        """The ratio with its interval at this level."""
        half = t_quantile(self.df, level) * self.standard_error
        point, low, high = (from_log(value) for value in (self.mean, self.mean - half, self.mean + half))
        return Estimate(point, low, high, level, self.method, self.n)

    def equivalence_p(self, doubt: float = 0.0) -> float:
        """Larger p of two one-sided tests that the ratio lies within the margin less a doubt of this size (of
        logarithms); Schuirmann 1987."""
        nearest = (math.log1p(EQUIVALENCE_MARGIN) - doubt - abs(self.mean)) / self.standard_error
        return float(stdtr(self.df, -nearest))

    def compared(self, level: float, simultaneous_level: float, doubt: float = 0.0) -> Comparison:
        """Test, intervals and equivalence together; doubt narrows the margin of equivalence alone."""
        return Comparison(
            self.test(),
            self.estimate(level),
            self.estimate(simultaneous_level),
            self.equivalence_p(doubt),
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


@lru_cache(maxsize=DISTRIBUTIONS_KEPT)
def chance_of_u_at_most(few: int, many: int) -> FloatArray:
    """P(U <= u) for u from 0 to half of the few * many pairs, when all orders of the launches are equally likely.

    The numbers of orders are the coefficients of the Gaussian binomial, the product over i of (1 - x^(many + i)) /
    (1 - x^i) (Mann & Whitney 1947, Ann. Math. Statist. 18, 50-60). Each factor is scaled so that they keep adding up to
    1: from 515 launches a side on there are more orders than a double holds.
    """
    counted = few * many // 2 + 1
    chance = np.zeros(counted)
    chance[0] = 1.0
    for i in range(1, few + 1):
        rows = np.zeros((-(-counted // i), i))
        rows.flat[:counted] = chance
        sums = np.cumsum(rows, axis=0).ravel()[:counted]
        chance = sums.copy()
        chance[many + i :] -= sums[: max(counted - many - i, 0)]
        chance *= i / (many + i)
    return np.cumsum(chance)


def pairs_won(a: FloatArray, b: FloatArray) -> tuple[int, int]:
    """Of all pairs of a value of a and one of b, those in which a is larger, and those in which it is not smaller."""
    order = np.sort(b)
    below, not_above = (int(np.sum(np.searchsorted(order, a, side=side))) for side in ("left", "right"))
    return below, not_above


def mann_whitney(a: FloatArray, b: FloatArray) -> TestResult:
    """Exact two-sided Mann-Whitney test of a against b; the statistic is U of a (pairs in which a is larger).

    The exact distribution knows no ties, so ties are broken against a difference: p is the largest that any order of
    the tied values gives on their side of the middle. Without ties this is scipy's exact test, which takes a minute for
    300 launches a side. Beyond MOST_PAIRS_COUNTED the normal distribution takes over, as the method then says.
    """
    below, not_above = pairs_won(a, b)
    u, pairs = (below + not_above) / 2.0, len(a) * len(b)
    # Smaller U of the two sides, all ties counted on that side.
    smaller = min(pairs - below, not_above)
    exact = pairs <= MOST_PAIRS_COUNTED
    if 2 * smaller >= pairs:
        p = 1.0
    elif exact:
        p = min(1.0, 2.0 * float(chance_of_u_at_most(*sorted((len(a), len(b))))[smaller]))
    else:
        deviation = math.sqrt(pairs * (len(a) + len(b) + 1) / 12.0)
        p = min(1.0, 2.0 * float(ndtr((smaller + 0.5 - pairs / 2.0) / deviation)))
    how = "exact Mann-Whitney U" if exact else "Mann-Whitney U, normal approximation,"
    return TestResult(u, p, min(len(a), len(b)), f"{how} on launch medians, ties broken against a difference")


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
