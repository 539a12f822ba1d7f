"""From launch values to verdicts: one family of comparisons, judged together. Every way out that is not sure is
`untestable` or `inconclusive`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchmark_runner.statistics import effects
from benchmark_runner.statistics.estimates import Estimate, FloatArray, negligible_spread
from benchmark_runner.statistics.hypotheses import (
    EQUIVALENCE_MARGIN,
    Comparison,
    TestResult,
    bonferroni,
    holm,
    mann_whitney,
    paired_comparison,
    welch_comparison,
)
from benchmark_runner.statistics.power import can_reach, fewest_launches

Verdict = Literal[
    "untestable",
    "confirmed_faster",
    "significant_unconfirmed",
    "meaningfully_faster",
    "equivalent",
    "inconclusive",
]

CERTAIN: Final = ("confirmed_faster", "meaningfully_faster")
"""Verdicts that order two engines."""

FEWEST_LAUNCHES: Final = 3
"""Two differences have one degree of freedom: their 95 % interval reaches nine standard deviations to either side."""


@dataclass(frozen=True)
class Pair:
    """Two engines in one cell with the launch values that are compared.

    Where paired, the two arrays are aligned by block. sign is 1 where higher values are better and -1 where lower
    ones are. excluded says why this pair takes no part in the family (nothing was measured, or it must not be
    compared).
    """

    engine: str
    reference: str
    values: FloatArray
    reference_values: FloatArray
    sign: float
    paired: bool = True
    excluded: str | None = None

    @property
    def counts(self) -> bool:
        """Whether the pair is one of the family's tests."""
        return self.excluded is None and len(self.values) > 0 and len(self.reference_values) > 0


@dataclass(frozen=True)
class Judgement:
    """All that was found out about one pair; ratios above 1 mean that the engine is better than the reference."""

    pair: Pair
    verdict: Verdict
    faster: str | None
    reason: str | None
    comparison: Comparison | None
    ratio: Estimate | None
    p_holm: float | None
    mann_whitney: TestResult | None
    p_bonferroni: float | None
    equivalence_p: float | None
    cliffs_delta: float | None
    hedges_g: float | None
    shift: float | None
    sd_of_log_ratios: float | None
    alpha: float

    @property
    def equivalent(self) -> bool | None:
        """Whether the pair was shown to lie within the margin; None where that was not tested."""
        return None if self.equivalence_p is None else self.verdict != "untestable" and self.equivalence_p <= self.alpha


def family_tests(pairs: Sequence[Pair]) -> int:
    """Number of tests that corrections count: pairs that were measured and may be compared.

    Whether a pair can be compared at all does not depend on which side was faster, so leaving the others out keeps
    alpha.
    """
    return sum(pair.counts for pair in pairs)


def _unmeasurable(pair: Pair) -> str | None:
    """Why no interval can be computed from a pair's values; None where one can."""
    fewest = min(len(pair.values), len(pair.reference_values))
    if fewest == 0:
        missing = pair.engine if len(pair.values) == 0 else pair.reference
        return f"no launch of {missing} ended ok here with a value"
    if fewest < 2:
        return f"1 launch: at least {FEWEST_LAUNCHES} are needed"
    both = np.concatenate((pair.values, pair.reference_values))
    if not bool(np.all(np.isfinite(both))):
        return "a launch value is not a number"
    if not bool(np.all(both > 0.0)):
        return "a launch value is not positive, so there is no ratio"
    return None


def _log_ratios(pair: Pair) -> FloatArray:
    return pair.sign * np.log(pair.values / pair.reference_values)


def _no_spread(pair: Pair) -> bool:
    if pair.paired:
        return negligible_spread(_log_ratios(pair))
    return all(negligible_spread(np.log(side / side[0])) for side in (pair.values, pair.reference_values))


def _compare(pair: Pair, level: float, simultaneous_level: float) -> Comparison:
    if pair.paired:
        return paired_comparison(_log_ratios(pair), level, simultaneous_level)
    scale = float(pair.reference_values[0])
    own, other = np.log(pair.values / scale), np.log(pair.reference_values / scale)
    return welch_comparison(pair.sign * own, pair.sign * other, level, simultaneous_level)


def _ratio_without_spread(pair: Pair, level: float) -> Estimate:
    ratio = float(pair.values[0] / pair.reference_values[0]) ** pair.sign
    method = "all launches equal: no spread to judge by"
    return Estimate(ratio, ratio, ratio, level, method, min(len(pair.values), len(pair.reference_values)))


def _hedges_g(pair: Pair) -> float | None:
    """Hedges g of the logarithms, so that it belongs to the same scale as the ratio; positive where the engine is
    better."""
    return effects.hedges_g(pair.sign * np.log(pair.values), pair.sign * np.log(pair.reference_values))


def _spread(pair: Pair) -> float:
    """Standard deviation of log ratios; for unpaired launches what independent blocks would have."""
    if pair.paired:
        return float(np.std(_log_ratios(pair), ddof=1))
    variances = [float(np.var(np.log(side), ddof=1)) for side in (pair.values, pair.reference_values)]
    return math.sqrt(sum(variances))


