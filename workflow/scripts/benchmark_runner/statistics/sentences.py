"""Verdicts in words for people who are no statisticians."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from benchmark_runner.display import number_pair, plural
from benchmark_runner.statistics.estimates import Estimate, from_log
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.wording import CERTAIN, MARGIN, QUALIFIERS, percent_or_times

if TYPE_CHECKING:
    from benchmark_runner.statistics.verdicts import Judgement

CLAUSES: Final = "; "
"""What stands between the clauses of a pair's sentence."""


def interval_words(estimate: Estimate) -> str:
    """ "2.31 to 2.58", or the one number where the interval has no width."""
    low, high = number_pair(estimate.low, estimate.high)
    return low if low == high else f"{low} to {high}"


def launches_words(judgement: Judgement) -> str:
    """How many launches stand behind it: "5 launches each", or both numbers where they differ."""
    pair = judgement.pair
    own, other = len(pair.values), len(pair.reference_values)
    if pair.passes:
        sides = ((pair.engine, own), (pair.reference, other))
        each = [f"{plural(n, 'pass' if name in pair.passes else 'launch')} of {name}" for name, n in sides]
        return f"{each[0]}, {each[1]}"
    if own == other:
        return "1 launch each" if own == 1 else f"{own} launches each"
    return f"{own} launches of {pair.engine}, {other} of {pair.reference}"


def claim(judgement: Judgement, metric: Metric, subject: str, load: str = "") -> str:
    """The ratio as a sentence about `subject`, which is one of the two engines: "A answers 2.3 to 2.6 times as fast
    as B"; load is the words of the load for which it holds."""
    pair, ratio = judgement.pair, judgement.ratio
    if ratio is None:
        raise ValueError(f"no ratio of {pair.engine} and {pair.reference}")
    other = pair.reference if subject == pair.engine else pair.engine
    better = ratio if subject == pair.engine else ratio.inverted()
    shown = better.inverted() if metric.inverse else better
    return f"{subject} {metric.phrase.format(ratio=interval_words(shown))} {other}{load and f' {load}'}"


def _allowing(judgement: Judgement) -> str:
    """Says of a verdict that stands what it stands in spite of."""
    pair = judgement.pair
    allowed = {
        "the control's": pair.doubt,
        "the slow mode's": pair.modes,
        "the machines' differences:": pair.machines.apart if pair.machines else 0.0,
        "what lost launches may hide:": pair.losses,
        "the client's error:": pair.client,
    }
    told = [f"{what} {percent_or_times(from_log(size))}" for what, size in allowed.items() if size]
    return f", also allowing for {' and '.join(told)}" if told else ""


def _alone(ratio: Estimate | None) -> list[str]:
    """Why an interval without 1 in it, which is that of one pair, makes no verdict."""
    if ratio is None or ratio.low <= 1.0 <= ratio.high:
        return []
    return ["this interval is uncorrected; after correction the difference may be chance"]


def _unconfirmed(judgement: Judgement) -> str:
    """Which test does not call a difference that another one calls."""
    if judgement.faster is None:
        return "the two tests point in opposite directions"
    if not (judgement.scheme.guarded and judgement.pair.paired) or judgement.p_holm is None:
        return "only one of the two tests calls it a difference"
    whose = "these launches alone" if judgement.p_holm <= judgement.alpha else "the spread of all pairs"
    return f"by {whose} it may be chance"


def sentence(
    judgement: Judgement, metric: Metric, marks: Mapping[str, str], detectable: float | None, load: str = ""
) -> str:
    """The verdict in one sentence; marks are its qualifiers with their words, detectable is the smallest ratio that
    would have been found with 80 % power, load the words of the load for which it holds."""
    pair, level = judgement.pair, f"{100 * judgement.level:g} %"
    tail = [words for name, words in marks.items() if QUALIFIERS[name].in_sentence] + [launches_words(judgement)]
    subject = judgement.faster or pair.engine
    if judgement.verdict == "untestable":
        seen = f" ({claim(judgement, metric, pair.engine)} so far)" if judgement.ratio is not None else ""
        if "unequal_work" in marks:
            seen = ""
        lost = f"{CLAUSES}{marks['lost_launches']}" if "lost_launches" in marks else ""
        because = f"no verdict, since {judgement.reason}{seen}{lost}"
        return f"{pair.engine} against {pair.reference}, {metric.label}{load and f' {load}'}: {because}"
    if judgement.verdict in CERTAIN:
        sure = f"the order is certain at the {level} level" if pair.paired else f"both tests agree at the {level} level"
        small = [f"a difference within {MARGIN}"] if judgement.equivalent else []
        return CLAUSES.join([claim(judgement, metric, subject, load) + _allowing(judgement), sure, *small, *tail])
    if judgement.verdict == "significant_unconfirmed":
        doubt = [] if judgement.doubted else [_unconfirmed(judgement)]
        return CLAUSES.join([f"perhaps {claim(judgement, metric, subject, load)}", *doubt, *tail])
    if judgement.verdict == "equivalent":
        same = f"{pair.engine} and {pair.reference} are the same within {MARGIN} in {metric.label}{load and f' {load}'}"
        return CLAUSES.join([same + _allowing(judgement), *tail])
    unseen = [f"a difference below {percent_or_times(detectable)} would mostly go unseen"] if detectable else []
    cannot = f"{metric.label} of {pair.engine} and {pair.reference} cannot be told apart"
    return CLAUSES.join([cannot, claim(judgement, metric, pair.engine, load), *_alone(judgement.ratio), *unseen, *tail])


def shared_clauses(sentences: Sequence[str]) -> list[str]:
    """Clauses that the sentences of all pairs of a table have, so that they are told once; none of a single pair."""
    told = [sentence.split(CLAUSES) for sentence in sentences]
    return [clause for clause in told[0] if all(clause in one for one in told)] if len(told) > 1 else []


def without_clauses(sentence: str, shared: Collection[str]) -> str:
    """A sentence of a pair without the clauses that all pairs share."""
    return CLAUSES.join(clause for clause in sentence.split(CLAUSES) if clause not in shared)
