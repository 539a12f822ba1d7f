"""Whether something became worse: before against after, judged as one family against a margin.

The ratio says how many times as good after is as before, where references tell the day's shift without it. The same
judgement as everywhere (two campaigns: Welch t on log launch medians and exact Mann-Whitney; two engines of one
campaign: paired t and sign flips; corrected over the family) is asked three times: against no change, against a loss of
the margin and against a gain of it. Each side of a two-sided test spends half of alpha, and no true ratio makes more
than two of the claims false, so the chance of any false claim in a family is at most alpha. Of alpha each look at the
same launches may spend its share. What casts doubt acts by its size: a verdict has to hold in spite of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.comparison.references import Relative
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import MANN_WHITNEY, launches_to_detect_ratio, share_of_alpha
from benchmark_runner.statistics.schemes import SCHEMES, Scheme
from benchmark_runner.statistics.verdicts import Judgement, family_tests, judge_evidence

Verdict = Literal["regression", "no_regression", "improved", "cannot_tell"]
Outcome = Literal["regression", "no_regression", "cannot_tell"]

SHOWN_NO_WORSE: Final = ("no_regression", "improved")
"""Verdicts that were shown and are no regression."""


@dataclass(frozen=True)
class Doubt:
    """What a verdict has to hold in spite of: its qualifier, its size (of logarithms), what to allow for in words."""

    qualifier: str
    size: float
    words: str


@dataclass(frozen=True)
class Candidate:
    """One metric of one thing with a value a launch, before and after.

    workload and case are None where the metric knows none. kept are the same launches without flagged iterations, None
    where nothing is ever flagged. excluded says why the two must not be compared. look counts how often these launches
    were compared, this time included; None where nobody counts, so that this look spends all of alpha. Where paired,
    the two sides are aligned by block. scheme names the tests that must agree, the same in a family. relative is what
    the references of another day make of the values. unchanged says that nothing that is recorded changed.
    """

    engine: str
    workload: str | None
    case: str | None
    metric: Metric
    before: FloatArray
    after: FloatArray
    kept_before: FloatArray | None = None
    kept_after: FloatArray | None = None
    excluded: str | None = None
    qualifiers: tuple[str, ...] = ()
    look: int | None = None
    names: tuple[str, str] | None = None
    """What sentences call before and after, where the two have names of their own."""
    paired: bool = False
    scheme: Scheme = SCHEMES[MANN_WHITNEY]
    relative: Relative | None = None
    unchanged: bool = False
    doubts: tuple[Doubt, ...] = ()

    @property
    def allowances(self) -> str:
        """All doubts in words."""
        return " and for ".join(doubt.words for doubt in self.doubts)

    def pair(self, *, kept: bool = False) -> Pair:
        """The two sides for the judgement."""
        told = self.relative or self
        after, before = (told.kept_after, told.kept_before) if kept else (told.after, told.before)
        reference, engine = self.names or (f"{self.engine} before", f"{self.engine} after")
        return Pair(
            engine=engine,
            reference=reference,
            values=told.after if after is None else after,
            reference_values=told.before if before is None else before,
            sign=self.metric.sign,
            paired=self.paired,
            excluded=self.excluded,
            look=self.look or 1,
            share=1.0 if self.look is None else share_of_alpha(self.look),
            doubt=sum(one.size for one in self.doubts),
        )


@dataclass(frozen=True)
class Decision:
    """What was found out about one candidate; gates says whether it decides the outcome."""

    candidate: Candidate
    gates: bool
    tests: int
    margin: float
    verdict: Verdict
    reason: str | None
    judgement: Judgement
    against_loss: Judgement
    against_gain: Judgement
    launches_needed: int | None
    qualifiers: tuple[str, ...]


def _beyond(judgement: Judgement, allowance: float) -> int:
    """As beyond(), for an interval that reaches further by an allowance (of logarithms) on both sides."""
    second = judgement.scheme.second
    comparison, p = judgement.comparison, judgement.p_bonferroni.get(second) if second else None
    if judgement.verdict == "untestable" or comparison is None or p is None or p > judgement.alpha:
        return 0
    interval = comparison.simultaneous.widened(allowance) if allowance else comparison.simultaneous
    side = 1 if interval.low > 1.0 else -1 if interval.high < 1.0 else 0
    agrees = judgement.pair.paired or side == np.sign(judgement.evidence.cliffs_delta or 0.0)
    return side if agrees else 0


def beyond(judgement: Judgement) -> int:
    """1 where after is surely better than what it was judged against, -1 where it is surely worse, else 0.

    Sure is: the whole simultaneous interval lies on that side, in spite of the pair's doubt, and the exact test beside
    the t test agrees at the corrected level.
    """
    return _beyond(judgement, judgement.pair.doubt)


def decide(side_of_loss: int, side_of_gain: int) -> Verdict:
    """The verdict from where after lies: against a loss of the margin and against a gain of the margin."""
    if side_of_loss < 0:
        return "regression"
    if side_of_gain > 0:
        return "improved"
    return "no_regression" if side_of_loss > 0 else "cannot_tell"


def _against(candidates: Sequence[Candidate], bound: float, level: float, *, kept: bool = False) -> list[Judgement]:
    """The family judged against a ratio."""
    pairs = [candidate.pair(kept=kept) for candidate in candidates]
    moved = [replace(pair, reference_values=pair.reference_values * bound**pair.sign) for pair in pairs]
    evidence = [_weighed(one, pair, level) for one, pair in zip(candidates, moved, strict=True)]
    scheme = next((one.scheme for one in candidates), SCHEMES[MANN_WHITNEY])
    return judge_evidence(moved, evidence, level, scheme)


def _weighed(candidate: Candidate, pair: Pair, level: float) -> Evidence:
    """The evidence of a pair, with what is unknown of the engine's own shift."""
    evidence, relative = weigh(pair, level), candidate.relative
    if relative is None or not relative.variance:
        return evidence
    t = {name: one.less_sure(relative.variance, relative.df) for name, one in evidence.t.items()}
    return replace(evidence, t=t)


