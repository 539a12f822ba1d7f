"""What the verdict will find: the recipe that judges, simulated on normal differences.

All tests of a recipe that must agree call a pair once it differs by enough. How much that is, in units of the spread of
log differences, is read from each simulated campaign at once, so that power at any difference and the difference at any
power follow from the same draws.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np

from benchmark_runner.statistics.design import Design
from benchmark_runner.statistics.estimates import FloatArray, t_quantile
from benchmark_runner.statistics.hypotheses import chance_of_u_at_most
from benchmark_runner.statistics.power import MANN_WHITNEY, MOST_LAUNCHES_SEARCHED, SecondTest

CAMPAIGNS: Final = 2000
"""Chosen: the power of 80 % is then known to one point."""

SEED: Final = 20

MOST_SIMULATED: Final = 50
"""Launches from which on a difference falls as the root of their number; simulated there, all recipes do."""


def _mann_whitney(own: FloatArray, other: FloatArray, level: float) -> FloatArray:
    """Difference from which on Mann-Whitney reaches the level: enough of all pairs of launches must be won."""
    launches = own.shape[1]
    lost = int(np.searchsorted(2.0 * chance_of_u_at_most(launches, launches), level, side="right")) - 1
    if lost < 0:
        return np.full(len(own), math.inf)
    gaps = (other[:, None, :] - own[:, :, None]).reshape(len(own), -1)
    won = launches * launches - lost
    return np.partition(gaps, won - 1, axis=1)[:, won - 1]


def _t(differences: FloatArray, level: float) -> FloatArray:
    """Difference from which on the paired t test reaches the level."""
    launches = differences.shape[1]
    means, spreads = np.mean(differences, axis=1), np.std(differences, axis=1, ddof=1)
    needed: FloatArray = t_quantile(launches - 1.0, 1.0 - level) * spreads / math.sqrt(launches) - means
    return needed


@lru_cache(maxsize=64)
def _needed(engines: int, launches: int, level: float, second: SecondTest | None) -> FloatArray:
    """Differences from which on simulated campaigns call a pair, ascending, for differences that vary by 1; level is
    alpha over the comparisons, Holm's first and strictest step."""
    rng = np.random.default_rng(SEED)
    logs = rng.normal(0.0, math.sqrt(0.5), (CAMPAIGNS, engines, launches))
    own, other = logs[:, 0], logs[:, 1]
    needed = _t(own - other, level)
    if second == MANN_WHITNEY:
        blocks = logs.mean(axis=1)
        needed = np.maximum(needed, _mann_whitney(own - blocks, other - blocks, level))
    return np.sort(needed)


def needed_differences(design: Design, launches: int | None = None) -> FloatArray:
    """What _needed gives for a design, at its own launches or at others."""
    launches = launches or design.launches
    level = design.alpha_of_look / max(design.tests, 1)
    simulated = min(launches, max(MOST_SIMULATED, design.needed))
    found = _needed(max(design.engines, 2), simulated, level, design.scheme.second)
    return found * math.sqrt(simulated / launches)


def smallest_ratio(design: Design, spread: float, power: float) -> float | None:
    """Smallest ratio that the design's recipe calls with this power, where log differences of blocks vary by `spread`;
    None where it can call none."""
    if design.launches < design.needed:
        return None
    least = float(np.quantile(needed_differences(design), power))
    return math.exp(spread * least) if math.isfinite(least) else None


def launches_for(design: Design, spread: float, ratio: float, power: float) -> int | None:
    """Fewest launches at which the design's recipe calls this ratio with this power; None beyond
    MOST_LAUNCHES_SEARCHED."""

    def enough(launches: int) -> bool:
        return spread * float(np.quantile(needed_differences(design, launches), power)) <= abs(math.log(ratio))

    low, high = design.needed, MOST_LAUNCHES_SEARCHED
    if enough(low):
        return low
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
