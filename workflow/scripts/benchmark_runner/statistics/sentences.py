"""Verdicts in words for people who are no statisticians."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from benchmark_runner.statistics.estimates import Estimate
from benchmark_runner.statistics.hypotheses import EQUIVALENCE_MARGIN
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.verdicts import CERTAIN, Judgement

MOST_DECIMALS: Final = 4
"""Chosen: a ten-thousandth is finer than what any campaign resolves."""

FEWEST_STEPS: Final = 2
"""Steps of the last decimal that an interval must span, so that rounding keeps its width roughly."""


def number_pair(low: float, high: float) -> tuple[str, str]:
    """Two numbers with as few decimals as show their distance and keep them on their side of 1.

    At least one, two where the lower is below 1, at most four.
    """
    for decimals in range(1 if low >= 1.0 else 2, MOST_DECIMALS + 1):
        texts = f"{low:.{decimals}f}", f"{high:.{decimals}f}"
        told_apart = high - low >= FEWEST_STEPS * 10**-decimals
        sides_kept = all((float(text) == 1.0) == (value == 1.0) for text, value in zip(texts, (low, high), strict=True))
        if told_apart and sides_kept:
            return texts
    return f"{low:.{MOST_DECIMALS}f}", f"{high:.{MOST_DECIMALS}f}"


def interval_words(estimate: Estimate) -> str:
    """ "2.3 to 2.6", or the one number where the interval has no width."""
    low, high = number_pair(estimate.low, estimate.high)
    return f"{estimate.point:.{MOST_DECIMALS}g}" if low == high else f"{low} to {high}"


def _difference_words(ratio: float) -> str:
    """A ratio above 1 as a percentage, from 2 on as "times"."""
    return f"{100 * (ratio - 1):.2g} %" if ratio < 1.995 else f"{ratio:.1f} times"


def launches_words(judgement: Judgement) -> str:
    """How many launches stand behind it: "5 launches each", or both numbers where they differ."""
    pair = judgement.pair
    own, other = len(pair.values), len(pair.reference_values)
    if own == other:
        return "1 launch each" if own == 1 else f"{own} launches each"
    return f"{own} launches of {pair.engine}, {other} of {pair.reference}"


def claim(judgement: Judgement, metric: Metric, subject: str) -> str:
    """The ratio as a sentence about `subject`, which is one of the two engines: "A answers 2.3 to 2.6 times as fast
    as B"."""
    pair, ratio = judgement.pair, judgement.ratio
    if ratio is None:
        raise ValueError(f"no ratio of {pair.engine} and {pair.reference}")
    other = pair.reference if subject == pair.engine else pair.engine
    better = ratio if subject == pair.engine else ratio.inverted()
    shown = better.inverted() if metric.inverse else better
    return f"{subject} {metric.phrase.format(ratio=interval_words(shown))} {other}"


def _reservations(judgement: Judgement, qualifiers: Collection[str]) -> list[str]:
    words = []
    if "control_differs" in qualifiers:
        words.append("the control differs from its twin here, so nothing is confirmed")
    if not judgement.pair.paired:
        words.append("they did not run side by side, so a change of the machine in between may be the cause")
    if "outlier_sensitive" in qualifiers:
        words.append("without outliers the verdict is another")
    if "event_sensitive" in qualifiers:
        words.append("without the launches that other programs disturbed the verdict is another")
    if "few_undisturbed" in qualifiers:
        words.append("other programs disturbed so many launches that too few are left for a verdict without them")
    return words


def _alone(ratio: Estimate | None) -> list[str]:
    """Why an interval without 1 in it, which is that of one pair, makes no verdict."""
    if ratio is None or ratio.low <= 1.0 <= ratio.high:
        return []
    return ["this range is that of one pair alone: with all comparisons and looks counted it may be chance"]


def sentence(judgement: Judgement, metric: Metric, qualifiers: Collection[str], detectable: float | None) -> str:
    """The verdict in one sentence; detectable is the smallest ratio that would have been found with 80 % power."""
    pair, level = judgement.pair, f"{100 * judgement.level:g} %"
    tail = [*_reservations(judgement, qualifiers), launches_words(judgement)]
    subject = judgement.faster or pair.engine
    margin = f"{100 * EQUIVALENCE_MARGIN:g} %"
    if judgement.verdict == "untestable":
        seen = f" ({claim(judgement, metric, pair.engine)} so far)" if judgement.ratio is not None else ""
        return f"{pair.engine} against {pair.reference}, {metric.label}: no verdict, since {judgement.reason}{seen}"
    if judgement.verdict in CERTAIN:
        sure = f"the order is certain at the {level} level" if pair.paired else f"both tests agree at the {level} level"
        small = [f"a difference within {margin}"] if judgement.equivalent else []
        return "; ".join([claim(judgement, metric, subject), sure, *small, *tail])
    if judgement.verdict == "significant_unconfirmed":
        doubt = [] if "control_differs" in qualifiers else ["only one of the two tests calls it a difference"]
        if judgement.faster is None:
            doubt = ["the two tests point in opposite directions"]
        return "; ".join([f"perhaps {claim(judgement, metric, subject)}", *doubt, *tail])
    if judgement.verdict == "equivalent":
        return "; ".join([f"{pair.engine} and {pair.reference} are the same within {margin} in {metric.label}", *tail])
    unseen = [f"a difference below {_difference_words(detectable)} would mostly go unseen"] if detectable else []
    cannot = f"{metric.label} of {pair.engine} and {pair.reference} cannot be told apart"
    return "; ".join([cannot, claim(judgement, metric, pair.engine), *_alone(judgement.ratio), *unseen, *tail])