def _too_weak(pair: Pair, tests: int, alpha: float) -> str | None:
    """Why these launches can not end in a verdict whatever they show; None where they can."""
    n_a, n_b = len(pair.values), len(pair.reference_values)
    fewest = min(n_a, n_b)
    if fewest < FEWEST_LAUNCHES:
        return f"too few launches: {fewest}, at least {FEWEST_LAUNCHES} are needed"
    if not can_reach(n_a, n_b, tests, alpha):
        needed = fewest_launches(tests, alpha)
        over = "1 comparison" if tests == 1 else f"{tests} comparisons"
        return f"too few launches: {fewest} cannot reach significance over {over}, {needed} can"
    return None


@dataclass(frozen=True)
class _Measured:
    """A pair's statistics before the family is corrected."""

    obstacle: str | None
    comparison: Comparison | None = None
    ratio: Estimate | None = None
    u_test: TestResult | None = None


def _measure(pair: Pair, tests: int, level: float) -> _Measured:
    alpha = round(1.0 - level, 12)
    obstacle = _unmeasurable(pair)
    if obstacle is not None:
        return _Measured(pair.excluded or obstacle)
    if _no_spread(pair):
        reason = pair.excluded or "launches do not vary at all, so there is nothing to judge the difference by"
        return _Measured(reason, ratio=_ratio_without_spread(pair, level))
    comparison = _compare(pair, level, 1.0 - alpha / max(tests, 1))
    u_test = mann_whitney(pair.sign * pair.values, pair.sign * pair.reference_values)
    return _Measured(pair.excluded or _too_weak(pair, tests, alpha), comparison, comparison.ratio, u_test)


def decide(
    *,
    t_significant: bool,
    u_significant: bool,
    same_direction: bool,
    beyond_margin: bool,
    equivalent: bool,
) -> Verdict:
    """The verdict words as a table; the caller has made sure that the pair could be tested."""
    if t_significant and u_significant and same_direction:
        return "meaningfully_faster" if beyond_margin else "confirmed_faster"
    if equivalent:
        return "equivalent"
    if t_significant or u_significant:
        return "significant_unconfirmed"
    return "inconclusive"


def _beyond_margin(interval: Estimate) -> bool:
    margin = 1.0 + EQUIVALENCE_MARGIN
    return interval.low > margin or interval.high < 1.0 / margin


def _judge(pair: Pair, measured: _Measured, p_holm: float | None, tests: int, alpha: float) -> Judgement:
    comparison, u_test = measured.comparison, measured.u_test
    verdict: Verdict = "untestable"
    faster: str | None = None
    p_bonferroni = equivalence_p = delta = None
    if comparison is not None and u_test is not None:
        p_bonferroni = bonferroni(u_test.p, tests)
        equivalence_p = bonferroni(comparison.equivalence_p, tests)
        delta = effects.cliffs_delta(u_test.statistic, len(pair.values), len(pair.reference_values))
        if measured.obstacle is None and p_holm is not None:
            log_direction = np.sign(np.log(comparison.ratio.point))
            verdict = decide(
                t_significant=p_holm <= alpha,
                u_significant=p_bonferroni <= alpha,
                same_direction=bool(log_direction == np.sign(delta)),
                beyond_margin=_beyond_margin(comparison.simultaneous),
                equivalent=equivalence_p <= alpha,
            )
            if verdict in (*CERTAIN, "significant_unconfirmed"):
                faster = pair.engine if log_direction > 0 else pair.reference
    sized = measured.ratio is not None
    return Judgement(
        pair=pair,
        verdict=verdict,
        faster=faster,
        reason=measured.obstacle,
        comparison=comparison,
        ratio=measured.ratio,
        p_holm=p_holm,
        mann_whitney=u_test,
        p_bonferroni=p_bonferroni,
        equivalence_p=equivalence_p,
        cliffs_delta=delta,
        hedges_g=_hedges_g(pair) if sized else None,
        shift=effects.hodges_lehmann(pair.values, pair.reference_values) if sized else None,
        sd_of_log_ratios=_spread(pair) if sized else None,
        alpha=alpha,
    )


def judge_family(pairs: Sequence[Pair], level: float) -> list[Judgement]:
    """Judge the pairs of one family together at this confidence level (alpha is 1 - level).

    The t tests are corrected by Holm, Mann-Whitney and equivalence by Bonferroni, intervals by 1 - alpha / tests. Pairs
    that could not be tested although they were measured stay in the family as p = 1.
    """
    tests, alpha = family_tests(pairs), round(1.0 - level, 12)
    measured = [_measure(pair, tests, level) for pair in pairs]
    p_values = [one.comparison.test.p if one.comparison and one.obstacle is None else None for one in measured]
    corrected = holm(p_values, tests)
    return [
        _judge(pair, one, p_holm, tests, alpha) for pair, one, p_holm in zip(pairs, measured, corrected, strict=True)
    ]
