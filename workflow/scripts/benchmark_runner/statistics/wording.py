"""The words of verdicts and qualifiers, once: sentences, tables, the page and the advice all take them from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

EQUIVALENCE_MARGIN: Final = 0.02
"""Engines within 2 % of each other are the same to a user (reference recipe); log scale: from 1/1.02 to 1.02."""

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


Tone = Literal["sure", "perhaps", "open"]

MARGIN: Final = f"{100 * EQUIVALENCE_MARGIN:g} %"


QUIET_CAMPAIGNS_AN_ALARM: Final = {0.05: 20, 0.10: 11}
"""Campaigns in which nothing is wrong for one that raises an alarm, by the control's level (0.10: 9 % simulated)."""

FEWEST_FOR_MEDIAN: Final = 3
"""Iterations of a launch from which on its median is another number than its mean."""


class VerdictWords(NamedTuple):
    """A verdict for people: its name, what a table says of a pair, its colour, its sign in a matrix (for an engine that
    is ahead, that is behind, and where no engine is named) and what it means."""

    label: str
    of_pair: str
    tone: Tone
    signs: tuple[str, str, str]
    meaning: str

    def told_of_pair(self, faster: str | None) -> str:
        """What a table says of a pair; faster is None where no engine is called faster, as where tests disagree."""
        return self.of_pair.format(faster=faster or "one of the two")

    def sign(self, ahead: bool | None) -> str:
        """The sign for an engine that is ahead, behind, or neither (None)."""
        return self.signs[2 if ahead is None else int(not ahead)]


VERDICTS: Final[Mapping[Verdict, VerdictWords]] = {
    "confirmed_faster": VerdictWords(
        "confirmed faster",
        "{faster} is faster: confirmed",
        "sure",
        ("▲", "▼", ""),
        "Two tests call the same engine faster, corrected for the number of comparisons: the moderated t test and the "
        "pair's own t test, or those that analysis.significance_test names.",
    ),
    "meaningfully_faster": VerdictWords(
        "meaningfully faster",
        f"{{faster}} is faster by more than {MARGIN}",
        "sure",
        ("▲▲", "▼▼", ""),
        "As sure as confirmed, and the whole interval of the ratio, widened for all comparisons, lies beyond "
        f"{MARGIN}.",
    ),
    "significant_unconfirmed": VerdictWords(
        "significant, unconfirmed",
        "{faster} may be faster: not confirmed",
        "perhaps",
        ("△", "▽", "△▽"),
        "Only one of the two tests calls a difference, or the control, a slow mode or lost launches could make as much "
        "of it: take it as a hint and measure more launches. Or a server was not restarted, which no number of passes "
        "makes good.",
    ),
    "equivalent": VerdictWords(
        "equivalent",
        f"the same within {MARGIN}",
        "sure",
        ("=", "=", "="),
        f"The two were shown to lie within {MARGIN} of each other. This is a finding, not a lack of one.",
    ),
    "inconclusive": VerdictWords(
        "inconclusive",
        "not told apart",
        "open",
        ("·", "·", "·"),
        "The data neither separate the two nor show that they are equal. More launches would help.",
    ),
    "untestable": VerdictWords(
        "untestable",
        "no verdict",
        "open",
        ("?", "?", "?"),
        "There are too few launches, or something forbids the comparison; the reason stands beside it.",
    ),
}


SIGNS_IN_WORDS: Final = (
    f"▲ faster (▲▲ by more than {MARGIN}) and ▼ slower, both sure; △ ▽ not confirmed (△▽ the two tests point in "
    "opposite directions); = the same within the margin, · not told apart, ? no verdict"
)


class Qualifier(NamedTuple):
    """What limits a verdict: its words, {…} standing for what was seen, and whether the verdict's sentence holds
    them."""

    words: str
    in_sentence: bool


QUALIFIERS: Final[Mapping[str, Qualifier]] = {
    "lost_launches": Qualifier("{seen}", True),
    "unequal_work": Qualifier("{seen}", True),
    "not_restarted": Qualifier("{seen} not restarted between passes, so how starts differ is not in this", True),
    "control_differs": Qualifier("the control differed by {seen}, so this may be the machine", True),
    "machines_differ": Qualifier("machines differ ({seen})", True),
    "slow_mode": Qualifier("{seen}", True),
    "client_error": Qualifier("the load client's own error is up to {seen} of these times", True),
    "unpaired": Qualifier(
        "they did not run side by side, so a change of the machine in between may be the cause", True
    ),
    "outlier_sensitive": Qualifier("without outliers the verdict is another", True),
    "event_sensitive": Qualifier("without the launches that other programs disturbed the verdict is another", True),
    "few_undisturbed": Qualifier(
        "other programs disturbed so many launches that too few are left for a verdict without them", True
    ),
    "coarse_clock": Qualifier("the clock advances in steps of {seen} of these times, so nothing finer is known", True),
    "fidelity_fail": Qualifier("one of the two does not compute the same model as the reference", False),
    "fidelity_unchecked": Qualifier("nobody knows whether both compute the same model", False),
    "carry_over": Qualifier("times depend on which engine ran just before", False),
    "client_limited": Qualifier("the load client was at its limit, as the warnings tell", False),
    "failed_requests": Qualifier("requests failed", False),
    "noisy": Qualifier("times vary by 10 % or more", False),
    "drift": Qualifier("times drift over the campaign", False),
    "not_steady": Qualifier("most launches still change level after the warm-up", False),
    "settings_differ": Qualifier("the two computed with different settings", False),
}
"""By the name that `qualifiers` has, the gravest first."""


def qualifier_words(name: str, seen: str = "") -> str:
    """A qualifier in words, with what was seen where it tells of that."""
    return QUALIFIERS[name].words.format(seen=seen)


def percent_or_times(ratio: float) -> str:
    """A ratio above 1 as a percentage, from 2 on as "times"."""
    return f"{100 * (ratio - 1):.2g} %" if ratio < 1.995 else f"{ratio:.1f} times"


def chance_of_alarm(alpha: float) -> str:
    """What an alarm of the control at this level means, and what to do."""
    often = QUIET_CAMPAIGNS_AN_ALARM[alpha]
    return f"Chance does this in one quiet campaign of {often}. Add launches; if it stays, look for a cause"


def median_is_mean(iterations: int) -> str | None:
    """Says so where a launch has too few iterations for a median; None where it has enough."""
    if iterations >= FEWEST_FOR_MEDIAN:
        return None
    return "the median of 2 iterations a launch is their mean" if iterations == 2 else "a launch has 1 iteration"
