"""Which tests a verdict rests on, by the name that analysis.significance_test has for it.

numpy and scipy stay out: the configuration is checked with this before every call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from benchmark_runner.statistics.power import MANN_WHITNEY, PERMUTATION, SecondTest

FirstTest = Literal["paired_t", "welch_t"]
PAIRED_T: Final = "paired_t"
WELCH_T: Final = "welch_t"


@dataclass(frozen=True)
class Scheme:
    """Tests that a verdict rests on: a t test, which gives the interval, and what must agree with it."""

    name: str
    uses_blocks: bool
    second: SecondTest | None

    def first(self, *, paired: bool) -> FirstTest:
        """The t test of launches that are paired, or are not."""
        return PAIRED_T if self.uses_blocks and paired else WELCH_T


SCHEMES: Final[Mapping[str, Scheme]] = {
    "mann_whitney_u": Scheme("mann_whitney_u", uses_blocks=True, second=MANN_WHITNEY),
    "permutation": Scheme("permutation", uses_blocks=True, second=PERMUTATION),
    "paired_t": Scheme("paired_t", uses_blocks=True, second=None),
    "welch_t": Scheme("welch_t", uses_blocks=False, second=None),
}

DEFAULT_SCHEME: Final = SCHEMES["mann_whitney_u"]
