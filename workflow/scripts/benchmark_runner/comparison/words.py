"""Verdicts of a comparison in words: weaker ones, since before and after did not run side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from benchmark_runner.comparison.decision import Decision, Outcome
from benchmark_runner.comparison.differences import Consequence
from benchmark_runner.display import plural
from benchmark_runner.statistics.sentences import claim, launches_words

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


def _sure(finding: Decision) -> str:
    level = f"both tests agree at the {_percent(finding.judgement.level)} level"
    margin = _percent(finding.margin)
    shown = {
        "regression": f"worse by more than {margin}: {level}",
        "no_regression": f"not worse by more than {margin}: {level}",
        "improved": f"better by more than {margin}: {level}",
    }
    return shown.get(finding.verdict, finding.reason or "the data do not decide")


def reservations(consequences: Collection[Consequence], qualifiers: Collection[str]) -> list[str]:
    """What every sentence about these two sides must say."""
    words = [APART, *(text for consequence, text in RESERVATIONS.items() if consequence in consequences)]
    if "outlier_sensitive" in qualifiers:
        words.append("without outliers the verdict is another")
    return words


def sentence(finding: Decision, consequences: Collection[Consequence]) -> str:
    """The finding in one sentence."""
    candidate, judgement = finding.candidate, finding.judgement
    where = ", ".join(part for part in (candidate.workload, candidate.case) if part)
    head = f"{VERDICT_WORDS[finding.verdict]}{f' in {where}' if where else ''}"
    if judgement.ratio is None:
        about = f"{candidate.metric.label} of {candidate.engine}"
        return "; ".join([f"{head}: {about}", _sure(finding), *reservations(consequences, finding.qualifiers)])
    needed = [f"{finding.launches_needed} launches each might decide"] if finding.launches_needed else []
    return "; ".join(
        [
            f"{head}: {claim(judgement, candidate.metric, judgement.pair.engine)}",
            _sure(finding),
            *needed,
            *reservations(consequences, finding.qualifiers),
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
