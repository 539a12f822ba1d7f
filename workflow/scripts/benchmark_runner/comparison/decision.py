"""Whether something became worse: before against after, judged as one family against a margin, unblocked.

The ratio says how many times as good after is as before. The same judgement as everywhere (Welch t on log launch
medians, exact Mann-Whitney, corrected over the family) is asked three times: against no change, against a loss of the
margin and against a gain of it. Each side of a two-sided test spends half of alpha, and no true ratio makes more than
two of the claims false, so the chance of any false claim in a family is at most alpha. Of alpha each look at the same
two campaigns may spend its share.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from benchmark_runner.statistics.estimates import FloatArray
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import MANN_WHITNEY, launches_to_detect_ratio, share_of_alpha
from benchmark_runner.statistics.verdicts import Judgement, family_tests, judge_family

Verdict = Literal["regression", "no_regression", "improved", "cannot_tell"]
Outcome = Literal["regression", "no_regression", "cannot_tell"]

SHOWN_NO_WORSE: Final = ("no_regression", "improved")
"""Verdicts that were shown and are no regression."""


@dataclass(frozen=True)
class Candidate:
    """One metric of one thing with a value a launch, before and after.

    workload and case are None where the metric knows none. kept are the same launches without flagged iterations, None
    where nothing is ever flagged. excluded says why the two must not be compared. look counts how often these launches
    were compared, this time included; None where nobody counts, so that this look spends all of alpha.
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

    def pair(self, *, kept: bool = False) -> Pair:
        """The two sides for the judgement."""
        after, before = (self.kept_after, self.kept_before) if kept else (self.after, self.before)
        reference, engine = self.names or (f"{self.engine} before", f"{self.engine} after")
        return Pair(
            engine=engine,
            reference=reference,
            values=self.after if after is None else after,
            reference_values=self.before if before is None else before,
            sign=self.metric.sign,
            paired=False,
            excluded=self.excluded,
            look=self.look or 1,
            share=1.0 if self.look is None else share_of_alpha(self.look),
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


def beyond(judgement: Judgement) -> int:
    """1 where after is surely better than what it was judged against, -1 where it is surely worse, else 0.

    Sure is: the whole simultaneous interval lies on that side, and the exact Mann-Whitney test agrees at the corrected
    level.
    """
    comparison, p = judgement.comparison, judgement.p_bonferroni.get(MANN_WHITNEY)
    if judgement.verdict == "untestable" or comparison is None or p is None or p > judgement.alpha:
        return 0
    side = int(np.sign(judgement.evidence.cliffs_delta or 0.0))
    interval = comparison.simultaneous
    if (side > 0 and interval.low > 1.0) or (side < 0 and interval.high < 1.0):
        return side
    return 0


def decide(side_of_loss: int, side_of_gain: int) -> Verdict:
    """The verdict from where after lies: against a loss of the margin and against a gain of the margin."""
    if side_of_loss < 0:
        return "regression"
    if side_of_gain > 0:
        return "improved"
    return "no_regression" if side_of_loss > 0 else "cannot_tell"


def _against(pairs: Sequence[Pair], bound: float, level: float) -> list[Judgement]:
    """The family judged against a ratio other than 1."""
    moved = [replace(pair, reference_values=pair.reference_values * bound**pair.sign) for pair in pairs]
    return judge_family(moved, level)


def _undecided(against_loss: Judgement, margin: float) -> str:
    comparison = against_loss.comparison
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
    return launches_to_detect_ratio(judgement.ratio.point / bound, spread, max(tests, 1), judgement.alpha * left)


def _without_outliers(candidates: Sequence[Candidate], loss: float, gain: float, level: float) -> list[Verdict]:
    kept = [candidate.pair(kept=True) for candidate in candidates]
    losses, gains = _against(kept, loss, level), _against(kept, gain, level)
    return [decide(beyond(one), beyond(other)) for one, other in zip(losses, gains, strict=True)]


def judge(candidates: Sequence[Candidate], *, gates: bool, margin: float, level: float) -> list[Decision]:
    """Judge one family of candidates against a margin (0.02 is 2 %) at a confidence level."""
    pairs = [candidate.pair() for candidate in candidates]
    loss, gain, tests = 1.0 / (1.0 + margin), 1.0 + margin, family_tests(pairs)
    unmoved, losses, gains = judge_family(pairs, level), _against(pairs, loss, level), _against(pairs, gain, level)
    verdicts = [decide(beyond(one), beyond(other)) for one, other in zip(losses, gains, strict=True)]
    without = _without_outliers(candidates, loss, gain, level) if gates else verdicts
    findings = []
    for candidate, own, at_loss, at_gain, verdict, other in zip(
        candidates, unmoved, losses, gains, verdicts, without, strict=True
    ):
        reason, needed = own.reason, None
        if verdict == "cannot_tell" and own.verdict != "untestable":
            reason, needed = _undecided(at_loss, margin), _needed(own, candidate, loss, tests)
        marks = ("unpaired", *candidate.qualifiers, *(("outlier_sensitive",) if other != verdict else ()))
        findings.append(
            Decision(candidate, gates, tests, margin, verdict, reason, own, at_loss, at_gain, needed, marks)
        )
    return findings


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
