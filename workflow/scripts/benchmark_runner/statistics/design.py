"""Whether a campaign's launches can answer its questions, from the configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmark_runner.statistics.planned import PlannedLook, at_most, planned_looks
from benchmark_runner.statistics.power import family_size, share_of_alpha
from benchmark_runner.statistics.schemes import SCHEMES, Scheme

SPARE: Final = 1
"""Launches beyond the fewest wherever a number is advised."""


class Design(NamedTuple):
    """The primary family and what it takes: all pairs of engines (control excluded) in each test case.

    launches is the number of each engine, or the most of a campaign until decided, whose looks are planned.
    """

    engines: int
    cells: int
    launches: int
    alpha: float
    scheme: Scheme
    until_decided: bool
    untested: int = 0
    """Of these those that are not made, since an engine cannot do a test case."""

    @property
    def tests(self) -> int:
        """Comparisons in the family."""
        return family_size(self.engines, self.cells) - self.untested

    @property
    def alpha_of_look(self) -> float:
        """What the look that has all launches may spend: the first, or of a campaign until decided the last."""
        return round(self.alpha * (self.looks[-1].share if self.until_decided else share_of_alpha(1)), 12)

    @property
    def looks(self) -> tuple[PlannedLook, ...]:
        """The looks of a campaign until decided; none of another."""
        if not self.until_decided:
            return ()
        return planned_looks(self.tests, self.launches, self.alpha, self.scheme.second, self.scheme.fewest)

    @property
    def needed(self) -> int:
        """Fewest launches from which a verdict can come."""
        return self.scheme.fewest_launches(self.tests, self.alpha_of_look)

    @property
    def advised(self) -> int:
        """Launches with one to spare, so that a lost one costs no verdict."""
        return self.needed + SPARE

    @property
    def can_answer(self) -> bool:
        """Whether the launches are enough for a verdict, whatever they will show; so too where nothing is compared."""
        return self.tests == 0 or self.launches >= self.needed


def design_of(
    engines: int, cells: int, launches: int | Mapping[str, Any], analysis: Mapping[str, Any], untested: int = 0
) -> Design:
    """Design of so many engines (without the control) in so many test cases under `benchmark.launches` and
    `analysis`, less the comparisons that are not made."""
    alpha = round(1.0 - analysis["confidence_level"], 12)
    scheme, until_decided = SCHEMES[analysis["significance_test"]], not isinstance(launches, int)
    return Design(engines, cells, at_most(launches), alpha, scheme, until_decided, untested)
