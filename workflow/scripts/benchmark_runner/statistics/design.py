"""Whether a campaign's launches can answer its questions, from the configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmark_runner.statistics.power import family_size, fewest_launches, share_of_alpha
from benchmark_runner.statistics.schemes import SCHEMES, Scheme


class Design(NamedTuple):
    """The primary family and what it takes: all pairs of engines (control excluded) in each test case."""

    engines: int
    cells: int
    launches: int
    alpha: float
    scheme: Scheme

    @property
    def tests(self) -> int:
        """Comparisons in the family."""
        return family_size(self.engines, self.cells)

    @property
    def alpha_of_look(self) -> float:
        """What the first look may spend."""
        return round(self.alpha * share_of_alpha(1), 12)

    @property
    def needed(self) -> int:
        """Fewest launches from which a verdict can come."""
        return fewest_launches(max(self.tests, 1), self.alpha_of_look, self.scheme.second)

    @property
    def advised(self) -> int:
        """Launches with one to spare, so that a lost one costs no verdict."""
        return self.needed + 1

    @property
    def can_answer(self) -> bool:
        """Whether the launches are enough for a verdict, whatever they will show; so too where nothing is compared."""
        return self.tests == 0 or self.launches >= self.needed


def design_of(engines: int, cells: int, launches: int, analysis: Mapping[str, Any]) -> Design:
    """Design of so many engines (without the control) in so many test cases under a configuration's `analysis`."""
    alpha = round(1.0 - analysis["confidence_level"], 12)
    return Design(engines, cells, launches, alpha, SCHEMES[analysis["significance_test"]])
