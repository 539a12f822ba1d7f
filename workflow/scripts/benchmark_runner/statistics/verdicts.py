"""From the evidence of pairs to verdicts: one family of comparisons, judged together. Every way out that is not sure is
`untestable` or `inconclusive`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from benchmark_runner.statistics.estimates import Estimate
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.hypotheses import EQUIVALENCE_MARGIN, Comparison, TestResult, bonferroni, holm
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, PERMUTATION, SecondTest, can_reach, fewest_launches
from benchmark_runner.statistics.schemes import DEFAULT_SCHEME, Scheme

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

SHOWN: Final = (*CERTAIN, "equivalent")
"""Verdicts that something was shown by."""


@dataclass(frozen=True)
class Judgement:
    """All that was found out about one pair; ratios above 1 mean that the engine is better than the reference.

    faster is None where nothing is significant, or where the two tests point in opposite directions. level is the
    confidence level of the campaign; alpha is what this look may spend of 1 - level. p_holm corrects the
    t test, p_bonferroni the exact tests by name. doubted says that the verdict would be one of SHOWN, had the pair
    nothing to allow for.
    """

    pair: Pair
    evidence: Evidence
    scheme: Scheme
    verdict: Verdict
    faster: str | None
    reason: str | None
    comparison: Comparison | None
    ratio: Estimate | None
    p_holm: float | None
    p_bonferroni: Mapping[SecondTest, float]
    equivalence_p: float | None
    level: float
    alpha: float
    doubted: bool = False

    @property
    def margin(self) -> float:
        """Relative difference that equivalence was tested against: the margin less what the pair has to allow for."""
        allowed = self.pair.allowance + self.pair.resolution
        return max(0.0, math.expm1(math.log1p(EQUIVALENCE_MARGIN) - allowed)) if allowed else EQUIVALENCE_MARGIN

    @property
    def equivalent(self) -> bool | None:
        """Whether the pair was shown to lie within the margin; None where that was not tested."""
        return None if self.equivalence_p is None else self.verdict != "untestable" and self.equivalence_p <= self.alpha

    @property
    def outcome(self) -> tuple[Verdict, str | None]:
        """What another analysis of the same pair is held against: the verdict and its direction."""
        return self.verdict, self.faster


def family_tests(pairs: Sequence[Pair]) -> int:
    """Number of tests that corrections count: pairs that were measured and may be compared.

    Whether a pair can be compared at all does not depend on which side was faster, so leaving the others out keeps
    alpha.
    """
    return sum(pair.counts for pair in pairs)


def _too_weak(pair: Pair, scheme: Scheme, tests: int, alpha: float) -> str | None:
    """Why these launches can not end in a verdict whatever they show; None where they can."""
    if pair.fewest < FEWEST_LAUNCHES:
        return f"too few launches: {pair.fewest}, at least {FEWEST_LAUNCHES} are needed"
    if not can_reach(len(pair.values), len(pair.reference_values), tests, alpha, scheme.second, paired=pair.paired):
        needed = fewest_launches(tests, alpha, scheme.second)
        over = "1 comparison" if tests == 1 else f"{tests} comparisons"
        return f"too few launches: {pair.fewest} cannot reach significance over {over}, {needed} can"
    return None


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


def beyond_margin(interval: Estimate) -> bool:
    """Whether the interval of a ratio lies beyond the margin of equivalence."""
    margin = 1.0 + EQUIVALENCE_MARGIN
    return interval.low > margin or interval.high < 1.0 / margin


def _same_direction(comparison: Comparison, second: TestResult | None, evidence: Evidence) -> bool:
    """Whether the ratio and what stands beside it point the same way; a permutation test's mean is the ratio's own."""
    direction = np.sign(np.log(comparison.ratio.point))
    if second is None or second is evidence.seconds.get(PERMUTATION):
        return True
    return bool(direction == np.sign(evidence.cliffs_delta or 0.0))


@dataclass(frozen=True)
class _Measured:
    """A pair with its t test at the levels of its family, before corrections."""

    pair: Pair
    evidence: Evidence
    alpha: float
    obstacle: str | None
    comparison: Comparison | None

    @property
    def ratio(self) -> Estimate | None:
        return self.comparison.ratio if self.comparison else self.evidence.ratio_without_spread


def _measured(pair: Pair, evidence: Evidence, level: float, scheme: Scheme, tests: int) -> _Measured:
    alpha = round((1.0 - level) * pair.share, 12)
    obstacle = pair.excluded or evidence.obstacle or _too_weak(pair, scheme, tests, alpha)
    found = evidence.t.get(scheme.first(paired=pair.paired))
    simultaneous = 1.0 - alpha / max(tests, 1)
    comparison = None if found is None else found.compared(level, simultaneous, pair.allowance + pair.resolution)
    return _Measured(pair, evidence, alpha, obstacle, comparison)


def _verdict(
    one: _Measured,
    comparison: Comparison,
    second: TestResult | None,
    *,
    p_holm: float,
    tests: int,
    same_direction: bool,
) -> Verdict:
    """The verdict in spite of what the pair has to allow for: certain only where the interval excludes 1 after that has
    widened it."""
    t_significant, doubt = p_holm <= one.alpha, one.pair.allowance
    widened = comparison.simultaneous.widened(doubt) if doubt else comparison.simultaneous
    return decide(
        t_significant=t_significant,
        u_significant=t_significant if second is None else bonferroni(second.p, tests) <= one.alpha,
        same_direction=same_direction and not (doubt and widened.holds_1),
        beyond_margin=beyond_margin(widened),
        equivalent=bonferroni(comparison.equivalence_p, tests) <= one.alpha,
    )


def _judge(one: _Measured, level: float, scheme: Scheme, p_holm: float | None, tests: int) -> Judgement:
    evidence, comparison = one.evidence, one.comparison
    second = evidence.seconds.get(scheme.second) if scheme.second else None
    verdict: Verdict = "untestable"
    faster = equivalence_p = None
    doubted = False
    if comparison is not None:
        equivalence_p = bonferroni(comparison.equivalence_p, tests)
        if one.obstacle is None and p_holm is not None:
            agree = _same_direction(comparison, second, evidence)
            verdict = _verdict(one, comparison, second, p_holm=p_holm, tests=tests, same_direction=agree)
            if one.pair.allowance and verdict not in SHOWN:
                plain = replace(one.pair, doubt=0.0, modes=0.0, losses=0.0)
                sure = _measured(plain, evidence, level, scheme, tests)
                assert sure.comparison is not None
                otherwise = _verdict(sure, sure.comparison, second, p_holm=p_holm, tests=tests, same_direction=agree)
                doubted = otherwise in SHOWN
            if agree and verdict in (*CERTAIN, "significant_unconfirmed"):
                faster = one.pair.engine if comparison.ratio.point > 1.0 else one.pair.reference
    return Judgement(
        pair=one.pair,
        evidence=evidence,
        scheme=scheme,
        verdict=verdict,
        faster=faster,
        reason=one.obstacle,
        comparison=comparison,
        ratio=one.ratio,
        p_holm=p_holm,
        p_bonferroni={name: bonferroni(test.p, tests) for name, test in evidence.seconds.items()},
        equivalence_p=equivalence_p,
        level=level,
        alpha=one.alpha,
        doubted=doubted,
    )


def judge_evidence(
    pairs: Sequence[Pair], evidence: Sequence[Evidence], level: float, scheme: Scheme = DEFAULT_SCHEME
) -> list[Judgement]:
    """Judge pairs of one family together from what weigh() found of each.

    alpha is 1 - level, of which each pair may spend its share. The t tests are corrected by Holm, the exact tests and
    equivalence by Bonferroni, intervals by 1 - alpha / tests. Pairs that could not be tested although they were
    measured stay in the family as p = 1, those that an earlier look told apart as p = 0: what it spent is spent, and
    among the others the largest number of equal engines is as much smaller.
    """
    tests = family_tests(pairs)
    measured = [_measured(pair, one, level, scheme, tests) for pair, one in zip(pairs, evidence, strict=True)]
    p_values = [
        0.0 if one.pair.settled else one.comparison.test.p if one.comparison and one.obstacle is None else None
        for one in measured
    ]
    corrected = holm(p_values, tests)
    return [_judge(one, level, scheme, p_holm, tests) for one, p_holm in zip(measured, corrected, strict=True)]


def judge_family(pairs: Sequence[Pair], level: float, scheme: Scheme = DEFAULT_SCHEME) -> list[Judgement]:
    """Weigh and judge the pairs of one family; see judge_evidence."""
    return judge_evidence(pairs, [weigh(pair, level) for pair in pairs], level, scheme)
