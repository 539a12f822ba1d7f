"""Which tests a verdict rests on, by the name that analysis.significance_test has for it.

numpy and scipy stay out: the configuration is checked with this before every call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from benchmark_runner.statistics import power
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, MANN_WHITNEY, PERMUTATION, SecondTest

FirstTest = Literal["moderated_t", "paired_t", "welch_t"]
MODERATED_T: Final = "moderated_t"
PAIRED_T: Final = "paired_t"
WELCH_T: Final = "welch_t"

FEWEST_MODERATED: Final = 5
"""Simulated: with engines of which some vary three to ten times as much as others, campaigns with a false verdict are
at most 5.9 % from 5 launches on, and up to 6.3 and 7.2 % at 4 and 3."""


@dataclass(frozen=True)
class Scheme:
    """Tests that a verdict rests on: a t test, which gives the interval, and what must agree with it.

    blocked is the t test of launches that are paired; others have Welch's. second is the exact test that must agree on
    paired launches, second_unpaired on others. guarded says that the pair's own paired t, uncorrected, must agree too.
    fewest are the launches below which no verdict is given, whatever the exact test could reach. control_alpha is the
    level at which the control raises an alarm.
    """

    name: str
    blocked: FirstTest
    second: SecondTest | None = None
    second_unpaired: SecondTest | None = None
    guarded: bool = False
    fewest: int = FEWEST_LAUNCHES
    control_alpha: float = 0.05

    def first(self, *, paired: bool) -> FirstTest:
        """The t test of launches that are paired, or are not."""
        return self.blocked if paired else WELCH_T

    def beside(self, *, paired: bool) -> SecondTest | None:
        """The exact test that must agree on launches that are paired, or are not."""
        return self.second if paired else self.second_unpaired

    def fewest_launches(self, tests: int, alpha: float, *, paired: bool = True) -> int:
        """Fewest launches an engine at which a verdict over `tests` comparisons can reach alpha."""
        fewest = power.fewest_launches(max(tests, 1), alpha, self.beside(paired=paired))
        return max(fewest, self.fewest) if paired else fewest


_ALL: Final = (
    Scheme(MODERATED_T, MODERATED_T, None, MANN_WHITNEY, guarded=True, fewest=FEWEST_MODERATED, control_alpha=0.10),
    Scheme(MANN_WHITNEY, PAIRED_T, MANN_WHITNEY, MANN_WHITNEY),
    Scheme(PERMUTATION, PAIRED_T, PERMUTATION, PERMUTATION),
    Scheme(PAIRED_T, PAIRED_T),
    Scheme(WELCH_T, WELCH_T),
)

SCHEMES: Final[Mapping[str, Scheme]] = {scheme.name: scheme for scheme in _ALL}

DEFAULT_SCHEME: Final = SCHEMES[MODERATED_T]
