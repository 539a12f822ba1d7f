"""From the evidence of pairs to verdicts: one family of comparisons, judged together. Every way out that is not sure is
`untestable` or `inconclusive`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmark_runner.statistics.estimates import Estimate
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.hypotheses import Comparison, LogRatio, TestResult, bonferroni, holm
from benchmark_runner.statistics.moderated import Prior, moderated, prior_from
from benchmark_runner.statistics.on_demand import OnDemand
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, PERMUTATION, SecondTest, can_reach
from benchmark_runner.statistics.schemes import DEFAULT_SCHEME, PAIRED_T, Scheme
from benchmark_runner.statistics.wording import CERTAIN, EQUIVALENCE_MARGIN, SHOWN, Verdict


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
        return (
            None
            if self.equivalence_p is None or self.pair.passes
            else self.verdict != "untestable" and self.equivalence_p <= self.alpha
        )

    @property
    def allowance_matters(self) -> bool:
        """Whether what the pair has to allow for takes certainty from it, not only a server without a restart."""
        if not self.doubted or self.comparison is None:
            return False
        return not self.pair.passes or self.comparison.simultaneous.widened(self.pair.allowance).holds_1

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
    least = scheme.fewest if pair.paired else FEWEST_LAUNCHES
    if pair.fewest < least:
        return f"too few launches: {pair.fewest}, at least {least} are needed"
    second = scheme.beside(paired=pair.paired)
    if not can_reach(len(pair.values), len(pair.reference_values), tests, alpha, second, paired=pair.paired):
        needed = scheme.fewest_launches(tests, alpha, paired=pair.paired)
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


def _guard(pair: Pair, evidence: Evidence, scheme: Scheme) -> LogRatio | None:
    """The pair's own paired t, where a verdict needs that beside a test that rests on other pairs too."""
    return evidence.t.get(PAIRED_T) if scheme.guarded and pair.paired else None


@dataclass(frozen=True)
class _Measured:
    """A pair with its t test at the levels of its family, before corrections; own is what guards it."""

    pair: Pair
    evidence: Evidence
    alpha: float
    obstacle: str | None
    comparison: Comparison | None
    own: LogRatio | None

    @property
    def ratio(self) -> Estimate | None:
        return self.comparison.ratio if self.comparison else self.evidence.ratio_without_spread


def _same_direction(comparison: Comparison, beside: SecondTest | None, one: _Measured) -> bool:
    """Whether the ratio and what stands beside it point the same way; a permutation test's mean is the ratio's own."""
    if beside in (None, PERMUTATION):
        return True
    second = one.evidence.seconds[beside]
    middle = len(one.pair.values) * len(one.pair.reference_values) / 2.0
    return bool(np.sign(np.log(comparison.ratio.point)) == np.sign(second.statistic - middle))


def _with_own_interval(comparison: Comparison, plain: Estimate) -> Comparison:
    """The comparison with the interval of the pair's own launches, than which the simultaneous one is never narrower:
    both exclude 1 wherever a verdict is certain."""
    joint = comparison.simultaneous
    low, high = min(joint.low, plain.low), max(joint.high, plain.high)
    return replace(comparison, ratio=plain, simultaneous=replace(joint, low=low, high=high))


def _measured(pair: Pair, evidence: Evidence, level: float, scheme: Scheme, tests: int) -> _Measured:
    alpha = round((1.0 - level) * pair.share, 12)
    obstacle = pair.excluded or evidence.obstacle or _too_weak(pair, scheme, tests, alpha)
    found, own = evidence.t.get(scheme.first(paired=pair.paired)), _guard(pair, evidence, scheme)
    simultaneous = 1.0 - alpha / max(tests, 1)
    comparison = None if found is None else found.compared(level, simultaneous, pair.allowance + pair.resolution)
    if comparison is not None and own is not None:
        comparison = _with_own_interval(comparison, own.estimate(level))
    return _Measured(pair, evidence, alpha, obstacle, comparison, own)


def _verdict(
    one: _Measured,
    comparison: Comparison,
    *,
    t_significant: bool,
    second_agrees: bool,
    tests: int,
    same_direction: bool,
) -> Verdict:
    """The verdict in spite of what the pair has to allow for: certain only where the interval excludes 1 after that has
    widened it, and where each engine was started anew for each of its values."""
    doubt, restarted = one.pair.allowance, not one.pair.passes
    widened = comparison.simultaneous.widened(doubt) if doubt else comparison.simultaneous
    return decide(
        t_significant=t_significant,
        u_significant=second_agrees,
        same_direction=restarted and same_direction and not (doubt and widened.holds_1),
        beyond_margin=beyond_margin(widened),
        equivalent=restarted and bonferroni(comparison.equivalence_p, tests) <= one.alpha,
    )


