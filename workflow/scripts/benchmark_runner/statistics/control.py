"""The control: one engine under a second name, so that any difference from its twin is the machine's doing.

When it is told from its twin, doubt acts by its size: every comparison allows for the difference that the control
showed in its cell. docs/method.md has the rule and what simulations say of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmark_runner.statistics.estimates import from_log
from benchmark_runner.statistics.hypotheses import holm
from benchmark_runner.statistics.power import FEWEST_LAUNCHES
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.schemes import PAIRED_T, WELCH_T
from benchmark_runner.statistics.verdicts import Judgement, family_tests
from benchmark_runner.statistics.wording import percent_or_times


@dataclass(frozen=True)
class Control:
    """What the control showed in one metric: the logarithm of control over twin, and its p corrected by Holm, by
    place; a place without the one or the other could not be measured or tested.

    alpha is the level of the alarm. It only takes certainty away, so it spends none of that of verdicts, at whichever
    look; where verdicts rest on the moderated t, which finds smaller differences, so must the control.
    """

    alpha: float
    differences: Mapping[Cell, float]
    p_holm: Mapping[Cell, float]

    @property
    def alarm(self) -> bool:
        """Whether the control was told from its twin anywhere, which casts doubt on all places."""
        return any(p <= self.alpha for p in self.p_holm.values())

    def differs(self, place: Cell) -> bool | None:
        """Whether it was told from its twin in this place; None where that could not be tested."""
        return None if place not in self.p_holm else self.p_holm[place] <= self.alpha

    def doubt(self, place: Cell) -> float:
        """Size of the difference (of logarithms) in a place; where the control has none, the largest of all places."""
        return abs(self.differences.get(place, max(self.differences.values(), key=abs, default=0.0)))


def _difference(judgement: Judgement) -> float | None:
    evidence = judgement.evidence
    t = evidence.t.get(PAIRED_T, evidence.t.get(WELCH_T))
    if t is not None:
        return t.mean
    still = evidence.ratio_without_spread
    return None if still is None else math.log(still.point)


def heed(judged: Iterable[tuple[Cell, Judgement]], alpha: float) -> Control:
    """What the control's comparisons in one metric show: the plain paired t test, corrected by Holm over the places.

    A second test would be a second chance to raise the alarm, and a variance shrunk towards other engines' would raise
    it in 8 to 16 % of campaigns whose baseline is noisy, and never where it is quiet.
    """
    sound = [(place, one) for place, one in judged if one.pair.excluded is None]
    t = [one.evidence.t.get(PAIRED_T) for _, one in sound]
    p = [None if one is None or one.n < FEWEST_LAUNCHES else one.test().p for one in t]
    corrected = holm(p, family_tests([one.pair for _, one in sound]))
    places = [place for place, _ in sound]
    differences = {place: _difference(one) for place, one in sound}
    return Control(
        alpha,
        {place: value for place, value in differences.items() if value is not None},
        {place: value for place, value in zip(places, corrected, strict=True) if value is not None},
    )


def control_sentence(control: Control, place: Cell) -> str | None:
    """What the control showed in a place, for people; None where it could not be tested."""
    differs = control.differs(place)
    if differs is None:
        return None
    size = percent_or_times(from_log(control.doubt(place)))
    if differs:
        return (
            f"the same program under two names differed by {size} here; differences are confirmed only where they "
            "exceed that too"
        )
    return f"the same program under two names differed by {size}, which is within chance"
