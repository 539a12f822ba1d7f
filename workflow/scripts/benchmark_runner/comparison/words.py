"""Verdicts of a comparison in words: weaker ones where before and after did not run side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from benchmark_runner.comparison.decision import SEEN, Candidate, Decision, Outcome, beyond
from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.display import plural
from benchmark_runner.statistics.sentences import claim, interval_words, launches_words

VERDICT_WORDS: Final = {
    "regression": "regression",
    "no_regression": "no regression",
    "improved": "improved",
    "cannot_tell": "cannot tell",
}

APART: Final = "they did not run side by side, so a change of the machine in between may make or hide a difference"

RESERVATIONS: Final[Mapping[Consequence, str]] = {
    "other_model": "the weights are other ones, so this is about two models",
    "other_machine": "the machine is another one, so this is about both machine and engine",
}
"""What a sentence says besides where such a difference is listed."""


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _within(finding: Decision) -> list[str]:
    """What the launches say below the margin, where no verdict judges: in weaker words."""
    margin, side = _percent(finding.margin), beyond(finding.judgement)
    ratio = finding.judgement.ratio
    if finding.verdict in ("regression", "improved") or ratio is None or ratio.holds_1:
        return []
    word = "better" if ratio.point > 1.0 else "worse"
    if side:
        return [f"it did become {word}, though perhaps by less than {margin}, which decides nothing"]
    return [f"it may have become a little {word}; this interval is uncorrected, and chance may be all of it"]


def _sure(finding: Decision) -> str:
    if finding.verdict == "cannot_tell":
        return finding.reason or "the data do not decide"
    level = f"both tests agree at the {_percent(finding.judgement.level)} level"
    doubts = finding.candidate.allowances
    allowing = f", also allowing for {doubts}" if doubts else ""
    return f"{SEEN[finding.verdict]} {_percent(finding.margin)}: {level}{allowing}"


def _apart(candidate: Candidate) -> list[str]:
    """What two days mean for the finding: nothing where both ran side by side."""
    relative = candidate.relative
    if candidate.paired:
        return []
    if relative is None:
        return [APART]
    shown = relative.machine.inverted() if candidate.metric.inverse else relative.machine
    ran = candidate.metric.phrase.format(ratio=interval_words(shown))
    supposing = (
        f"supposing that {candidate.engine} would have shifted alike"
        if relative.programs == 1
        else "and as unlike as they shifted is allowed for"
    )
    names = ", ".join(relative.names)
    return [
        f"they did not run side by side: what did not change ({names}) {ran} before; that is taken out, {supposing}"
    ]


def reservations(finding: Decision, consequences: Collection[Consequence]) -> list[str]:
    """What every sentence about these two sides must say."""
    words = [text for consequence, text in RESERVATIONS.items() if consequence in consequences]
    if "outlier_sensitive" in finding.qualifiers:
        words.append("without outliers the verdict is another")
    return [*_apart(finding.candidate), *words]


def sentence(finding: Decision, consequences: Collection[Consequence]) -> str:
    """The finding in one sentence."""
    candidate, judgement = finding.candidate, finding.judgement
    where = ", ".join(part for part in (candidate.workload, candidate.case) if part)
    head = f"{VERDICT_WORDS[finding.verdict]}{f' in {where}' if where else ''}"
    if judgement.ratio is None:
        about = f"{candidate.metric.label} of {candidate.engine}"
        return "; ".join([f"{head}: {about}", _sure(finding), *reservations(finding, consequences)])
    needed = [f"{finding.launches_needed} launches each might decide"] if finding.launches_needed else []
    return "; ".join(
        [
            f"{head}: {claim(judgement, candidate.metric, judgement.pair.engine)}",
            _sure(finding),
            *_within(finding),
            *needed,
            *reservations(finding, consequences),
            launches_words(judgement),
        ]
    )


def outcome_words(outcome: Outcome, verdicts: Sequence[str], margin: float) -> str:
    """The outcome of all gating comparisons in one line."""
    counts = Counter(verdicts)
    told = ", ".join(f"{counts[verdict]} {words}" for verdict, words in VERDICT_WORDS.items() if counts[verdict])
    scope = f"{plural(len(verdicts), 'comparison')}: {told}" if verdicts else "nothing was compared"
    answers: Mapping[Outcome, str] = {
        "regression": "regression of more than",
        "no_regression": "no regression of more than",
        "cannot_tell": "cannot tell whether there is a regression of more than",
    }
    return f"{answers[outcome]} {_percent(margin)} ({scope})"