def _second_agrees(
    one: _Measured, second: TestResult | None, *, level: float, t_significant: bool, own_holm: float | None, tests: int
) -> bool:
    """Whether what stands beside the t test calls a difference too. The pair's own t need not be corrected to guard
    what the other pairs' variances made significant; to call one alone it must."""
    if one.own is not None:
        return one.own.test().p <= 1.0 - level if t_significant else own_holm is not None and own_holm <= one.alpha
    return t_significant if second is None else bonferroni(second.p, tests) <= one.alpha


def _corrected_second(evidence: Evidence, name: SecondTest, tests: int) -> float:
    return bonferroni(evidence.seconds[name].p, tests)


def _judge(
    one: _Measured, level: float, scheme: Scheme, p_holm: float | None, own_holm: float | None, tests: int
) -> Judgement:
    evidence, comparison = one.evidence, one.comparison
    beside = scheme.beside(paired=one.pair.paired)
    second = evidence.seconds.get(beside) if beside else None
    verdict: Verdict = "untestable"
    faster = equivalence_p = None
    doubted = False
    if comparison is not None:
        equivalence_p = bonferroni(comparison.equivalence_p, tests)
        if one.obstacle is None and p_holm is not None:
            t_significant, agree = p_holm <= one.alpha, _same_direction(comparison, beside, one)
            agrees = _second_agrees(
                one, second, level=level, t_significant=t_significant, own_holm=own_holm, tests=tests
            )
            rule = partial(
                _verdict, t_significant=t_significant, second_agrees=agrees, tests=tests, same_direction=agree
            )
            verdict = rule(one, comparison)
            if (one.pair.allowance or one.pair.passes) and verdict not in SHOWN:
                plain = replace(one.pair, doubt=0.0, modes=0.0, losses=0.0, client=0.0, machines=None, passes=())
                sure = _measured(plain, evidence, level, scheme, tests)
                assert sure.comparison is not None
                doubted = rule(sure, sure.comparison) in SHOWN
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
        p_bonferroni=OnDemand({name: partial(_corrected_second, evidence, name, tests) for name in evidence.seconds}),
        equivalence_p=equivalence_p,
        level=level,
        alpha=one.alpha,
        doubted=doubted,
    )


def judge_evidence(
    pairs: Sequence[Pair],
    evidence: Sequence[Evidence],
    level: float,
    scheme: Scheme = DEFAULT_SCHEME,
    prior: Prior | None = None,
) -> list[Judgement]:
    """Judge pairs of one family together from what weigh() found of each.

    alpha is 1 - level, of which each pair may spend its share. The t tests are corrected by Holm, the exact tests and
    equivalence by Bonferroni, intervals by 1 - alpha / tests. Pairs that could not be tested although they were
    measured stay in the family as p = 1, those that an earlier look told apart as p = 0: what it spent is spent, and
    among the others the largest number of equal engines is as much smaller. prior is what variances are shrunk towards:
    that of all pairs of the campaign in this metric, by default of those of the family.
    """
    tests = family_tests(pairs)
    shrunk = moderated(evidence, prior_from(evidence) if prior is None else prior)
    measured = [_measured(pair, one, level, scheme, tests) for pair, one in zip(pairs, shrunk, strict=True)]
    found = [None if one.comparison is None else one.comparison.test.p for one in measured]
    own = [None if one.own is None else one.own.test().p for one in measured]
    corrected = zip(measured, _corrected(measured, found, tests), _corrected(measured, own, tests), strict=True)
    return [_judge(one, level, scheme, p_holm, own_holm, tests) for one, p_holm, own_holm in corrected]


def _corrected(measured: Sequence[_Measured], p_values: Sequence[float | None], tests: int) -> list[float | None]:
    """p-values of a family's pairs, corrected by Holm."""
    given = [
        0.0 if one.pair.settled else p if one.obstacle is None else None
        for one, p in zip(measured, p_values, strict=True)
    ]
    return holm(given, tests)


def judge_family(
    pairs: Sequence[Pair], level: float, scheme: Scheme = DEFAULT_SCHEME, beside: Sequence[Pair] = ()
) -> list[Judgement]:
    """Weigh and judge the pairs of one family; see judge_evidence. beside are other pairs of the campaign in the same
    metric, as the control's, whose variances count too."""
    evidence = [weigh(pair, level) for pair in pairs]
    prior = prior_from([*evidence, *(weigh(pair, level) for pair in beside)])
    return judge_evidence(pairs, evidence, level, scheme, prior)