SEEN: Final[Mapping[str, str]] = {
    "regression": "worse by more than",
    "no_regression": "not worse by more than",
    "improved": "better by more than",
}
"""What a verdict says of the margin."""


def _undecided(candidate: Candidate, otherwise: Verdict, against_loss: Judgement, margin: float) -> str:
    """Why nothing was decided; otherwise is the verdict without the candidate's doubts."""
    comparison = against_loss.comparison
    if otherwise != "cannot_tell":
        alone = f"the launches alone say {SEEN[otherwise]} {100 * margin:g} %"
        return f"{alone}, but not when allowing for {candidate.allowances}, so this may be the machine"
    if comparison is not None and (comparison.simultaneous.low > 1.0 or comparison.simultaneous.high < 1.0):
        return "only one of the two tests is sure"
    return f"the data allow a loss of more than {100 * margin:g} %, and none"


def _needed(judgement: Judgement, candidate: Candidate, bound: float, tests: int) -> int | None:
    """Launches each at which the seen ratio would be told from the bound at the next look; None where no number was
    found."""
    spread, look = judgement.evidence.sd_of_log_ratios, candidate.look
    if judgement.ratio is None or not spread:
        return None
    left = 1.0 if look is None else share_of_alpha(look + 1) / share_of_alpha(look)
    alpha, second = judgement.alpha * left, judgement.scheme.second
    return launches_to_detect_ratio(judgement.ratio.point / bound, spread, max(tests, 1), alpha, second=second)


def _verdicts(losses: Sequence[Judgement], gains: Sequence[Judgement]) -> list[Verdict]:
    return [decide(beyond(one), beyond(other)) for one, other in zip(losses, gains, strict=True)]


def _decision(found: Decision, without_outliers: Verdict) -> Decision:
    """The decision with its reason, what is needed and its qualifiers."""
    candidate, own, loss = found.candidate, found.judgement, found.against_loss
    otherwise = decide(_beyond(loss, 0.0), _beyond(found.against_gain, 0.0))
    reason, needed = own.reason, None
    if found.verdict == "cannot_tell" and own.verdict != "untestable":
        reason = _undecided(candidate, otherwise, loss, found.margin)
        if otherwise == "cannot_tell":
            needed = _needed(own, candidate, 1.0 / (1.0 + found.margin), found.tests)
    doubts = (doubt.qualifier for doubt in candidate.doubts if otherwise != found.verdict)
    marks = [() if candidate.paired else ("unpaired",), candidate.qualifiers, doubts]
    sensitive = ("outlier_sensitive",) if without_outliers != found.verdict else ()
    qualifiers = tuple(mark for part in (*marks, sensitive) for mark in part)
    return replace(found, reason=reason, launches_needed=needed, qualifiers=qualifiers)


def judge(candidates: Sequence[Candidate], *, gates: bool, margin: float, level: float) -> list[Decision]:
    """Judge one family of candidates against a margin (0.02 is 2 %) at a confidence level."""
    loss, gain = 1.0 / (1.0 + margin), 1.0 + margin
    tests = family_tests([candidate.pair() for candidate in candidates])
    unmoved, losses, gains = (_against(candidates, bound, level) for bound in (1.0, loss, gain))
    verdicts = _verdicts(losses, gains)
    without = verdicts
    if gates:
        without = _verdicts(*(_against(candidates, bound, level, kept=True) for bound in (loss, gain)))
    found = (
        Decision(candidate, gates, tests, margin, verdict, None, own, at_loss, at_gain, None, ())
        for candidate, verdict, own, at_loss, at_gain in zip(candidates, verdicts, unmoved, losses, gains, strict=True)
    )
    return [_decision(one, other) for one, other in zip(found, without, strict=True)]


def judge_all(
    candidates: Sequence[Candidate], gating: Collection[str], *, margin: float, level: float
) -> list[Decision]:
    """Judge the gating metrics as one family, and each other metric as an exploratory family of its own."""
    gated = [one for one in candidates if one.metric.name in gating]
    found = judge(gated, gates=True, margin=margin, level=level)
    for name in dict.fromkeys(one.metric.name for one in candidates if one.metric.name not in gating):
        own = [one for one in candidates if one.metric.name == name]
        found += judge(own, gates=False, margin=margin, level=level)
    return found


def withheld(finding: Decision, reason: str, qualifier: str) -> Decision:
    """The finding without its verdict, for a reason that lies in the campaign as a whole."""
    told = finding.reason if finding.verdict == "cannot_tell" else reason
    return replace(finding, verdict="cannot_tell", reason=told, qualifiers=(*finding.qualifiers, qualifier))


def outcome(verdicts: Collection[str]) -> Outcome:
    """One word for many: a regression anywhere, else a doubt anywhere (or nothing to judge), else none."""
    if "regression" in verdicts:
        return "regression"
    return "no_regression" if verdicts and set(verdicts) <= set(SHOWN_NO_WORSE) else "cannot_tell"
