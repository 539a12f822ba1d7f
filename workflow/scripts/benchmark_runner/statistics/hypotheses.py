"""Tests on launch values: paired and Welch t on log ratios, exact Mann-Whitney, equivalence, and their corrections.

Every function takes one value a launch; nothing here ever sees an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

from benchmark_runner.statistics.estimates import Estimate, FloatArray

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


def _ratio(log_ratio: float, interval: Any, level: float, method: str, n: int) -> Estimate:
    low, high = math.exp(float(interval.low)), math.exp(float(interval.high))
    return Estimate(math.exp(log_ratio), low, high, level, method, n)


def paired_comparison(log_ratios: FloatArray, level: float, simultaneous_level: float) -> Comparison:
    """Paired t test on the log ratios of blocks, its intervals, and equivalence by two one-sided tests (Schuirmann
    1987).

    A one-sample test of differences is the paired test (scipy.stats.ttest_rel of the two sides). Needs at least two
    blocks whose log ratios differ.
    """
    found = stats.ttest_1samp(log_ratios, 0.0)
    margin, n, point = math.log1p(EQUIVALENCE_MARGIN), len(log_ratios), float(np.mean(log_ratios))
    method = "paired t on log ratios of launch medians"
    lower = stats.ttest_1samp(log_ratios, -margin, alternative="greater")
    upper = stats.ttest_1samp(log_ratios, margin, alternative="less")
    return Comparison(
        TestResult(float(found.statistic), float(found.pvalue), n, method),
        _ratio(point, found.confidence_interval(level), level, method, n),
        _ratio(point, found.confidence_interval(simultaneous_level), simultaneous_level, method, n),
        max(float(lower.pvalue), float(upper.pvalue)),
        "two one-sided paired t tests on log ratios",
    )


def welch_comparison(logs_a: FloatArray, logs_b: FloatArray, level: float, simultaneous_level: float) -> Comparison:
    """Welch's t test on logarithms for launches that ran on different occasions; the ratio is a over b."""
    found = stats.ttest_ind(logs_a, logs_b, equal_var=False)
    margin, n = math.log1p(EQUIVALENCE_MARGIN), min(len(logs_a), len(logs_b))
    point = float(np.mean(logs_a) - np.mean(logs_b))
    method = "Welch t on log launch medians"
    lower = stats.ttest_ind(logs_a + margin, logs_b, equal_var=False, alternative="greater")
    upper = stats.ttest_ind(logs_a - margin, logs_b, equal_var=False, alternative="less")
    return Comparison(
        TestResult(float(found.statistic), float(found.pvalue), n, method),
        _ratio(point, found.confidence_interval(level), level, method, n),
        _ratio(point, found.confidence_interval(simultaneous_level), simultaneous_level, method, n),
        max(float(lower.pvalue), float(upper.pvalue)),
        "two one-sided Welch t tests on logarithms",
    )


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
